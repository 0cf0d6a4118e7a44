#include "text/jinja/operators.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "text/jinja/compare.hpp"
#include "text/jinja/filters.hpp"
#include "text/jinja/percent_format.hpp"

namespace gyre::jinja {
namespace {

constexpr std::array<std::string_view, 7> kSigns = {"+", "-", "*", "/", "//", "%", "**"};

[[noreturn]] void throw_operands(Operation operation, const Value& left, const Value& right) {
  if (left.is_undefined()) throw Failure("{}", left.message());
  if (right.is_undefined()) throw Failure("{}", right.message());
  throw Failure("unsupported operand types for {}: '{}' and '{}'", kSigns.at(static_cast<std::size_t>(operation)),
                left.type(), right.type());
}

[[noreturn]] void throw_large() { throw Failure("a number becomes larger than 127 bits hold"); }

Value floor_divide(Integer left, Integer right) {
  if (right == 0) throw Failure("integer division or modulo by zero");
  const Integer quotient = left / right;
  const bool below = left % right != 0 && (left < 0) != (right < 0);
  return Value::integer(quotient - (below ? 1 : 0));
}

Value modulo(Integer left, Integer right) {
  if (right == 0) throw Failure("integer division or modulo by zero");
  const Integer rest = left % right;
  return Value::integer(rest != 0 && (rest < 0) != (right < 0) ? rest + right : rest);
}

Value power(Integer base, Integer exponent) {
  if (exponent < 0) {
    if (base == 0) throw Failure("0.0 cannot be raised to a negative power");
    return Value::real(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  Integer result = 1;
  while (exponent > 0) {
    if (exponent % 2 != 0 && __builtin_mul_overflow(result, base, &result)) throw_large();
    exponent /= 2;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) throw_large();
  }
  return Value::integer(result);
}

Value of_integers(Operation operation, Integer left, Integer right) {
  Integer result = 0;
  bool overflow = false;
  switch (operation) {
    case Operation::add:
      overflow = __builtin_add_overflow(left, right, &result);
      break;
    case Operation::subtract:
      overflow = __builtin_sub_overflow(left, right, &result);
      break;
    case Operation::multiply:
      overflow = __builtin_mul_overflow(left, right, &result);
      break;
    case Operation::divide:
      if (right == 0) throw Failure("division by zero");
      return Value::real(static_cast<double>(left) / static_cast<double>(right));
    case Operation::floor_divide:
      if (right == -1) return of_integers(Operation::subtract, 0, left);
      return floor_divide(left, right);
    case Operation::modulo:
      return right == -1 ? Value::integer(0) : modulo(left, right);
    case Operation::power:
      return power(left, right);
  }
  if (overflow) throw_large();
  return Value::integer(result);
}

/// The rest that has the sign of `right`, as Python's.
double real_modulo(double left, double right) {
  if (right == 0) throw Failure("float modulo by zero");
  const double rest = std::fmod(left, right);
  if (rest == 0) return std::copysign(0.0, right);
  return (rest < 0) != (right < 0) ? rest + right : rest;
}

double real_floor_divide(double left, double right) {
  if (right == 0) throw Failure("float floor division by zero");
  double rest = std::fmod(left, right);
  double quotient = (left - rest) / right;
  if (rest != 0 && (rest < 0) != (right < 0)) quotient -= 1;
  if (quotient == 0) return std::copysign(0.0, left / right);
  const double floored = std::floor(quotient);
  return quotient - floored > 0.5 ? floored + 1 : floored;
}

double real_power(double base, double exponent) {
  if (base == 0 && exponent < 0) throw Failure("0.0 cannot be raised to a negative power");
  if (base < 0 && std::isfinite(exponent) && exponent != std::floor(exponent)) {
    throw Failure("a negative number to a fractional power is complex, which is not supported");
  }
  const double result = std::pow(base, exponent);
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent))
    throw Failure("a power is too large for a float");
  return result;
}

Value of_reals(Operation operation, double left, double right) {
  switch (operation) {
    case Operation::add:
      return Value::real(left + right);
    case Operation::subtract:
      return Value::real(left - right);
    case Operation::multiply:
      return Value::real(left * right);
    case Operation::divide:
      if (right == 0) throw Failure("float division by zero");
      return Value::real(left / right);
    case Operation::floor_divide:
      return Value::real(real_floor_divide(left, right));
    case Operation::modulo:
      return Value::real(real_modulo(left, right));
    case Operation::power:
      return Value::real(real_power(left, right));
  }
  return {};
}

Value joined_texts(const Value& left, const Value& right, Budget& budget) {
  const bool safe = left.is_safe() || right.is_safe();
  const auto part = [&](const Value& value) { return safe && !value.is_safe() ? escaped(value.text()) : value.text(); };
  budget.text(left.text().size() + right.text().size());
  return Value::text(part(left) + part(right), safe);
}

bool is_plain_sequence(const Value& value) {
  return value.is_list(Value::Form::list) || value.is_list(Value::Form::tuple) || value.is_list(Value::Form::group);
}

Value joined_lists(const Value& left, const Value& right, Budget& budget) {
  const bool lists = left.is_list(Value::Form::list);
  if (!is_plain_sequence(left) || !is_plain_sequence(right) || lists != right.is_list(Value::Form::list)) {
    throw_operands(Operation::add, left, right);
  }
  budget.items(left.list().items.size() + right.list().items.size());
  std::vector<Value> items = left.list().items;
  items.insert(items.end(), right.list().items.begin(), right.list().items.end());
  return Value::list(std::move(items), lists ? Value::Form::list : Value::Form::tuple);
}

/// A text or list, several times.
Value repeated(const Value& value, Integer times, Budget& budget) {
  const Integer count = std::clamp(times, Integer{0}, Integer{1} << 40);
  if (value.is_text()) {
    const std::string& once = value.text();
    if (count * static_cast<Integer>(once.size()) > static_cast<Integer>(kLongestText)) budget.text(kLongestText + 1);
    budget.text(once.size() * static_cast<std::size_t>(count));
    std::string text;
    for (Integer i = 0; i < count && !once.empty(); ++i) text += once;
    return Value::text(std::move(text), value.is_safe());
  }
  const std::vector<Value>& once = value.list().items;
  const Integer size = count * static_cast<Integer>(once.size());
  budget.items(static_cast<std::size_t>(std::min(size, Integer{1} << 40)));
  std::vector<Value> items;
  for (Integer i = 0; i < size; ++i) items.push_back(once[static_cast<std::size_t>(i) % once.size()]);
  return Value::list(std::move(items), value.is_list(Value::Form::list) ? Value::Form::list : Value::Form::tuple);
}

}  // namespace

Value arithmetic(Operation operation, const Value& left, const Value& right, Budget& budget) {
  if (left.is_whole() && right.is_whole()) return of_integers(operation, left.whole(), right.whole());
  if (left.is_number() && right.is_number()) return of_reals(operation, left.number(), right.number());
  if (operation == Operation::modulo && left.is_text()) return percent_format(left, right, budget);
  if (left.is_undefined() || right.is_undefined()) throw_operands(operation, left, right);
  if (operation == Operation::add && left.is_text() && right.is_text()) return joined_texts(left, right, budget);
  if (operation == Operation::add && left.is(Value::Kind::list) && right.is(Value::Kind::list)) {
    return joined_lists(left, right, budget);
  }
  if (operation == Operation::multiply) {
    const auto repeats = [](const Value& value) { return value.is_text() || is_plain_sequence(value); };
    if (repeats(left) && right.is_whole()) return repeated(left, right.whole(), budget);
    if (repeats(right) && left.is_whole()) return repeated(right, left.whole(), budget);
  }
  throw_operands(operation, left, right);
}

bool compare(Comparison comparison, const Value& left, const Value& right, Budget& budget) {
  const bool not_a_number = (left.is(Value::Kind::real) && std::isnan(left.number())) ||
                            (right.is(Value::Kind::real) && std::isnan(right.number()));
  switch (comparison) {
    case Comparison::equal:
      return equal(left, right, budget);
    case Comparison::not_equal:
      return !equal(left, right, budget);
    case Comparison::less:
      return less(left, right, budget);
    case Comparison::greater:
      return less(right, left, budget);
    case Comparison::less_equal:
      return !less(right, left, budget) && !not_a_number;
    case Comparison::greater_equal:
      return !less(left, right, budget) && !not_a_number;
    case Comparison::in:
      return contains(right, left, budget);
    case Comparison::not_in:
      return !contains(right, left, budget);
  }
  return false;
}

Value negative(const Value& value) {
  if (value.is(Value::Kind::real)) return Value::real(-value.number());
  if (value.is_whole()) return of_integers(Operation::subtract, 0, value.whole());
  if (value.is_undefined()) throw Failure("{}", value.message());
  throw Failure("bad operand type for unary -: '{}'", value.type());
}

Value positive(const Value& value) {
  if (value.is(Value::Kind::real)) return value;
  if (value.is_whole()) return Value::integer(value.whole());
  if (value.is_undefined()) throw Failure("{}", value.message());
  throw Failure("bad operand type for unary +: '{}'", value.type());
}

}  // namespace gyre::jinja
