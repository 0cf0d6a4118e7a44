#include "model/checkpoint.hpp"

#include <utility>

#include "text/chat_template.hpp"

namespace gyre {

Checkpoint Checkpoint::open(const std::filesystem::path& path, const LoadOptions& options) {
  Model model = Model::load(path, options);
  Language language = load_language(model.path());
  return {std::move(model), std::move(language)};
}

ChatTemplate Checkpoint::chat_template() const { return load_chat_template(model.path(), language.tokenizer); }

}  // namespace gyre
