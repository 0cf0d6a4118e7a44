#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model_folder.hpp"

namespace gyre {

/// Templates that show functions and write calls as Qwen's and Llama's do, but for their words.
inline constexpr const char* kTaggedTemplate =
    "{% for t in tools or [] %}[{{ t.function.name }}]{% endfor %}"
    "{% for m in messages %}{{ m.role }}:{{ m.content }}"
    "{% for c in m.tool_calls or [] %}{{ '\\n' }}<tool_call>\n{\"name\": \"{{ c.function.name }}\", \"arguments\": "
    "{{ c.function.arguments | tojson }}}\n</tool_call>{% endfor %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}";
inline constexpr const char* kBareTemplate =
    "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}"
    "{% for m in messages %}{{ m.role }}:{{ m.content }}"
    "{% for c in m.tool_calls or [] %}{\"name\": \"{{ c.function.name }}\", \"parameters\": "
    "{{ c.function.arguments | tojson }}}{% endfor %}\n{% endfor %}";
inline constexpr const char* kPlainTemplate = "{% for m in messages %}{{ m.role }}:{{ m.content }}\n{% endfor %}";

/// As Mistral's templates write calls, but for their words; an id of another size is refused, as there.
inline constexpr const char* kListTemplate =
    "{% for t in tools or [] %}[AVAILABLE_TOOLS]{{ t.function.name }}{% endfor %}"
    "{% for m in messages %}{% if m.tool_calls %}[TOOL_CALLS] [{% for c in m.tool_calls %}"
    "{% if c.id | length != 9 %}{{ raise_exception('ids have 9 characters') }}{% endif %}"
    "{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ c.function.arguments | tojson }}, \"id\": \"{{ c.id }}\"}"
    "{% if not loop.last %}, {% endif %}{% endfor %}]</s>{% else %}{{ m.content }}{{ m.tool_call_id or '' }}{% endif %}"
    "{% endfor %}";

/// The characters of ASCII that can be seen, space and line break.
inline std::string ascii_characters() {
  std::string characters = "\n";
  for (char c = ' '; c <= '~'; ++c) characters += c;
  return characters;
}

/// The text of a tokenizer.json of characters, and of special tokens with ids behind theirs.
inline std::string tokenizer_text(const std::string& characters, const std::vector<std::string>& special) {
  const Tokenizer plain = Tokenizer::characters(characters);
  nlohmann::json file = nlohmann::json::parse(plain.file_text());
  file["added_tokens"] = nlohmann::json::array();
  for (std::size_t i = 0; i < special.size(); ++i) {
    file["added_tokens"].push_back(
        {{"id", static_cast<std::size_t>(plain.size()) + i}, {"content", special[i]}, {"special", true}});
  }
  return file.dump();
}

/// A small model of random weights whose tokens are those characters and the special ones it is given.
class AsciiModel {
 public:
  explicit AsciiModel(const std::string& chat_template, int context = 2048,
                      const std::vector<std::string>& special = {}) {
    ModelSpec spec = small_spec();
    spec.vocab_size = static_cast<int>(ascii_characters().size() + special.size());
    spec.context = context;
    folder_ = std::make_unique<ModelFolder>(spec);
    write_text_atomically(folder_->path() / "tokenizer.json", tokenizer_text(ascii_characters(), special));
    write_text_atomically(folder_->path() / "chat_template.jinja", chat_template);
  }
  [[nodiscard]] std::string path() const { return folder_->path().string(); }

 private:
  std::unique_ptr<ModelFolder> folder_;
};

}  // namespace gyre
