#pragma once

#include <optional>
#include <string>

#include "serve/named_form.hpp"
#include "text/chat_template.hpp"

namespace gyre::serve {

/// Letters and digits of an id where templates (Mistral's) take no other.
inline constexpr std::size_t kToolIdSize = 9;

/// How a model writes that it calls a function: an object with the function's "name" and its arguments, or `named`.
struct ToolForm {
  std::string open = "<tool_call>";    ///< before each call, on a line of its own; empty: a call is the whole text
  std::string close = "</tool_call>";  ///< behind each call
  std::string arguments = "arguments";
  bool list = false;            ///< all calls are one JSON list behind `open`
  std::string gap = {};         ///< of a list: between `open` and its bracket
  bool ids = false;             ///< calls have ids of kToolIdSize letters and digits; of a list behind the arguments
  NamedForm named = {};         ///< where by_name(); `open` is what such calls are told by
  bool text_arguments = false;  ///< the template takes arguments as a text of JSON, not as an object
  bool in_template = true;      ///< the template shows functions, calls and results itself; else words do,
                                ///< of functions alone where by_name()
  bool takes_system = true;     ///< it has a place for system messages

  /// The name of a function stands by itself.
  [[nodiscard]] bool by_name() const { return !named.open.empty(); }
  /// One call at a time, which has no beginning that could not be that of another text.
  [[nodiscard]] bool bare() const { return open.empty(); }
};

/// That of a template: how it writes a call into a conversation's history is how the model learned to write it. For a
/// template that knows no functions the default form, which write_tools() states in the prompt. Nothing when it writes
/// calls in a way that is not read here.
std::optional<ToolForm> tool_form_of(const ChatTemplate& chat);

/// Puts the functions of a conversation, and the calls and results of its history, into the words of its messages,
/// where its template does not know them; gives ids of a template's own size to one that takes no other.
void write_tools(Conversation& conversation, const ToolForm& form);

}  // namespace gyre::serve
