#include "text/jinja/methods.hpp"

#include <algorithm>
#include <array>

#include "text/jinja/interpreter.hpp"

namespace gyre::jinja {
namespace {

using Names = std::span<const std::string_view>;

/// A method and what it was taken from.
class BoundMethod : public Object {
 public:
  BoundMethod(Value self, const MethodRow& row) : self_(std::move(self)), name_(row.first), method_(row.second) {}
  [[nodiscard]] std::string_view type() const override { return "builtin_function_or_method"; }
  [[nodiscard]] bool callable() const override { return true; }
  [[nodiscard]] int depth() const override { return self_.depth() + 1; }
  Value call(Interpreter& interpreter, const Arguments& arguments) override {
    constexpr std::array<std::string_view, 4> kWithKeywords = {"split", "rsplit", "splitlines", "format"};
    const bool takes_keywords = std::find(kWithKeywords.begin(), kWithKeywords.end(), name_) != kWithKeywords.end();
    if (!takes_keywords && !arguments.named.empty()) throw Failure("{}() takes no keyword arguments", name_);
    if (self_.is_text()) interpreter.budget().step(self_.text().size() / 64);
    return method_(interpreter, self_, arguments);
  }

 private:
  Value self_;
  std::string_view name_;
  Method method_;
};

const MethodRow* find_in(std::span<const MethodRow> rows, std::string_view name) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const MethodRow& row) { return row.first == name; });
  return found == rows.end() ? nullptr : &*found;
}

bool is_plain_list(const Value& self) {
  return self.is(Value::Kind::list) && self.list().form != Value::Form::keys &&
         self.list().form != Value::Form::values && self.list().form != Value::Form::items;
}

const MethodRow* find_method(const Value& self, std::string_view name) {
  if (self.is_dict()) return find_in(dict_methods(), name);
  if (is_plain_list(self)) return find_in(list_methods(), name);
  if (!self.is_text()) return nullptr;
  const MethodRow* found = find_in(text_search_methods(), name);
  return found != nullptr ? found : find_in(text_form_methods(), name);
}

bool has(Names names, std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); }

/// What Python has and this has not.
bool is_python_attribute(const Value& self, std::string_view name) {
  constexpr std::array<std::string_view, 10> kText = {"isnumeric",  "casefold",     "encode",  "expandtabs",
                                                      "format_map", "isidentifier", "istitle", "maketrans",
                                                      "translate",  "unescape"};
  constexpr std::array<std::string_view, 4> kMarkup = {"striptags", "escape", "join", "format"};
  constexpr std::array<std::string_view, 11> kNumber = {"real",       "imag",       "numerator",       "denominator",
                                                        "bit_length", "bit_count",  "to_bytes",        "from_bytes",
                                                        "conjugate",  "is_integer", "as_integer_ratio"};
  constexpr std::array<std::string_view, 2> kReal = {"hex", "fromhex"};
  constexpr std::array<std::string_view, 3> kRange = {"start", "stop", "step"};
  constexpr std::array<std::string_view, 2> kView = {"mapping", "isdisjoint"};
  constexpr std::array<std::string_view, 5> kGenerator = {"close", "send", "throw", "gi_running", "gi_yieldfrom"};
  if (self.is_text()) return has(kText, name) || (self.is_safe() && has(kMarkup, name));
  if (self.is_list(Value::Form::range)) return has(kRange, name);
  if (self.is_list(Value::Form::list)) return name == "copy";
  if (self.is_dict()) return name == "fromkeys";
  if (self.is(Value::Kind::list) && !is_plain_list(self)) return has(kView, name);
  if (self.is_number()) return has(kNumber, name) || (self.is(Value::Kind::real) && has(kReal, name));
  return self.as<Generator>() != nullptr && has(kGenerator, name);
}

}  // namespace

std::optional<Value> method_of(const Value& self, std::string_view name) {
  const MethodRow* found = find_method(self, name);
  if (found == nullptr) return std::nullopt;
  return Value::object(std::make_shared<BoundMethod>(self, *found));
}

bool is_forbidden_method(const Value& self, std::string_view name) {
  constexpr std::array<std::string_view, 8> kList = {"append", "clear", "pop",    "reverse",
                                                     "insert", "sort",  "extend", "remove"};
  constexpr std::array<std::string_view, 5> kDict = {"clear", "pop", "popitem", "setdefault", "update"};
  return (self.is_list(Value::Form::list) && has(kList, name)) || (self.is_dict() && has(kDict, name));
}

void require_no_python_attribute(const Value& self, std::string_view name) {
  if (is_python_attribute(self, name)) throw Failure("the attribute \"{}\" of {} is not supported", name, self.type());
}

}  // namespace gyre::jinja
