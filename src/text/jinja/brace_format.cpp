#include "text/jinja/brace_format.hpp"

#include <algorithm>

#include "text/jinja/interpreter.hpp"
#include "text/jinja/literals.hpp"
#include "text/jinja/number_format.hpp"
#include "text/jinja/python_text.hpp"

namespace gyre::jinja {
namespace {

class Formatter {
 public:
  Formatter(Interpreter& interpreter, const Arguments& arguments) : interpreter_(interpreter), arguments_(arguments) {}

  std::string run(std::string_view format) {
    std::string out;
    while (!format.empty()) {
      const std::size_t run = std::min(format.find_first_of("{}"), format.size());
      out += format.substr(0, run);
      format.remove_prefix(run);
      if (format.empty()) break;
      if (format.size() > 1 && format[0] == format[1]) {
        out += format[0];
        format.remove_prefix(2);
        continue;
      }
      if (format[0] == '}') throw Failure("single '}}' encountered in format string");
      const std::size_t end = format.find('}');
      if (end == std::string_view::npos) throw Failure("expected '}}' before end of string");
      out += field(format.substr(1, end - 1));
      format.remove_prefix(end + 1);
      if (out.size() > kLongestText) interpreter_.budget().text(out.size());
    }
    return out;
  }

 private:
  std::string field(std::string_view inside) {
    const std::size_t name_end = std::min(inside.find_first_of("!:"), inside.size());
    const std::string_view name = inside.substr(0, name_end);
    std::string_view rest = inside.substr(name_end);
    if (inside.find('{') != std::string_view::npos) throw Failure("fields inside fields of a format are not supported");
    Value value = looked_up(name);
    if (rest.starts_with('!')) {
      const char conversion = rest.size() > 1 ? rest[1] : '\0';
      if (conversion != 's' && conversion != 'r')
        throw Failure("the conversion in \"{{{}}}\" is not supported", inside);
      Budget& budget = interpreter_.budget();
      value = Value::text(conversion == 's' ? text_of(value, budget) : shown(value, budget));
      rest.remove_prefix(2);
    }
    if (!rest.empty() && rest[0] != ':') throw Failure("expected ':' after conversion specifier");
    return formatted(value, rest.substr(rest.empty() ? 0 : 1), interpreter_.budget());
  }

  Value looked_up(std::string_view name) {
    const std::size_t first_end = std::min(name.find_first_of(".["), name.size());
    Value value = argument(name.substr(0, first_end));
    name.remove_prefix(first_end);
    while (!name.empty()) {
      if (name[0] == '.') {
        const std::size_t end = std::min(name.find_first_of(".[", 1), name.size());
        value = interpreter_.attribute(value, name.substr(1, end - 1));
        name.remove_prefix(end);
      } else {
        const std::size_t end = name.find(']');
        if (name[0] != '[' || end == std::string_view::npos) throw Failure("missing ']' in format string");
        value = interpreter_.item(value, path_key(name.substr(1, end - 1)));
        name.remove_prefix(end + 1);
      }
    }
    return value;
  }

  Value argument(std::string_view name) {
    const bool counts = name.empty();
    const bool numbers = !counts && name.find_first_not_of("0123456789") == std::string_view::npos;
    if ((counts && numbered_) || (numbers && counted_ > 0)) {
      throw Failure("format(): cannot switch between {{}} and numbered fields");
    }
    numbered_ = numbered_ || numbers;
    if (counts) return at(counted_++);
    if (numbers) {
      const auto place = parse_integer(name, 10);
      return at(place && *place < 1'000'000 ? static_cast<std::size_t>(*place) : arguments_.values.size());
    }
    for (const auto& [known, value] : arguments_.named) {
      if (known == name) return value;
    }
    throw Failure("format() is given no \"{}\"", name);
  }

  Value at(std::size_t place) {
    if (place >= arguments_.values.size()) throw Failure("format(): index {} is out of range of its arguments", place);
    return arguments_.values[place];
  }

  Interpreter& interpreter_;
  const Arguments& arguments_;
  std::size_t counted_ = 0;
  bool numbered_ = false;
};

}  // namespace

std::string brace_format(Interpreter& interpreter, std::string_view format, const Arguments& arguments) {
  return Formatter(interpreter, arguments).run(format);
}

}  // namespace gyre::jinja
