#pragma once

#include <string>
#include <vector>

#include "serve/tools.hpp"

namespace gyre::serve {

/// Text as Jinja writes it out, with the line breaks that it would leave out beside its own tags.
inline std::string literal(const std::string& text) {
  std::string quoted;
  for (const char c : text) quoted += c == '\n' ? "\\n" : std::string(1, c);
  return "{{ '" + quoted + "' }}";
}

/// A way in which models write calls, by a template of its own words.
struct CallStyle {
  const char* title;
  std::string begin, call, between, end;  ///< `call` in Jinja: of `c`
  bool apart = false;                     ///< arguments are written apart

  /// Shows functions, and writes the calls of a history in this way.
  [[nodiscard]] std::string source() const {
    return "{% for t in tools or [] %}({{ t.function.name }}){% endfor %}"
           "{% for m in messages %}{{ m.role }}: {{ m.content }}{% if m.tool_calls %}" +
           literal(begin) + "{% for c in m.tool_calls %}" + call + "{% if not loop.last %}" + literal(between) +
           "{% endif %}{% endfor %}" + literal(end) +
           "{% endif %}[E]{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";
  }
};

inline std::string apart_call(const std::string& before, const std::string& open, const std::string& middle,
                              const std::string& close, const std::string& behind) {
  return before + "{% for key, value in c.function.arguments.items() %}" + open + "{{ key }}" + middle +
         "{{ value if value is string else value | tojson }}" + close + "{% endfor %}" + behind;
}

/// As published models write calls, but for the words around them.
inline std::vector<CallStyle> call_styles() {
  const std::string name = "{{ c.function.name }}";
  const std::string arguments = "{{ c.function.arguments | tojson }}";
  return {
      {"mistral", "", "[TOOL_CALLS]" + name + "[ARGS]" + arguments, "", ""},
      {"mistral ids", "",
       "{% if c.id | length != 9 %}{{ raise_exception('9 characters') }}{% endif %}"
       "[TOOL_CALLS]" +
           name + "[CALL_ID]{{ c.id }}[ARGS]" + arguments,
       "", ""},
      {"deepseek", "<｜tool▁calls▁begin｜>",
       "<｜tool▁call▁begin｜>function<｜tool▁sep｜>" + name + "\n```json\n" + arguments + "\n```<｜tool▁call▁end｜>",
       "\n", "<｜tool▁calls▁end｜>"},
      {"deepseek short", "<｜tool▁calls▁begin｜>",
       "<｜tool▁call▁begin｜>" + name + "<｜tool▁sep｜>" + arguments + "<｜tool▁call▁end｜>", "",
       "<｜tool▁calls▁end｜>"},
      {"function tags", "", "<function=" + name + ">" + arguments + "</function>", "", ""},
      {"kimi", "<|tool_calls_section_begin|>",
       "<|tool_call_begin|>functions." + name + ":{{ loop.index0 }}<|tool_call_argument_begin|>" + arguments +
           "<|tool_call_end|>",
       "", "<|tool_calls_section_end|>"},
      {"command", "<|START_ACTION|>[\n    ",
       R"({"tool_call_id": "{{ loop.index0 }}", "tool_name": ")" + name + R"(", "parameters": )" + arguments + "}",
       ",\n    ", "\n]<|END_ACTION|>"},
      {"solar", "<|tool_calls|>",
       "<|tool_call:begin|>{{ c.id }}<|tool_call:name|>" + name + "<|tool_call:args|>" + arguments +
           "<|tool_call:end|>",
       "", "<|calls|>"},
      {"qwen", "\n",
       apart_call("<tool_call>\n<function=" + name + ">\n", "<parameter=", ">\n", "\n</parameter>\n",
                  "</function>\n</tool_call>"),
       "\n", "", true},
      {"glm", "\n",
       apart_call("<tool_call>" + name + "\n", "<arg_key>", "</arg_key>\n<arg_value>", "</arg_value>\n",
                  "</tool_call>"),
       "\n", "", true},
      {"glm close", "",
       apart_call("<tool_call>" + name, "<arg_key>", "</arg_key><arg_value>", "</arg_value>", "</tool_call>"), "", "",
       true},
      {"minimax", "\n<minimax:tool_call>\n",
       apart_call("<invoke name=\"" + name + "\">\n", "<parameter name=\"", "\">", "</parameter>\n", "</invoke>"), "\n",
       "\n</minimax:tool_call>", true},
      {"dsml", "<D:calls>\n",
       apart_call("<D:invoke name=\"" + name + "\">\n", "<D:parameter name=\"",
                  "\" string=\"{{ 'true' if value is string else 'false' }}\">", "</D:parameter>\n", "</D:invoke>"),
       "\n", "\n</D:calls>", true},
  };
}

}  // namespace gyre::serve
