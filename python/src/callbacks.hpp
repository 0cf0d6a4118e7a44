#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <string>
#include <vector>

#include "gyre/gyre.hpp"

namespace gyre::python {

namespace nb = nanobind;

/// An object of Python that is let go with the interpreter's lock, whoever lets it go.
using Held = std::shared_ptr<nb::object>;
Held hold(nb::object object);

/// A function that hears of states: called with a copy of them [positions, hidden], group, loop and first position. It
/// returns nothing, or an array of the same form that takes their place.
struct HookPoint {
  int group = 0;
  int loop = -1;  ///< below 0: every loop
  Held function;
};
using HookPoints = std::vector<HookPoint>;

/// Nothing of no points.
api::Hook hook_of(const HookPoints& points, std::size_t hidden);

/// What an exit rule in Python is asked with.
class ExitStep {
 public:
  explicit ExitStep(const api::ExitStep& step) : step_(&step), copy_(step) {}

  [[nodiscard]] const api::ExitStep& numbers() const { return copy_; }
  [[nodiscard]] nb::object state() const;
  [[nodiscard]] nb::object logits() const;
  /// The engine's memory is gone.
  void end() { step_ = nullptr; }

 private:
  [[nodiscard]] nb::object array(std::span<const float> numbers, const char* name) const;

  const api::ExitStep* step_;
  api::ExitStep copy_;
};

/// What Python says of a rule: `make` returns an object with `leave(step)`, and `enter(group, position)` if it wants.
struct Rule {
  std::string name = {};
  api::ExitRule::Reads reads = {};
  Held make = {};
};
api::ExitProgram program_of(const Rule& rule);

}  // namespace gyre::python
