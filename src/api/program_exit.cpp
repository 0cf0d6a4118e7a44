#include <algorithm>
#include <set>

#include "api/state.hpp"
#include "base/error.hpp"

namespace gyre::api {
namespace {

ExitReads reads_of(const ExitRule::Reads& reads, const std::string& name, const ModelSpec& spec) {
  ExitReads inner{.norms = reads.norms, .state = reads.state, .gate = reads.gate};
  if (reads.logits == "lens") inner.logits = LoopStep::Readout::lens;
  if (reads.logits == "coda") inner.logits = LoopStep::Readout::coda;
  if (!reads.logits.empty() && !inner.logits) {
    throw Error("exit {}: logits are read by lens or coda, not by \"{}\"", name, reads.logits);
  }
  const auto gated = [](const Group& group) { return group.exit_gate; };
  if (reads.gate && std::none_of(spec.groups.begin(), spec.groups.end(), gated)) {
    throw Error("exit {}: this model has no exit gate; read something else", name);
  }
  return inner;
}

/// Turns the engine's questions into those of the program's rule.
class ProgramExit : public gyre::ExitRule {
 public:
  ProgramExit(std::unique_ptr<api::ExitRule> rule, ExitReads reads) : rule_(std::move(rule)), reads_(reads) {}

  [[nodiscard]] ExitReads reads() const override { return reads_; }

  void enter_group(int group, int position) override {
    position_ = position;
    rule_->enter(group, position);
  }

  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    std::string reason = rule_->leave({.group = step.group,
                                       .loop = step.loop,
                                       .position = position_,
                                       .state_norm = step.state_norm,
                                       .previous_state_norm = step.previous_state_norm,
                                       .step_norm = step.step_norm,
                                       .first_step_norm = step.first_step_norm,
                                       .previous_step_norm = step.previous_step_norm,
                                       .acceleration = step.acceleration,
                                       .gate = step.gate,
                                       .state = step.state,
                                       .logits = step.logits});
    if (reason.empty()) return {};
    return *reasons_.insert(std::move(reason)).first;
  }

 private:
  std::unique_ptr<api::ExitRule> rule_;
  ExitReads reads_;
  int position_ = 0;
  std::set<std::string> reasons_;  ///< words that depths point to, which stay where they are
};

}  // namespace

BoundedExit exit_of(const ExitProgram& program, const ModelSpec& spec) {
  std::unique_ptr<ExitRule> rule = program.make();
  if (!rule) throw Error("exit {}: no rule was made", program.name);
  const ExitReads reads = reads_of(rule->reads(), program.name, spec);
  return BoundedExit(std::make_unique<ProgramExit>(std::move(rule), reads));
}

BoundedExit Sequence::State::make_exit() const {
  return rule.make ? exit_of(rule, model->spec()) : BoundedExit(choice, context());
}

std::string Sequence::State::exit_name() const {
  if (rule.make) return rule.name;
  return exit ? choice.text : "fixed";
}

TraceSink sink_of(Hook hook) {
  if (!hook) return {};
  return [hook = std::move(hook)](const TracePoint& point) {
    hook({point.group, point.loop, point.position, point.states});
  };
}

}  // namespace gyre::api
