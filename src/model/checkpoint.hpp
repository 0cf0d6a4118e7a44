#pragma once

#include <algorithm>
#include <filesystem>

#include "model/language.hpp"
#include "model/model.hpp"

namespace gyre {

/// Positions to make room for unless told: published contexts go to hundreds of thousands; their KV cache would not.
inline constexpr int kDefaultContext = 4096;
/// Those, or as many as the model has, or turns as it was trained to.
inline int default_context(const ModelSpec& spec) {
  return std::min({spec.context, spec.trained_context(), kDefaultContext});
}

/// All there is of a model, opened once: its description, weights and digest, its tokenizer and end tokens, and its
/// chat template, which is read when it is first wanted.
struct Checkpoint {
  Model model;
  Language language;

  /// A model folder or GGUF file. Throws Error as Model::load and load_language do.
  static Checkpoint open(const std::filesystem::path& path, const LoadOptions& options = {});
  /// Throws Error when there is none, or one that cannot be read.
  [[nodiscard]] ChatTemplate chat_template() const;
};

}  // namespace gyre
