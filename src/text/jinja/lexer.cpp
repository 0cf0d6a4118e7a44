#include "text/jinja/lexer.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "text/jinja/characters.hpp"
#include "text/jinja/literals.hpp"
#include "text/unicode.hpp"
#include "text/utf8.hpp"

namespace gyre::jinja {
namespace {

/// Line ends become \n; the last one goes.
std::string with_plain_lines(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (std::size_t at = 0; at < source.size(); ++at) {
    if (source[at] != '\r') {
      text += source[at];
      continue;
    }
    text += '\n';
    if (at + 1 < source.size() && source[at + 1] == '\n') ++at;
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }
bool starts_name(char32_t c) { return c == U'_' || is_alphabetic(c); }
bool continues_name(char32_t c) { return is_word_character(c); }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(with_plain_lines(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) text();
    add(Token::Kind::end, "");
    return std::move(tokens_);
  }

 private:
  [[nodiscard]] std::string_view rest() const { return std::string_view(source_).substr(at_); }
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }
  [[noreturn]] void fail(const std::string& message) const { throw SourceFailure(line_, message); }

  void add(Token::Kind kind, std::string text, Value number = {}) {
    tokens_.push_back({kind, line_, std::move(text), std::move(number)});
  }

  /// Goes on by `count` bytes, counting lines.
  void skip(std::size_t count) {
    const std::string_view passed = rest().substr(0, count);
    if (passed.empty()) return;
    line_ += static_cast<int>(std::count(passed.begin(), passed.end(), '\n'));
    at_line_start_ = passed.ends_with('\n');
    at_ += passed.size();
  }

  void skip_space() { skip(rest().size() - strip(rest(), true, false).size()); }

  /// Text up to the next tag, and the tag.
  void text() {
    const std::size_t tag = next_tag();
    if (tag == std::string::npos) {
      add_data(rest());
      skip(rest().size());
      return;
    }
    const std::string_view data = rest().substr(0, tag - at_);
    const char kind = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    add_data(before_tag(data, sign, kind != '{'));
    const bool signed_tag = sign == '-' || sign == '+';
    skip(data.size());
    if (kind == '%' && raw_begin_size() > 0) {
      raw();
      return;
    }
    if (kind != '#') add(kind == '{' ? Token::Kind::variable_begin : Token::Kind::block_begin, "");
    skip(signed_tag ? 3 : 2);
    if (kind == '#') {
      comment();
    } else {
      code(kind == '{');
    }
  }

  [[nodiscard]] std::size_t next_tag() const {
    for (std::size_t at = source_.find('{', at_); at != std::string::npos; at = source_.find('{', at + 1)) {
      const char next = at + 1 < source_.size() ? source_[at + 1] : '\0';
      if (next == '{' || next == '%' || next == '#') return at;
    }
    return std::string::npos;
  }

  /// What a tag leaves of the text before it.
  [[nodiscard]] std::string_view before_tag(std::string_view data, char sign, bool strips_line) const {
    if (sign == '-') return strip(data, false, true);
    if (sign == '+' || !strips_line) return data;
    const std::size_t line_break = data.rfind('\n');
    const std::size_t start = line_break == std::string_view::npos ? 0 : line_break + 1;
    if (line_break == std::string_view::npos && !at_line_start_) return data;
    return strip(data.substr(start), true, true).empty() ? data.substr(0, start) : data;
  }

  void add_data(std::string_view data) {
    if (!data.empty()) add(Token::Kind::data, std::string(data));
  }

  /// Behind the end of a block or comment: `-` takes white space, nothing takes one line break, `+` none.
  void skip_behind(char sign) {
    if (sign == '-') {
      skip_space();
    } else if (sign != '+' && peek() == '\n') {
      skip(1);
    }
  }

  void comment() {
    const std::size_t end = source_.find("#}", at_);
    if (end == std::string::npos) fail("a comment has no end \"#}\"");
    const char sign = end > at_ ? source_[end - 1] : '\0';
    skip(end + 2 - at_);
    skip_behind(sign);
  }

  /// The size of `{% name %}` at `at`, from its brace to its brace; 0 when it is another tag.
  [[nodiscard]] std::size_t word_tag_size(std::size_t at, std::string_view name) const {
    const std::string_view tag = std::string_view(source_).substr(at);
    std::string_view inside = tag.substr(2);
    if (inside.starts_with('-') || inside.starts_with('+')) inside.remove_prefix(1);
    inside = strip(inside, true, false);
    if (!inside.starts_with(name)) return 0;
    inside = strip(inside.substr(name.size()), true, false);
    if (inside.starts_with('-') || (name == "endraw" && inside.starts_with('+'))) inside.remove_prefix(1);
    return inside.starts_with("%}") ? tag.size() - inside.size() + 2 : 0;
  }

  [[nodiscard]] std::size_t raw_begin_size() const { return word_tag_size(at_, "raw"); }

  void raw() {
    const std::size_t size = raw_begin_size();
    const bool takes_space = source_[at_ + size - 3] == '-';
    skip(size);
    if (takes_space) skip_space();
    for (std::size_t end = source_.find("{%", at_); end != std::string::npos; end = source_.find("{%", end + 1)) {
      const std::size_t end_size = word_tag_size(end, "endraw");
      if (end_size == 0) continue;
      const std::string_view data = std::string_view(source_).substr(at_, end - at_);
      add_data(before_tag(data, source_[end + 2], true));
      const char sign = source_[end + end_size - 3];
      skip(data.size() + end_size);
      skip_behind(sign);
      return;
    }
    fail("a raw block has no {% endraw %}");
  }

  /// The inside of {{ }} or {% %}, to its end.
  void code(bool variable) {
    const std::string_view close = variable ? "}}" : "%}";
    std::string open;
    while (at_ < source_.size()) {
      if (open.empty() && ends_code(close, variable)) return;
      const Utf8Step step = read_utf8(rest());
      if (is_space(step.code_point)) {
        skip_space();
      } else if (is_ascii_digit(peek())) {
        number();
      } else if (starts_name(step.code_point)) {
        name();
      } else if (peek() == '\'' || peek() == '"') {
        literal();
      } else {
        sign(open);
      }
    }
    fail(fmt::format("the template ends inside {}", variable ? "{{ }}" : "{% %}"));
  }

  bool ends_code(std::string_view close, bool variable) {
    const char sign = peek() == '-' || (peek() == '+' && !variable) ? peek() : '\0';
    if (!rest().substr(sign == '\0' ? 0 : 1).starts_with(close)) return false;
    add(variable ? Token::Kind::variable_end : Token::Kind::block_end, std::string(close));
    skip(sign == '\0' ? 2 : 3);
    if (!variable) {
      skip_behind(sign);
    } else if (sign == '-') {
      skip_space();
    }
    return true;
  }

  void number() {
    const bool behind_point = at_ > 0 && source_[at_ - 1] == '.';
    const NumberLiteral number = number_literal(rest(), !behind_point);
    if (!number.problem.empty()) fail(number.problem);
    add(number.value.is(Value::Kind::real) ? Token::Kind::real : Token::Kind::integer,
        std::string(rest().substr(0, number.size)), number.value);
    skip(number.size);
  }

  void name() {
    std::size_t size = 0;
    while (size < rest().size()) {
      const Utf8Step step = read_utf8(rest().substr(size));
      if (!continues_name(step.code_point)) break;
      size += step.length;
    }
    add(Token::Kind::name, std::string(rest().substr(0, size)));
    skip(size);
  }

  void literal() {
    const char quote = peek();
    std::size_t size = 1;
    while (size < rest().size() && rest()[size] != quote) size += rest()[size] == '\\' ? 2 : 1;
    if (size >= rest().size()) fail(fmt::format("a text that begins with {} has no end", quote));
    std::string problem;
    std::string text = unescaped(rest().substr(1, size - 1), problem);
    if (!problem.empty()) fail(problem);
    add(Token::Kind::text, std::move(text));
    skip(size + 1);
  }

  void sign(std::string& open) {
    constexpr std::array<std::string_view, 6> kPairs = {"//", "**", "==", "!=", ">=", "<="};
    constexpr std::string_view kSingles = "+-/*%~[](){}><=.:|,;";
    const auto pair = std::find(kPairs.begin(), kPairs.end(), rest().substr(0, 2));
    if (pair == kPairs.end() && kSingles.find(peek()) == std::string_view::npos) {
      fail(fmt::format("unexpected character \"{}\"", rest().substr(0, first_character(rest()))));
    }
    const std::string sign(pair == kPairs.end() ? rest().substr(0, 1) : *pair);
    balance(sign.front(), open);
    add(Token::Kind::sign, sign);
    skip(sign.size());
  }

  void balance(char sign, std::string& open) const {
    constexpr std::string_view kOpening = "([{";
    constexpr std::string_view kClosing = ")]}";
    if (kOpening.find(sign) != std::string_view::npos) open += kClosing[kOpening.find(sign)];
    if (kClosing.find(sign) == std::string_view::npos) return;
    if (open.empty() || open.back() != sign) fail(fmt::format("unexpected \"{}\"", sign));
    open.pop_back();
  }

  std::string source_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool at_line_start_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokens_of(std::string_view source) { return Lexer(source).run(); }

}  // namespace gyre::jinja
