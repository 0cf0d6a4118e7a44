#include "callbacks.hpp"

#include <nanobind/stl/string.h>

#include <algorithm>

#include "arrays.hpp"
#include "base/error.hpp"

namespace gyre::python {
namespace {

void tell(const HookPoint& point, const api::LoopStates& at, std::size_t hidden) {
  const nb::gil_scoped_acquire locked;
  const std::size_t rows = at.states.size() / hidden;
  nb::object states = array_of(std::vector<float>(at.states.begin(), at.states.end()), {rows, hidden});
  const nb::object answer = (*point.function)(std::move(states), at.group, at.loop, at.position);
  if (answer.is_none()) return;
  const auto replacement = nb::cast<Floats<2>>(answer);  // what calls the user's function has seen to the form
  std::copy_n(replacement.data(), at.states.size(), at.states.begin());
}

/// The word that a rule's answer comes to.
std::string reason_of(const nb::object& answer, const std::string& name) {
  if (answer.is_none()) return {};
  if (nb::isinstance<nb::str>(answer)) {
    auto word = nb::cast<std::string>(answer);
    if (word.empty()) throw Error("exit {}: an empty word says nothing; return None to go on", name);
    return word;
  }
  const nb::object kind = nb::borrow(reinterpret_cast<PyObject*>(Py_TYPE(answer.ptr())));
  const auto type = nb::cast<std::string>(kind.attr("__name__"));
  if (type == "bool" || type == "bool_") return nb::cast<bool>(nb::bool_(answer)) ? name : std::string();
  throw Error("exit {}: it returned {} ({}); return None or False to go on, True or a word to leave", name,
              nb::cast<std::string>(nb::repr(answer)), type);
}

class PythonExit : public api::ExitRule {
 public:
  explicit PythonExit(const Rule& rule) : rule_(rule) {
    const nb::gil_scoped_acquire locked;
    const nb::object made = (*rule_.make)();
    leave_ = hold(made.attr("leave"));
    if (nb::hasattr(made, "enter")) enter_ = hold(made.attr("enter"));
  }

  [[nodiscard]] Reads reads() const override { return rule_.reads; }

  void enter(int group, int position) override {
    if (!enter_) return;
    const nb::gil_scoped_acquire locked;
    (*enter_)(group, position);
  }

  std::string leave(const api::ExitStep& step) override {
    const nb::gil_scoped_acquire locked;
    const nb::object seen = nb::cast(ExitStep(step));
    struct Ends {
      ExitStep& step;
      ~Ends() { step.end(); }
    } const ends{nb::cast<ExitStep&>(seen)};
    return reason_of((*leave_)(seen), rule_.name);
  }

 private:
  Rule rule_;
  Held leave_;
  Held enter_;
};

}  // namespace

Held hold(nb::object object) {
  return {new nb::object(std::move(object)), [](nb::object* held) {
            const nb::gil_scoped_acquire locked;
            delete held;
          }};
}

api::Hook hook_of(const HookPoints& points, std::size_t hidden) {
  if (points.empty()) return {};
  return [points, hidden](const api::LoopStates& at) {
    for (const HookPoint& point : points) {
      if (point.group == at.group && (point.loop < 0 || point.loop == at.loop)) tell(point, at, hidden);
    }
  };
}

nb::object ExitStep::array(std::span<const float> numbers, const char* name) const {
  if (step_ == nullptr) throw Error("exit: {} can be read only while the rule is asked; copy it then", name);
  if (numbers.empty()) throw Error("exit: the rule does not read {0}; name it in reads, as in reads=\"{0}\"", name);
  return array_of(std::vector<float>(numbers.begin(), numbers.end()), {numbers.size()});
}

nb::object ExitStep::state() const { return array(copy_.state, "state"); }
nb::object ExitStep::logits() const { return array(copy_.logits, "logits"); }

api::ExitProgram program_of(const Rule& rule) {
  if (!rule.make) return {};
  return {rule.name, [rule] { return std::make_unique<PythonExit>(rule); }};
}

}  // namespace gyre::python
