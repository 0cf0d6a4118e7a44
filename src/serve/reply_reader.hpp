#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "serve/tool_form.hpp"

namespace gyre::serve {

/// Some of what a model says.
struct ReplyPart {
  enum class Kind {
    text,
    call,       ///< a call begins: `text` is the name of the function
    arguments,  ///< more of the JSON of its arguments
    call_end,
  };
  Kind kind = Kind::text;
  std::string text = {};

  bool operator==(const ReplyPart&) const = default;
};

/// Tells the calls of functions in a text from its other words, as the text comes. What looks like a call but is none
/// of a function that was offered stays text. White space around calls is left out.
class ReplyReader {
 public:
  ReplyReader(ToolForm form, std::set<std::string, std::less<>> names)
      : form_(std::move(form)), names_(std::move(names)), at_(form_.bare() ? At::head : At::text) {}

  /// More of the text: what is sure by now.
  std::vector<ReplyPart> read(std::string_view more);
  /// The text has ended.
  std::vector<ReplyPart> finish();
  /// Calls that have begun.
  [[nodiscard]] std::size_t calls() const { return calls_; }

 private:
  enum class At { text, head, arguments, tail, whole };

  bool step();
  bool read_text();
  bool read_head();
  bool read_arguments();
  bool read_tail();
  bool read_whole(bool ended);
  void say(std::size_t bytes);
  void begin_call(const std::string& name);

  ToolForm form_;
  std::set<std::string, std::less<>> names_;
  At at_;
  std::string held_ = {};  ///< that is not told yet
  std::size_t calls_ = 0;
  int depth_ = 0;  ///< of braces and brackets in arguments
  bool quoted_ = false;
  bool escaped_ = false;
  bool said_ = false;  ///< there was text since the last call
  std::vector<ReplyPart> parts_ = {};
};

}  // namespace gyre::serve
