#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "serve/fields.hpp"
#include "serve/reply_reader.hpp"
#include "serve/tag_tokens.hpp"
#include "text/byte_automaton.hpp"

namespace gyre::serve {

/// A function that a request offers to the model.
struct Tool {
  std::string name;
  Json parameters = nullptr;  ///< a JSON schema of an object; null: it takes none
  bool strict = false;        ///< its arguments have to be of the schema
  std::string field = {};     ///< where the schema stands in the request
};

/// Functions that a request offers, and what it wants done with them.
struct Tools {
  enum class Choice {
    none,      ///< a text
    free,      ///< a text, calls, or a text and calls
    required,  ///< one call or more
  };

  std::vector<Tool> offered = {};
  Json shown = Json::array();  ///< the list as templates are given it
  Choice choice = Choice::free;
  std::string only = {};  ///< the one function that has to be called
  bool parallel = true;   ///< there may be several calls

  /// Where one function was chosen no other may be called.
  [[nodiscard]] bool may_call(const Tool& tool) const;
  /// Whether arguments have to be of the function's schema.
  [[nodiscard]] bool checked(const Tool& tool) const;
  [[nodiscard]] Functions functions() const;
};

/// How the two APIs write a function: under a key "function" of its own, or beside "type".
enum class ToolStyle { nested, flat };

/// "tools", "tool_choice" and "parallel_tool_calls"; nothing where no function is offered.
std::optional<Tools> read_tools(Fields& body, ToolStyle style);

/// What the model may write, where something has to be held to: a call that is required, one call at most, or arguments
/// of a strict function. Nothing where it may write what it likes. Throws ApiError about a schema that is not
/// supported. Tags are written as `tags` has them.
std::optional<ByteAutomaton> language_of_calls(const Tools& tools, const ToolForm& form, const TagTokens& tags = {});

}  // namespace gyre::serve
