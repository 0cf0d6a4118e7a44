#pragma once

#include "fuzz/input.hpp"

/// Each function reads `input` as a file that nobody vouches for. It returns when the file was read, or refused with
/// gyre::Error; whatever else leaves it is a bug.
namespace gyre::fuzz {

/// A safetensors file; or, when it begins with a brace, the index of a model in several files.
void safetensors(Bytes input);
/// A GGUF file: its keys, its tensors, and the model in it.
void gguf(Bytes input);
/// The config.json of a model folder, gyre's own or of a family. Behind a zero byte follows its model.safetensors.
void config(Bytes input);
/// A tokenizer.json, a GGUF file with a vocabulary, or a vocab.txt: whichever it begins like.
void tokenizer(Bytes input);
/// A tokenizer_config.json when it begins with a brace, and else a chat_template.jinja.
void chat_template(Bytes input);

}  // namespace gyre::fuzz
