#include "fuzz/targets.hpp"
#include "text/chat_template.hpp"

namespace gyre::fuzz {

void chat_template(Bytes input) {
  const std::string_view text = text_of(input);
  const InputFolder folder;
  const bool is_config = text.starts_with('{');
  folder.add("tokenizer_config.json", is_config ? text : R"({"bos_token": "<s>", "eos_token": {"content": "</s>"}})");
  if (!is_config) folder.add("chat_template.jinja", text);
  const std::vector<ChatMessage> talk = {{"system", "Be brief."},
                                         {"user", " Why? "},
                                         {"assistant", "<think>\nwell\n</think>\n\nBecause."},
                                         {"user", "<tool_response>4</tool_response>"}};
  attempt([&] {
    const ChatTemplate made = ChatTemplate::load(folder.path());
    require(!made.family().empty(), "a template that was read is of a family");
    for (std::size_t first = 0; first < talk.size(); ++first) {
      attempt([&] { static_cast<void>(made.render(std::span(talk).subspan(first), first % 2 == 0)); });
    }
  });
}

}  // namespace gyre::fuzz
