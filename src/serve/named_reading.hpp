#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "serve/named_form.hpp"

namespace gyre::serve {

/// Whether a text begins with what is looked for; open: it may, once there is more of it.
enum class Fit { no, yes, open };

/// What stands before the arguments of a call.
struct NamedHead {
  Fit fit = Fit::no;
  std::string name = {};
  std::size_t end = 0;  ///< where the arguments begin
};

/// Of the first call: from `begin` on. White space need not be as it is written in the form.
NamedHead read_first_head(const NamedForm& form, std::string_view text);
/// Of a further call: from `between` on, which may be missing.
NamedHead read_further_head(const NamedForm& form, std::string_view text);

/// Whether a text begins with `word`, white space left out, and where that ends.
struct Found {
  Fit fit = Fit::no;
  std::size_t end = 0;
};
Found read_word(std::string_view word, std::string_view text);

/// How many bytes at the end of a text may be the beginning of `word`.
std::size_t begun(std::string_view text, std::string_view word);

/// One of the arguments that are written apart, or what closes the call behind the last. Of a text, where it can be
/// nothing else, `end` is where it begins: sure_text() reads on.
struct Parameter {
  Fit fit = Fit::no;
  bool closes = false;
  bool is_text = false;  ///< the form says so, or the schema
  bool is_json = false;  ///< the form says so
  std::string name = {};
  std::string value = {};
  std::size_t end = 0;
};
/// `schema` is that of the function's arguments, or null.
Parameter read_parameter(const NamedForm& form, const Json& schema, std::string_view text);

/// As much of a text that is written apart as belongs to it for sure.
struct TextPiece {
  std::size_t size = 0;
  bool closes = false;  ///< it is all of it
  std::size_t end = 0;  ///< behind the tag that closes it
};
TextPiece sure_text(const ParameterForm& form, std::string_view text);

}  // namespace gyre::serve
