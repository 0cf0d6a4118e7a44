#include "text/jinja/globals.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include "text/jinja/compare.hpp"
#include "text/jinja/interpreter.hpp"
#include "text/jinja/namespace.hpp"
#include "text/jinja/parameters.hpp"
#include "text/jinja/python_text.hpp"
#include "text/utf8.hpp"

namespace gyre::jinja {
namespace {

using Function = Value (*)(Interpreter& interpreter, const Arguments& arguments);

class GlobalFunction : public Object {
 public:
  explicit GlobalFunction(Function function) : function_(function) {}
  [[nodiscard]] std::string_view type() const override { return "function"; }
  [[nodiscard]] bool callable() const override { return true; }
  Value call(Interpreter& interpreter, const Arguments& arguments) override {
    return function_(interpreter, arguments);
  }

 private:
  Function function_;
};

/// Gives its items one after another, and begins anew behind the last.
class Cycler : public Object, public std::enable_shared_from_this<Cycler> {
 public:
  explicit Cycler(const std::vector<Value>& items) : items_(Value::list(items, Value::Form::tuple)) {}
  [[nodiscard]] std::string_view type() const override { return "Cycler"; }
  [[nodiscard]] std::optional<Value> attribute(std::string_view name) override {
    if (name == "current") return items()[at_];
    if (name == "items") return items_;
    if (name == "pos") return Value::integer(static_cast<Integer>(at_));
    if (name == "next" || name == "reset")
      return Value::object(std::make_shared<Mover>(shared_from_this(), name == "next"));
    return std::nullopt;
  }
  [[nodiscard]] int depth() const override { return items_.depth() + 1; }

 private:
  class Mover : public Object {
   public:
    Mover(std::shared_ptr<Cycler> cycler, bool on) : cycler_(std::move(cycler)), on_(on) {}
    [[nodiscard]] std::string_view type() const override { return "method"; }
    [[nodiscard]] bool callable() const override { return true; }
    [[nodiscard]] int depth() const override { return cycler_->depth() + 1; }
    Value call(Interpreter& /*interpreter*/, const Arguments& arguments) override {
      const Parameters given(on_ ? "next" : "reset", arguments, {});
      const std::size_t now = std::exchange(cycler_->at_, on_ ? (cycler_->at_ + 1) % cycler_->items().size() : 0);
      return on_ ? cycler_->items()[now] : Value();
    }

   private:
    std::shared_ptr<Cycler> cycler_;
    bool on_;
  };

  [[nodiscard]] const std::vector<Value>& items() const { return items_.list().items; }

  Value items_;
  std::size_t at_ = 0;
};

/// Nothing the first time, its separator then.
class Joiner : public Object {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) {}
  [[nodiscard]] std::string_view type() const override { return "Joiner"; }
  [[nodiscard]] bool callable() const override { return true; }
  [[nodiscard]] int depth() const override { return separator_.depth() + 1; }
  Value call(Interpreter& /*interpreter*/, const Arguments& arguments) override {
    const Parameters given("joiner", arguments, {});
    return std::exchange(used_, true) ? separator_ : Value::text("");
  }

 private:
  Value separator_;
  bool used_ = false;
};

Value range(Interpreter& interpreter, const Arguments& arguments) {
  constexpr Integer kLongest = 100000;  // as Jinja's sandbox has it
  if (!arguments.named.empty()) throw Failure("range() takes no keyword arguments");
  const Parameters given("range", arguments, {"start", "stop", "step"}, 1);
  const Integer start = given.given(1) ? given.whole(0, 0) : 0;
  const Integer stop = given.given(1) ? given.whole(1, 0) : given.whole(0, 0);
  const Integer step = given.whole(2, 1);
  if (step == 0) throw Failure("range() arg 3 must not be zero");
  constexpr Integer kFarthest = Integer{1} << 100;
  for (const Integer bound : {start, stop, step}) {
    if (bound > kFarthest || bound < -kFarthest) throw Failure("range(): {} is too large", integer_text(bound));
  }
  const Integer distance = step > 0 ? stop - start : start - stop;
  const Integer stride = step > 0 ? step : -step;
  const Integer size = distance <= 0 ? 0 : (distance + stride - 1) / stride;
  if (size > kLongest) throw Failure("range too big: the sandbox allows {} elements", integer_text(kLongest));
  interpreter.budget().step(static_cast<std::size_t>(size));
  return Value::range(start, stop, step);
}

/// dict(...): of a mapping or of pairs, then of keywords.
Dict dict_from(Interpreter& interpreter, const Arguments& arguments, std::string_view what) {
  if (arguments.values.size() > 1) throw Failure("{}() takes at most one positional argument", what);
  Dict made;
  if (!arguments.values.empty() && arguments.values[0].is_dict()) {
    made = arguments.values[0].dict();
  } else if (!arguments.values.empty()) {
    for (const Value& pair : items_of(arguments.values[0], interpreter.budget())) {
      const std::vector<Value> parts = items_of(pair, interpreter.budget());
      if (parts.size() != 2) throw Failure("{}() takes pairs; one has {} parts", what, parts.size());
      if (!parts[0].is_text()) interpreter.budget().step(made.size());  // such keys are looked for one by one
      made.set(parts[0], parts[1]);
    }
  }
  for (const auto& [name, value] : arguments.named) made.set(Value::text(name), value);
  interpreter.budget().step(made.size());
  return made;
}

Value dict(Interpreter& interpreter, const Arguments& arguments) {
  return Value::dict(dict_from(interpreter, arguments, "dict"));
}

Value make_namespace(Interpreter& interpreter, const Arguments& arguments) {
  return Value::object(interpreter.keep(std::make_shared<Namespace>(dict_from(interpreter, arguments, "namespace"))));
}

Value cycler(Interpreter& interpreter, const Arguments& arguments) {
  if (!arguments.named.empty()) throw Failure("cycler() takes no keyword arguments");
  if (arguments.values.empty()) throw Failure("at least one item has to be provided");
  interpreter.budget().step(arguments.values.size());
  return Value::object(std::make_shared<Cycler>(arguments.values));
}

Value joiner(Interpreter& /*interpreter*/, const Arguments& arguments) {
  const Parameters given("joiner", arguments, {"sep"});
  return Value::object(std::make_shared<Joiner>(given.given(0) ? given[0] : Value::text(", ")));
}

Value raise_exception(Interpreter& interpreter, const Arguments& arguments) {
  const Parameters given("raise_exception", arguments, {"message"}, 1);
  throw Raised("{}", text_of(given[0], interpreter.budget()));
}

Value strftime_now(Interpreter& interpreter, const Arguments& arguments) {
  const Parameters given("strftime_now", arguments, {"format"}, 1);
  std::string text = time_text(given.text(0), interpreter.clock());
  interpreter.budget().text(text.size());
  return Value::text(std::move(text));
}

Value lipsum(Interpreter& /*interpreter*/, const Arguments& /*arguments*/) {
  throw Failure("the function \"lipsum\" is not supported: it gives another text every time");
}

}  // namespace

std::string Namespace::shown(Budget& budget) const {
  return fmt::format("<Namespace {}>", jinja::shown(Value::dict(attributes_), budget));
}

std::optional<Value> Namespace::attribute(std::string_view name) {
  const Value* found = attributes_.find(name);
  return found == nullptr ? std::nullopt : std::optional(*found);
}

std::optional<Value> global_named(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, Function>, 8> kFunctions = {{{"range", range},
                                                                                {"namespace", make_namespace},
                                                                                {"dict", dict},
                                                                                {"raise_exception", raise_exception},
                                                                                {"strftime_now", strftime_now},
                                                                                {"cycler", cycler},
                                                                                {"joiner", joiner},
                                                                                {"lipsum", lipsum}}};
  for (const auto& [known, function] : kFunctions) {
    if (known == name) return Value::object(std::make_shared<GlobalFunction>(function));
  }
  return std::nullopt;
}

std::string time_text(const std::string& format, std::int64_t clock) {
  const auto seconds = static_cast<std::time_t>(clock);
  std::tm time{};
  if (localtime_r(&seconds, &time) == nullptr) throw Failure("strftime_now(): the clock shows no date");
  // A time without a zone shows none, and here its microseconds are zero.
  std::string plain;
  for (std::size_t at = 0; at < format.size(); ++at) {
    const char next = format[at] == '%' && at + 1 < format.size() ? format[at + 1] : '\0';
    if (next == '\0') {
      plain += format[at] == '%' ? "%%" : std::string(1, format[at]);
      continue;
    }
    ++at;
    if (next == 'f') {
      plain += "000000";
    } else if (next != 'z' && next != 'Z') {
      plain += {'%', next};
    }
  }
  if (plain.size() > 4096) throw Failure("strftime_now(): the format is longer than 4096 bytes");
  if (plain.find('\0') != std::string::npos) throw Failure("strftime_now(): the format holds a zero byte");
  std::string text(256 + plain.size() * 64, '\0');
  // The point tells an empty text from one that did not fit.
  text.resize(std::strftime(text.data(), text.size(), (plain + ".").c_str(), &time));
  if (text.empty()) throw Failure("strftime_now(): the text is too long");
  text.pop_back();
  require_utf8(text, "strftime_now()");
  return text;
}

}  // namespace gyre::jinja
