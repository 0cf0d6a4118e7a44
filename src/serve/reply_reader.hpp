#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "serve/api_error.hpp"
#include "serve/json_extent.hpp"
#include "serve/named_reading.hpp"
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

/// Functions that may be called, each with the schema of its arguments, or null.
using Functions = std::map<std::string, Json, std::less<>>;

/// Tells the calls of functions in a text from its other words, as the text comes. What looks like a call but is none
/// of a function that was offered stays text. White space around calls is left out.
class ReplyReader {
 public:
  ReplyReader(ToolForm form, Functions functions)
      : form_(std::move(form)), functions_(std::move(functions)), at_(form_.bare() ? At::head : At::text) {}

  /// More of the text: what is sure by now.
  std::vector<ReplyPart> read(std::string_view more);
  /// The text has ended.
  std::vector<ReplyPart> finish();
  /// Calls that have begun.
  [[nodiscard]] std::size_t calls() const { return calls_; }

 private:
  enum class At { text, head, arguments, parameters, words, tail, whole };

  bool step();
  bool read_text();
  bool read_head();
  bool read_arguments();
  bool read_named_head();
  bool read_parameters();
  bool read_words();
  bool read_tail();
  bool read_named_tail();
  void finish_named();
  bool read_whole(bool ended);
  void say(std::size_t bytes);
  void begin_call(const std::string& name);
  void begin_named(const NamedHead& head);
  void end_call();

  ToolForm form_;
  Functions functions_;
  At at_;
  std::string held_ = {};  ///< that is not told yet
  std::size_t calls_ = 0;
  JsonExtent extent_ = {};      ///< of the arguments
  std::string called_ = {};     ///< the function whose arguments come apart
  std::size_t parameters_ = 0;  ///< that have come
  bool said_ = false;           ///< there was text since the last call
  std::vector<ReplyPart> parts_ = {};
};

}  // namespace gyre::serve
