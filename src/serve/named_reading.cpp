#include "serve/named_reading.hpp"

#include <algorithm>
#include <cctype>

#include "serve/json_extent.hpp"
#include "serve/parameter_value.hpp"
#include "serve/white_space.hpp"
#include "text/utf8.hpp"

namespace gyre::serve {
namespace {

bool is_space(char c) { return kWhiteSpace.find(c) != std::string_view::npos; }

bool names(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.'; }

/// Goes through a text as far as it is what is expected.
class Cursor {
 public:
  explicit Cursor(std::string_view text, std::size_t at = 0) : text_(text), at_(at) {}

  Fit word(std::string_view expected) {
    for (const char c : expected) {
      if (is_space(c)) continue;
      skip_space();
      if (c == NamedForm::kId) {
        std::string id;
        if (const Fit fit = name(id); fit != Fit::yes) return fit;
        continue;
      }
      if (at_ == text_.size()) return Fit::open;
      if (text_[at_] != c) return Fit::no;
      ++at_;
    }
    return Fit::yes;
  }
  /// Of a function, or an id.
  Fit name(std::string& found) {
    const std::size_t begin = at_;
    while (at_ < text_.size() && names(text_[at_])) ++at_;
    if (at_ == text_.size()) return Fit::open;
    found = text_.substr(begin, at_ - begin);
    return found.empty() ? Fit::no : Fit::yes;
  }
  void skip_space() { at_ = std::min(text_.find_first_not_of(kWhiteSpace, at_), text_.size()); }
  [[nodiscard]] std::size_t at() const { return at_; }

 private:
  std::string_view text_;
  std::size_t at_;
};

/// One of two things.
Fit either(Fit a, Fit b) {
  if (a == Fit::yes || b == Fit::yes) return Fit::yes;
  return a == Fit::open || b == Fit::open ? Fit::open : Fit::no;
}

NamedHead read_head(const NamedForm& form, std::string_view text, std::size_t from) {
  NamedHead head;
  Cursor cursor(text, from);
  head.fit = cursor.word(form.open);
  if (head.fit == Fit::yes) head.fit = cursor.name(head.name);
  if (head.fit == Fit::yes) head.fit = cursor.word(form.middle);
  if (head.fit != Fit::yes) return head;
  cursor.skip_space();
  head.end = cursor.at();
  const std::string_view behind = text.substr(head.end);
  head.fit = form.apart() ? either(read_word(form.parameters.open, behind).fit, read_word(form.close, behind).fit)
                          : read_word("{", behind).fit;
  return head;
}

std::string_view space_before(std::string_view word) { return word.substr(0, word.find_first_not_of(kWhiteSpace)); }

std::string_view space_behind(std::string_view word) { return word.substr(word.find_last_not_of(kWhiteSpace) + 1); }

/// The white space at an end of a word may be missing; more of it belongs to the value.
std::string_view value_between(std::string_view text, std::string_view middle, std::string_view close) {
  const std::string_view lead = space_behind(middle);
  const std::string_view trail = space_before(close);
  if (text.starts_with(lead)) text.remove_prefix(lead.size());
  if (text.ends_with(trail)) text.remove_suffix(trail.size());
  return text;
}

/// How long the list or object is with which a text begins: npos where more of it has to come.
std::size_t json_size(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kWhiteSpace);
  if (begin == std::string_view::npos || (text[begin] != '{' && text[begin] != '[')) return 0;
  JsonExtent extent;
  const std::size_t size = extent.take(text.substr(begin));
  return extent.closed() ? begin + size : std::string_view::npos;
}

/// Without a character that is not all there.
std::size_t whole_characters(std::string_view text) {
  const std::size_t at = first_invalid_utf8(text);
  const bool cut = at != std::string_view::npos && read_utf8(text.substr(at)).kind == Utf8Step::Kind::kIncomplete;
  return cut ? at : text.size();
}

}  // namespace

std::size_t begun(std::string_view text, std::string_view word) {
  std::size_t length = std::min(text.size(), word.size() - 1);
  while (length > 0 && !text.ends_with(word.substr(0, length))) --length;
  return length;
}

Found read_word(std::string_view word, std::string_view text) {
  Cursor cursor(text);
  const Fit fit = cursor.word(word);
  return {fit, cursor.at()};
}

NamedHead read_first_head(const NamedForm& form, std::string_view text) {
  const Found begin = read_word(form.begin, text);
  return begin.fit == Fit::yes ? read_head(form, text, begin.end) : NamedHead{.fit = begin.fit};
}

NamedHead read_further_head(const NamedForm& form, std::string_view text) {
  NamedHead plain = read_head(form, text, 0);
  const Found between = read_word(form.between, text);
  if (plain.fit == Fit::yes || between.end == 0) return plain;
  NamedHead behind = between.fit == Fit::yes ? read_head(form, text, between.end) : NamedHead{.fit = between.fit};
  behind.fit = either(plain.fit, behind.fit);
  return behind;
}

Parameter read_parameter(const NamedForm& form, const Json& schema, std::string_view text) {
  const ParameterForm& apart = form.parameters;
  Parameter parameter;
  const Found open = read_word(apart.open, text);
  if (open.fit != Fit::yes) {
    const Found close = read_word(form.close, text);
    parameter.closes = close.fit == Fit::yes;
    parameter.fit = either(open.fit, close.fit);
    parameter.end = close.end;
    return parameter;
  }
  const std::size_t name_end = text.find(apart.middle.front(), open.end);
  if (name_end == std::string_view::npos) return {.fit = Fit::open};
  parameter.name = without_space(text.substr(open.end, name_end - open.end));
  const std::string_view behind = text.substr(name_end);
  const Found as_text = read_word(apart.text_middle, behind);
  const Found as_json = read_word(apart.middle, behind);
  if (as_text.fit != Fit::yes && as_json.fit != Fit::yes) return {.fit = either(as_text.fit, as_json.fit)};
  const bool same = apart.middle == apart.text_middle;
  parameter.is_text = !same && as_text.fit == Fit::yes;
  parameter.is_json = !same && !parameter.is_text;
  const std::string_view value = behind.substr(as_text.fit == Fit::yes ? as_text.end : as_json.end);
  if (parameter.is_text || (same && holds_only_text(schema, parameter.name))) {
    const std::string_view lead = space_behind(apart.text_middle);
    if (value.size() < lead.size() && lead.starts_with(value)) return {.fit = Fit::open};
    parameter.fit = Fit::yes;
    parameter.is_text = true;
    parameter.end = text.size() - value.size() + (value.starts_with(lead) ? lead.size() : 0);
    return parameter;
  }
  const std::string_view close = without_space(apart.close);
  const std::size_t json = holds_text(schema, parameter.name) ? 0 : json_size(value);
  if (json == std::string_view::npos) return {.fit = Fit::open};
  const std::size_t end = value.find(close, json);
  if (end == std::string_view::npos) return {.fit = Fit::open};
  parameter.fit = Fit::yes;
  parameter.value = value_between(value.substr(0, end), apart.middle, apart.close);
  parameter.end = text.size() - value.size() + end + close.size();
  return parameter;
}

TextPiece sure_text(const ParameterForm& form, std::string_view text) {
  const std::string_view close = without_space(form.close);
  const std::string_view trail = space_before(form.close);
  const std::size_t found = text.find(close);
  if (found != std::string_view::npos) {
    const bool apart = text.substr(0, found).ends_with(trail);
    return {found - (apart ? trail.size() : 0), true, found + close.size()};
  }
  text.remove_suffix(begun(text, close));
  text.remove_suffix(begun(text, std::string(trail) + close.front()));
  return {whole_characters(text), false, 0};
}

}  // namespace gyre::serve
