#include "text/jinja/tests.hpp"

#include <algorithm>
#include <array>

#include "text/jinja/characters.hpp"
#include "text/jinja/compare.hpp"
#include "text/jinja/filters.hpp"
#include "text/jinja/interpreter.hpp"
#include "text/jinja/operators.hpp"
#include "text/jinja/parameters.hpp"
#include "text/jinja/python_text.hpp"

namespace gyre::jinja {
namespace {

using Kind = Value::Kind;

/// Tests of the value alone.
template <bool (*holds)(const Value&)>
bool plain(Interpreter& /*interpreter*/, const Value& input, const Arguments& arguments) {
  const Parameters given("a test", arguments, {});
  return holds(input);
}

/// Tests by an operator with one argument.
template <Comparison comparison>
bool compared(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("a test", arguments, {"other"}, 1);
  return compare(comparison, input, given[0], interpreter.budget());
}

bool is_defined(const Value& value) { return !value.is_undefined(); }
bool is_undefined(const Value& value) { return value.is_undefined(); }
bool is_none(const Value& value) { return value.is_none(); }
bool is_string(const Value& value) { return value.is_text(); }
bool is_number(const Value& value) { return value.is_number(); }
bool is_integer(const Value& value) { return value.is(Kind::integer); }
bool is_float(const Value& value) { return value.is(Kind::real); }
bool is_boolean(const Value& value) { return value.is(Kind::boolean); }
bool is_true(const Value& value) { return value.is(Kind::boolean) && value.truth_bit(); }
bool is_false(const Value& value) { return value.is(Kind::boolean) && !value.truth_bit(); }
bool is_mapping(const Value& value) { return value.is_dict(); }
bool is_callable(const Value& value) {
  return value.is_undefined() || (value.is(Kind::object) && value.object().callable());
}
bool is_escaped(const Value& value) { return value.is_safe(); }

bool is_sequence(const Value& value) {
  const bool view =
      value.is_list(Value::Form::keys) || value.is_list(Value::Form::values) || value.is_list(Value::Form::items);
  return value.is_text() || value.is_dict() || value.is_undefined() || (value.is(Kind::list) && !view);
}

bool divides(Interpreter& interpreter, const Value& input, Integer divisor, Integer rest) {
  const Value found = arithmetic(Operation::modulo, input, Value::integer(divisor), interpreter.budget());
  return equal(found, Value::integer(rest), interpreter.budget());
}

bool is_odd(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("odd", arguments, {});
  return divides(interpreter, input, 2, 1);
}

bool is_even(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("even", arguments, {});
  return divides(interpreter, input, 2, 0);
}

bool is_divisible_by(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("divisibleby", arguments, {"num"}, 1);
  const Value rest = arithmetic(Operation::modulo, input, given[0], interpreter.budget());
  return equal(rest, Value::integer(0), interpreter.budget());
}

bool is_lower_text(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("lower", arguments, {});
  return is_in_case(text_of(input, interpreter.budget()), false);
}

bool is_upper_text(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("upper", arguments, {});
  return is_in_case(text_of(input, interpreter.budget()), true);
}

bool is_same_as(Interpreter& /*interpreter*/, const Value& input, const Arguments& arguments) {
  const Parameters given("sameas", arguments, {"other"}, 1);
  return input.same_as(given[0]);
}

bool is_in(Interpreter& interpreter, const Value& input, const Arguments& arguments) {
  const Parameters given("in", arguments, {"seq"}, 1);
  return contains(given[0], input, interpreter.budget());
}

bool names_filter(Interpreter& /*interpreter*/, const Value& input, const Arguments& arguments) {
  const Parameters given("filter", arguments, {});
  return input.is_text() && find_filter(input.text()) != nullptr;
}

bool names_test(Interpreter& /*interpreter*/, const Value& input, const Arguments& arguments) {
  const Parameters given("test", arguments, {});
  return input.is_text() && find_test(input.text()) != nullptr;
}

constexpr std::array<std::pair<std::string_view, Test>, 39> kTests = {{
    {"defined", plain<is_defined>},
    {"undefined", plain<is_undefined>},
    {"none", plain<is_none>},
    {"string", plain<is_string>},
    {"number", plain<is_number>},
    {"integer", plain<is_integer>},
    {"float", plain<is_float>},
    {"boolean", plain<is_boolean>},
    {"true", plain<is_true>},
    {"false", plain<is_false>},
    {"mapping", plain<is_mapping>},
    {"iterable", plain<iterable>},
    {"sequence", plain<is_sequence>},
    {"callable", plain<is_callable>},
    {"escaped", plain<is_escaped>},
    {"odd", is_odd},
    {"even", is_even},
    {"divisibleby", is_divisible_by},
    {"lower", is_lower_text},
    {"upper", is_upper_text},
    {"sameas", is_same_as},
    {"in", is_in},
    {"filter", names_filter},
    {"test", names_test},
    {"eq", compared<Comparison::equal>},
    {"equalto", compared<Comparison::equal>},
    {"==", compared<Comparison::equal>},
    {"ne", compared<Comparison::not_equal>},
    {"!=", compared<Comparison::not_equal>},
    {"lt", compared<Comparison::less>},
    {"lessthan", compared<Comparison::less>},
    {"<", compared<Comparison::less>},
    {"le", compared<Comparison::less_equal>},
    {"<=", compared<Comparison::less_equal>},
    {"gt", compared<Comparison::greater>},
    {"greaterthan", compared<Comparison::greater>},
    {">", compared<Comparison::greater>},
    {"ge", compared<Comparison::greater_equal>},
    {">=", compared<Comparison::greater_equal>},
}};

}  // namespace

Test find_test(std::string_view name) {
  const auto found = std::find_if(kTests.begin(), kTests.end(), [&](const auto& row) { return row.first == name; });
  return found == kTests.end() ? nullptr : found->second;
}

std::string unknown_test(std::string_view name) { return fmt::format("the test \"{}\" is not supported", name); }

}  // namespace gyre::jinja
