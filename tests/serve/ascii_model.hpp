#pragma once

#include <memory>
#include <string>

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

/// A small model of random weights whose tokens are the characters of ASCII that can be seen, space and line break.
class AsciiModel {
 public:
  explicit AsciiModel(const std::string& chat_template, int context = 2048) {
    std::string characters = "\n";
    for (char c = ' '; c <= '~'; ++c) characters += c;
    ModelSpec spec = small_spec();
    spec.vocab_size = static_cast<int>(characters.size());
    spec.context = context;
    folder_ = std::make_unique<ModelFolder>(spec);
    Tokenizer::characters(characters).save(folder_->path() / "tokenizer.json");
    write_text_atomically(folder_->path() / "chat_template.jinja", chat_template);
  }
  [[nodiscard]] std::string path() const { return folder_->path().string(); }

 private:
  std::unique_ptr<ModelFolder> folder_;
};

}  // namespace gyre
