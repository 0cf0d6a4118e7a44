#pragma once

#include <filesystem>
#include <string>

#include "text/chat_examples.hpp"
#include "text/examples.hpp"
#include "text/tokenizer.hpp"
#include "train/config.hpp"
#include "train/data.hpp"
#include "train/data_report.hpp"

namespace gyre {

/// What a run reads, divided into training and validation part.
struct SourceData {
  std::string text;       ///< layout text: the whole text
  ExampleSplit examples;  ///< layout answers
  ChatSplit chats;        ///< layout chat
  std::string digest;     ///< SHA-256 of all that is read, the order included
  DataReport counts;      ///< what was read; the parts are counted when they are encoded
};

/// Reads the data. Throws Error naming the file, and the line of a faulty example.
SourceData read_source(const std::filesystem::path& data, const TrainConfig& config);

/// The vocabulary that the config asks for. Merges are learned from the training part alone; a character of the
/// validation part must have an id, so those of both parts do. Throws Error for layout chat, whose template belongs to
/// a model that has a vocabulary.
Tokenizer make_tokenizer(const TrainConfig& config, const SourceData& source);

/// SHA-256 of the tokenizer's file.
std::string digest_of(const Tokenizer& tokenizer);

/// Encodes the data, and reports on it. Those of a text go through OUT/tokens.bin. Layout chat needs the model's own
/// `chat` template. Throws Error naming the line of an example that cannot be trained on.
TrainingData encode_source(const TrainConfig& config, const SourceData& source, const Tokenizer& tokenizer,
                           const std::filesystem::path& out, const ChatTemplate* chat = nullptr);

}  // namespace gyre
