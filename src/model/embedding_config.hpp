#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace gyre {

/// How the states of a text's tokens become one vector.
enum class Pooling {
  mean,  ///< of all tokens, those around the text included
  cls,   ///< the first token's
  last,  ///< the last token's
};
/// Throws Error naming `flag`.
Pooling parse_pooling(const std::string& text, const std::string& flag);
std::string_view name_of(Pooling pooling);

/// How a model embeds texts.
struct EmbeddingConfig {
  Pooling pooling = Pooling::mean;
  bool normalize = true;    ///< to length one
  int most_tokens = 0;      ///< a longer text is cut at its end; 0: as many as the model has positions
  std::string prompt_name;  ///< of a text that the model's program puts before each unless told; gyre does not
  bool operator==(const EmbeddingConfig&) const = default;
};

/// What the files of sentence-transformers in a model folder say (modules.json, the config.json of its Pooling,
/// sentence_bert_config.json, config_sentence_transformers.json), or a GGUF file that gyre wrote; without any of them
/// the defaults. Throws Error naming the file and the key that asks for something else: a module, a way of pooling.
EmbeddingConfig load_embedding_config(const std::filesystem::path& model_path);

/// Whether a model has any of them.
bool has_embedding_config(const std::filesystem::path& model_path);

/// Writes them into the folder of a model that is `hidden` wide.
void write_embedding_config(const EmbeddingConfig& config, int hidden, const std::filesystem::path& folder);

/// The same in one value, for GGUF files.
nlohmann::json to_json(const EmbeddingConfig& config);

}  // namespace gyre
