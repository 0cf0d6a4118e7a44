#include <array>
#include <cmath>
#include <cstdlib>

#include "text/jinja/filters.hpp"
#include "text/jinja/interpreter.hpp"
#include "text/jinja/literals.hpp"
#include "text/jinja/operators.hpp"
#include "text/jinja/parameters.hpp"

// Filters that give numbers.
namespace gyre::jinja {
namespace {

/// int() of a float; nothing when it has none.
std::optional<Integer> whole_of(double value) {
  if (!std::isfinite(value)) return std::nullopt;
  if (std::abs(value) >= 1.7e38) throw Failure("a number becomes larger than 127 bits hold");
  return static_cast<Integer>(value);
}

Value to_int(Interpreter& /*interpreter*/, const Value& input, const Arguments& arguments) {
  const Parameters given("int", arguments, {"default", "base"});
  Value otherwise = given.given(0) ? given[0] : Value::integer(0);
  if (input.is_undefined()) throw Failure("{}", input.message());
  if (input.is_whole()) return Value::integer(input.whole());
  std::optional<double> real;
  if (input.is_text()) {
    const Integer base = given.whole(1, 10);
    if (base < 0 || base > 36 || base == 1) return otherwise;
    if (const auto whole = parse_integer(input.text(), static_cast<int>(base))) return Value::integer(*whole);
    real = parse_real(input.text());
  } else if (input.is(Value::Kind::real)) {
    if (std::isinf(input.number())) throw Failure("cannot convert float infinity to integer");
    real = input.number();
  }
  const auto whole = real ? whole_of(*real) : std::nullopt;
  return whole ? Value::integer(*whole) : otherwise;
}

Value to_float(Interpreter& /*interpreter*/, const Value& input, const Arguments& arguments) {
  const Parameters given("float", arguments, {"default"});
  if (input.is_undefined()) throw Failure("{}", input.message());
  if (input.is_number()) return Value::real(input.number());
  const auto real = input.is_text() ? parse_real(input.text()) : std::nullopt;
  return real ? Value::real(*real) : given.given(0) ? given[0] : Value::real(0);
}

Value absolute(Interpreter& /*interpreter*/, const Value& input, const Arguments& arguments) {
  const Parameters given("abs", arguments, {});
  if (input.is_undefined()) throw Failure("{}", input.message());
  if (!input.is_number()) throw Failure("bad operand type for abs(): '{}'", input.type());
  if (input.is(Value::Kind::real)) return Value::real(std::abs(input.number()));
  return input.whole() < 0 ? negative(input) : Value::integer(input.whole());
}

/// Whole numbers to tens, hundreds ..., halves to the even one.
Integer rounded_whole(Integer value, Integer precision) {
  if (precision >= 0) return value;
  if (precision < -38) return 0;
  Integer unit = 1;
  for (Integer i = precision; i < 0; ++i) {
    if (__builtin_mul_overflow(unit, Integer{10}, &unit)) return 0;
  }
  const Integer rest = ((value % unit) + unit) % unit;
  const Integer below = value - rest;
  const bool up = rest > unit - rest || (rest == unit - rest && (below / unit) % 2 != 0);
  return up ? below + unit : below;
}

/// round(): to the nearest, by the digits of the exact value, halves to the even one.
double rounded(double value, Integer precision) {
  if (!std::isfinite(value) || precision > 340) return value;
  if (precision < -340) return std::copysign(0.0, value);
  if (precision >= 0) {
    return std::strtod(fmt::format("{:.{}f}", value, static_cast<int>(precision)).c_str(), nullptr);
  }
  const double unit = std::pow(10.0, -static_cast<double>(precision));
  return std::nearbyint(value / unit) * unit;
}

Value round_to(Interpreter& /*interpreter*/, const Value& input, const Arguments& arguments) {
  const Parameters given("round", arguments, {"precision", "method"});
  const Integer precision = given.whole(0, 0);
  const std::string method = given.given(1) ? given.text(1) : "common";
  if (method != "common" && method != "ceil" && method != "floor") {
    throw Failure("method must be common, ceil or floor");
  }
  if (input.is_undefined()) throw Failure("{}", input.message());
  if (!input.is_number()) throw Failure("type {} doesn't define __round__ method", input.type());
  if (method == "common") {
    if (input.is_whole()) return Value::integer(rounded_whole(input.whole(), precision));
    return Value::real(rounded(input.number(), precision));
  }
  const double unit = std::pow(10.0, static_cast<double>(precision));
  const double scaled = input.number() * unit;
  if (!std::isfinite(scaled)) throw Failure("cannot convert float infinity or NaN to integer");
  return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit);
}

}  // namespace

std::span<const FilterRow> number_filters() {
  static constexpr std::array<FilterRow, 4> kRows = {
      {{"int", to_int}, {"float", to_float}, {"abs", absolute}, {"round", round_to}}};
  return kRows;
}

}  // namespace gyre::jinja
