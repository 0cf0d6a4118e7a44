#include "text/jinja/loop.hpp"

#include <algorithm>

#include "text/jinja/compare.hpp"
#include "text/jinja/interpreter.hpp"

namespace gyre::jinja {
namespace {

/// loop.cycle or loop.changed, bound to its loop.
class LoopMethod : public Object {
 public:
  LoopMethod(std::shared_ptr<Loop> loop, bool cycles) : loop_(std::move(loop)), cycles_(cycles) {}
  [[nodiscard]] std::string_view type() const override { return "method"; }
  [[nodiscard]] bool callable() const override { return true; }
  Value call(Interpreter& interpreter, const Arguments& arguments) override {
    if (!arguments.named.empty()) throw Failure("loop.cycle and loop.changed take no keyword arguments");
    if (!cycles_) return Value::boolean(loop_->changed(arguments.values, interpreter.budget()));
    if (arguments.values.empty()) throw Failure("no items for cycling given");
    return arguments.values[loop_->index0() % arguments.values.size()];
  }

 private:
  std::shared_ptr<Loop> loop_;
  bool cycles_;
};

}  // namespace

bool Loop::changed(const std::vector<Value>& values, Budget& budget) {
  const bool same = last_values_ && std::equal(last_values_->begin(), last_values_->end(), values.begin(), values.end(),
                                               [&](const Value& a, const Value& b) { return equal(a, b, budget); });
  if (!same) last_values_ = values;
  return !same;
}

std::string Loop::shown(Budget& /*budget*/) const { return fmt::format("<LoopContext {}/{}>", turn_, items_.size()); }

std::optional<Value> Loop::attribute(std::string_view name) {
  const auto number = [](std::size_t value) { return Value::integer(static_cast<Integer>(value)); };
  const std::size_t size = items_.size();
  if (name == "index") return number(turn_);
  if (name == "index0") return number(turn_ - 1);
  if (name == "revindex") return number(size - turn_ + 1);
  if (name == "revindex0") return number(size - turn_);
  if (name == "first") return Value::boolean(turn_ == 1);
  if (name == "last") return Value::boolean(turn_ == size);
  if (name == "length") return number(size);
  if (name == "depth") return number(1);
  if (name == "depth0") return number(0);
  if (name == "previtem") return turn_ > 1 ? items_[turn_ - 2] : Value::undefined("there is no previous item");
  if (name == "nextitem") return turn_ < size ? items_[turn_] : Value::undefined("there is no next item");
  if (name == "cycle" || name == "changed")
    return Value::object(std::make_shared<LoopMethod>(shared_from_this(), name == "cycle"));
  return std::nullopt;
}

void Loop::forget() {
  items_.clear();
  last_values_.reset();
}

}  // namespace gyre::jinja
