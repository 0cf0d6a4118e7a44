#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/exits.hpp"
#include "engine/kv_policy.hpp"
#include "model/checkpoint.hpp"
#include "serve/api_error.hpp"
#include "serve/tool_form.hpp"

namespace gyre::serve {

/// A model under the name by which requests ask for it. Nothing of it changes while it is served; threads share it.
struct ServedModel {
  std::string name;
  Checkpoint checkpoint;
  std::int64_t created = 0;               ///< seconds since 1970
  std::string digest = {};                ///< of the weights, which takes long to make
  int context = 0;                        ///< positions of a text
  std::optional<ChatTemplate> chat = {};  ///< nothing where it came without one
  std::string no_chat = {};               ///< why not
  std::optional<ToolForm> tools = {};     ///< how it calls functions; nothing where that is not known
  std::optional<ExitChoice> exit = {};    ///< of requests that choose none; nothing: full depth
  KvPolicy kv = {};                       ///< of requests that choose none, and how keys and values are kept
  bool special_tokens = false;            ///< special tokens that a prompt spells out are taken for those

  /// Throws Error as Checkpoint::open does. `context` 0: the model's, at most 4096.
  static ServedModel open(std::string name, Checkpoint checkpoint, int context);

  [[nodiscard]] const ModelSpec& spec() const { return checkpoint.model.spec(); }
  [[nodiscard]] const Tokenizer& tokenizer() const { return checkpoint.language.tokenizer; }
  [[nodiscard]] bool encoder() const { return spec().encoder; }
  /// Tokens that there are: vocabularies are padded.
  [[nodiscard]] int vocabulary() const { return std::min(spec().vocab_size, tokenizer().size()); }

  /// The tokens of a text that somebody sent. Special tokens that it spells out are text unless `special_tokens`.
  /// Throws ApiError about `field`.
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text, const std::string& field) const;
  /// The same behind what begins every text of this model.
  [[nodiscard]] std::vector<std::int32_t> encode_prompt(std::string_view text, const std::string& field) const;
  /// The text of a conversation as the model's template writes it, in which what the messages say is marked as text
  /// (Tokenizer::mark_special). Throws ApiError about `field`.
  [[nodiscard]] std::string render(Conversation conversation, const std::string& field) const;
  [[nodiscard]] std::vector<std::int32_t> encode_rendered(std::string_view text, const std::string& field) const;

  /// What a token stands for, of those that are none its number.
  [[nodiscard]] std::string piece(std::int32_t token) const;
  /// What answers depend on, shortened.
  [[nodiscard]] std::string fingerprint() const { return "gyre-" + digest.substr(0, 12); }
};

}  // namespace gyre::serve
