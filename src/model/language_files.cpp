#include "model/language_files.hpp"

#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "format/gguf.hpp"
#include "format/json_object.hpp"
#include "model/gguf_chat.hpp"
#include "model/model_path.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// tokenizer_config.json with the template and the special tokens of a GGUF file.
std::string tokenizer_config_of(const GgufChat& chat) {
  Json config = Json::object();
  if (chat.tool_source) {
    config["chat_template"] = {{{"name", "default"}, {"template", chat.source}},
                               {{"name", "tool_use"}, {"template", *chat.tool_source}}};
  } else {
    config["chat_template"] = chat.source;
  }
  for (const auto& [name, token] : chat.tokens) config[name] = token;
  return config.dump(2) + "\n";
}

/// Every place that ChatTemplate::load looks at.
void add_chat_files(const fs::path& folder, FolderFiles& files) {
  for (const char* const name : {"chat_template.jinja", "chat_template.json", "tokenizer_config.json",
                                 "additional_chat_templates/tool_use.jinja"}) {
    if (fs::exists(folder / name)) files[name] = read_text(folder / name);
  }
}

}  // namespace

FolderFiles language_files(const fs::path& model, const Language& language) {
  const fs::path source = resolve_model_path(model);
  FolderFiles files = {{"tokenizer.json", language.tokenizer.file_text()}};
  nlohmann::json generation = nlohmann::json::object();
  if (fs::is_regular_file(source)) {
    const auto chat = chat_of(Gguf(source), language.tokenizer);
    if (chat) files["tokenizer_config.json"] = tokenizer_config_of(*chat);
  } else {
    add_chat_files(source, files);
    const fs::path file = source / "generation_config.json";
    if (fs::exists(file)) generation = load_json(file);
  }
  generation["eos_token_id"] = language.end_tokens;
  files["generation_config.json"] = generation.dump(2) + "\n";
  return files;
}

FolderFiles language_files(const Tokenizer& tokenizer) { return {{"tokenizer.json", tokenizer.file_text()}}; }

void write_files(const fs::path& folder, const FolderFiles& files) {
  for (const auto& [name, text] : files) {
    fs::create_directories((folder / name).parent_path());
    write_text_atomically(folder / name, text);
  }
}

}  // namespace gyre
