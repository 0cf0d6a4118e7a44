#include "text/jinja/percent_format.hpp"

#include <cmath>

#include "text/jinja/number_format.hpp"
#include "text/jinja/python_text.hpp"

namespace gyre::jinja {
namespace {

/// Hands out the values of a % one after another.
class Values {
 public:
  explicit Values(const Value& values)
      : values_(values), tuple_(values.is_list(Value::Form::tuple) || values.is_list(Value::Form::group)) {}

  Value next() {
    const std::size_t count = tuple_ ? values_.list().items.size() : 1;
    if (taken_ >= count) throw Failure("not enough arguments for format string");
    return tuple_ ? values_.list().items[taken_++] : (++taken_, values_);
  }
  Value named(std::string_view name) {
    if (values_.is_undefined()) throw Failure("{}", values_.message());
    if (!values_.is_dict()) throw Failure("format requires a mapping");
    by_name_ = true;
    const Value* found = values_.dict().find(name);
    if (found == nullptr) throw Failure("the format names \"{}\", which the mapping has not", name);
    return *found;
  }
  /// Python takes a mapping, a list or the like as no argument that was forgotten.
  void require_all_taken() const {
    const bool may_be_left = by_name_ || values_.is_dict() || values_.is_undefined() ||
                             values_.is_list(Value::Form::list) || values_.is_list(Value::Form::range);
    const std::size_t count = tuple_ ? values_.list().items.size() : 1;
    if (!may_be_left && taken_ < count) throw Failure("not all arguments converted during string formatting");
  }

 private:
  const Value& values_;
  bool tuple_;
  bool by_name_ = false;
  std::size_t taken_ = 0;
};

/// A number as one of % takes it: whole for d and x.
Value number_for(const Value& value, char type) {
  if (value.is_undefined()) throw Failure("{}", value.message());
  if (!value.is_number()) throw Failure("%{} format: a real number is required, not {}", type, value.type());
  const bool whole = type == 'd' || type == 'x' || type == 'X' || type == 'o';
  if (!whole || value.is_whole()) return value;
  if (type != 'd') throw Failure("%{} format: an integer is required, not float", type);
  if (!(std::abs(value.number()) < 1e37)) throw Failure("%d format: the number is too large");
  return Value::integer(static_cast<Integer>(value.number()));
}

/// One conversion behind a percent sign, which `format` loses.
std::string conversion(std::string_view& format, Values& values, Budget& budget) {
  std::optional<Value> named;
  if (format.starts_with('(')) {
    const std::size_t end = format.find(')');
    if (end == std::string_view::npos) throw Failure("incomplete format key");
    named = values.named(format.substr(1, end - 1));
    format.remove_prefix(end + 1);
  }
  FormatSpec spec;
  bool zero = false;
  bool left = false;
  for (; !format.empty() && std::string_view("-+ #0").find(format[0]) != std::string_view::npos;
       format.remove_prefix(1)) {
    left = left || format[0] == '-';
    zero = zero || format[0] == '0';
    if (format[0] == '#') throw Failure("the flag # of a % format is not supported");
    if (format[0] == '+' || (format[0] == ' ' && spec.sign != '+')) spec.sign = format[0];
  }
  if (format.starts_with('*')) throw Failure("a * in a % format is not supported");
  spec.width = take_count(format);
  if (format.starts_with('.')) {
    format.remove_prefix(1);
    spec.precision = take_count(format);
  }
  if (format.empty()) throw Failure("incomplete format");
  const char type = format[0];
  format.remove_prefix(1);
  const Value value = named ? *named : values.next();
  spec.align = left ? '<' : '>';
  if (type == 's' || type == 'r') {
    spec.sign = '-';
    return formatted(Value::text(type == 's' ? text_of(value, budget) : shown(value, budget)), spec, budget);
  }
  if (std::string_view("dixXofFeEgG").find(type) == std::string_view::npos) {
    throw Failure("the conversion \"%{}\" is not supported", type);
  }
  spec.type = type == 'i' ? 'd' : type;
  const Value number = number_for(value, spec.type);
  if (zero && !left) {
    spec.fill = '0';
    spec.align = '=';
  }
  if (number.is_whole() && std::string_view("dxXo").find(spec.type) != std::string_view::npos && spec.precision >= 0) {
    throw Failure("a precision of whole numbers in a % format is not supported");
  }
  return formatted(number, spec, budget);
}

}  // namespace

Value percent_format(const Value& format, const Value& values, Budget& budget) {
  if (format.is_safe()) throw Failure("% of a text that is marked safe is not supported");
  Values given(values);
  std::string_view rest = format.text();
  std::string out;
  while (!rest.empty()) {
    const std::size_t run = std::min(rest.find('%'), rest.size());
    out += rest.substr(0, run);
    rest.remove_prefix(run);
    if (rest.empty()) break;
    rest.remove_prefix(1);
    if (rest.starts_with('%')) {
      out += '%';
      rest.remove_prefix(1);
    } else {
      out += conversion(rest, given, budget);
    }
    if (out.size() > kLongestText) budget.text(out.size());
  }
  given.require_all_taken();
  budget.text(out.size());
  return Value::text(std::move(out));
}

}  // namespace gyre::jinja
