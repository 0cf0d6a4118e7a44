#include "text/regular_expression.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

using Part = AutomatonBuilder::Part;
using Ranges = std::vector<CharacterRange>;

constexpr char32_t kLast = 0x10FFFF;
constexpr int kDeepest = 64;
constexpr int kMostTimes = 1000;

/// All but these.
Ranges others(Ranges ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  Ranges rest;
  char32_t next = 0;
  for (const CharacterRange& range : ranges) {
    if (range.first > next) rest.push_back({next, range.first - 1});
    next = std::max<char32_t>(next, range.last + 1);
  }
  if (next <= kLast) rest.push_back({next, kLast});
  return rest;
}

std::optional<Ranges> class_of(char32_t letter) {
  Ranges digits = {{'0', '9'}};
  Ranges words = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  Ranges spaces = {{'\t', '\r'}, {' ', ' '}};
  switch (letter) {
    case 'd':
      return digits;
    case 'D':
      return others(digits);
    case 'w':
      return words;
    case 'W':
      return others(words);
    case 's':
      return spaces;
    case 'S':
      return others(spaces);
    default:
      return std::nullopt;
  }
}

class Reader {
 public:
  Reader(AutomatonBuilder& builder, std::string_view text, const std::string& where)
      : builder_(builder), text_(text), where_(where) {}

  Part whole() {
    require_utf8(text_, where_);
    take("^");
    const Part part = choice(0);
    if (at_ < text_.size()) fail("a ) without its (");
    return part;
  }

 private:
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw Error("{}: at byte {} of the expression: {}", where_, at_ + 1,
                fmt::format(format, std::forward<Args>(args)...));
  }

  [[nodiscard]] bool done() const { return at_ >= text_.size(); }
  [[nodiscard]] char peek() const { return done() ? '\0' : text_[at_]; }
  bool take(std::string_view wanted) {
    if (!text_.substr(at_).starts_with(wanted)) return false;
    at_ += wanted.size();
    return true;
  }
  char32_t character() {
    const Utf8Step step = read_utf8(text_.substr(at_));
    at_ += step.length;
    return step.code_point;
  }

  Part choice(int depth) {
    if (depth > kDeepest) fail("groups are nested deeper than {}", kDeepest);
    std::vector<Part> parts = {branch(depth)};
    while (take("|")) parts.push_back(branch(depth));
    return parts.size() == 1 ? parts.front() : builder_.any_of(parts);
  }

  Part branch(int depth) {
    std::vector<Part> parts;
    while (!done() && peek() != '|' && peek() != ')') {
      if (text_.substr(at_) == "$" && depth == 0) {
        at_ = text_.size();
        break;
      }
      parts.push_back(repeated(depth));
    }
    return builder_.sequence(parts);
  }

  Part repeated(int depth) {
    const std::size_t begin = at_;
    const Part first = atom(depth);
    const std::size_t end = at_;
    int least = 1;
    int most = 1;
    if (!read_times(least, most)) return first;
    take("?");  // what is matched is the same, however eagerly
    if (!done() && (peek() == '*' || peek() == '+' || peek() == '?')) fail("two counts in a row");
    bool used = false;
    const auto again = [&] {
      if (!std::exchange(used, true)) return first;
      const std::size_t back = std::exchange(at_, begin);
      const Part copy = atom(depth);
      if (at_ != end) fail("a count of what cannot be counted");
      at_ = back;
      return copy;
    };
    return builder_.times(again, least, most);
  }

  bool read_times(int& least, int& most) {
    if (take("*")) {
      least = 0;
      most = -1;
      return true;
    }
    if (take("+")) {
      most = -1;
      return true;
    }
    if (take("?")) {
      least = 0;
      return true;
    }
    if (!take("{")) return false;
    least = number();
    most = least;
    if (take(",")) most = peek() == '}' ? -1 : number();
    if (!take("}")) fail("a count is written {{2}}, {{2,}} or {{2,5}}");
    if (most >= 0 && most < least) fail("a count from {} to {}", least, most);
    return true;
  }

  int number() {
    int value = 0;
    const std::size_t begin = at_;
    while (!done() && peek() >= '0' && peek() <= '9' && value <= kMostTimes) value = 10 * value + (text_[at_++] - '0');
    if (at_ == begin) fail("a count is written {{2}}, {{2,}} or {{2,5}}");
    if (value > kMostTimes) fail("a count above {}", kMostTimes);
    return value;
  }

  Part atom(int depth) {
    if (take("(")) return group(depth);
    if (take("[")) return builder_.character_of(bracket());
    if (take(".")) return builder_.character_of(others({{'\n', '\n'}}));
    if (take("\\")) return builder_.character_of(escape());
    const char c = peek();
    if (c == '^' || c == '$') fail("{} stands at an end of the expression alone", c);
    if (c == '*' || c == '+' || c == '?' || c == '{') fail("{} counts nothing; write \\{} for the character", c, c);
    const char32_t point = character();
    return builder_.character_of(Ranges{{point, point}});
  }

  Part group(int depth) {
    if (take("?") && !take(":")) fail("(?{} is not supported; groups are ( ) or (?: )", peek());
    const Part part = choice(depth + 1);
    if (!take(")")) fail("a ) is missing");
    return part;
  }

  char32_t hexadecimal(int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) fail("{} hexadecimal digits are wanted", digits);
      value = 16 * value + static_cast<char32_t>(digit);
      ++at_;
    }
    return value;
  }

  Ranges escape() {
    if (done()) fail("a \\ without what it stands before");
    const char32_t letter = character();
    if (const std::optional<Ranges> found = class_of(letter)) return *found;
    constexpr std::string_view kLetters = "ntrfv";
    constexpr std::string_view kControls = "\n\t\r\f\v";
    const std::size_t control = letter < 0x80 ? kLetters.find(static_cast<char>(letter)) : std::string_view::npos;
    char32_t point = letter;
    if (control != std::string_view::npos) {
      point = static_cast<char32_t>(kControls[control]);
    } else if (letter == 'x') {
      point = hexadecimal(2);
    } else if (letter == 'u') {
      point = hexadecimal(4);
    } else if ((letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
               (letter >= 'A' && letter <= 'Z')) {
      fail("\\{} is not supported", static_cast<char>(letter));
    }
    return {{point, point}};
  }

  Ranges bracket() {
    const bool inverse = take("^");
    Ranges ranges;
    do {
      if (done()) fail("a ] is missing");
      const bool escaped = take("\\");
      Ranges one = escaped ? escape() : Ranges{};
      if (!escaped) {
        const char32_t point = character();
        one = {{point, point}};
      }
      const bool single = one.size() == 1 && one.front().first == one.front().last;
      if (single && peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        const char32_t last = take("\\") ? escape().front().last : character();
        if (last < one.front().first) fail("a range that goes backwards");
        one.front().last = last;
      }
      ranges.insert(ranges.end(), one.begin(), one.end());
    } while (!take("]"));
    return inverse ? others(ranges) : ranges;
  }

  AutomatonBuilder& builder_;
  std::string_view text_;
  const std::string& where_;
  std::size_t at_ = 0;
};

}  // namespace

AutomatonBuilder::Part add_regular_expression(AutomatonBuilder& builder, std::string_view expression,
                                              const std::string& where) {
  return Reader(builder, expression, where).whole();
}

}  // namespace gyre
