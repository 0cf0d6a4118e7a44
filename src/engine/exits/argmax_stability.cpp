#include <algorithm>
#include <utility>

#include "engine/exits/kinds.hpp"
#include "engine/exits/readout.hpp"

namespace gyre {
namespace {

/// The likeliest token is that of the loop before, `steps` times in a row. Decodes after every loop.
class ArgmaxStabilityExit : public ExitRule {
 public:
  ArgmaxStabilityExit(int steps, LoopStep::Readout readout) : steps_(steps), readout_(readout) {}

  [[nodiscard]] ExitReads reads() const override { return {.logits = readout_}; }

  void enter_group(int /*group*/, int /*position*/) override {
    previous_ = -1;
    stable_ = 0;
  }

  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    const std::ptrdiff_t now = std::max_element(step.logits.begin(), step.logits.end()) - step.logits.begin();
    stable_ = std::exchange(previous_, now) == now ? stable_ + 1 : 0;
    if (stable_ < steps_) return {};
    return "argmax-stability";
  }

  [[nodiscard]] int lookback() const override { return steps_; }

 private:
  int steps_;
  LoopStep::Readout readout_;
  std::ptrdiff_t previous_ = -1;
  int stable_ = 0;
};

}  // namespace

ExitKind argmax_stability_exit() {
  return {"argmax-stability",
          "Huginn's: the likeliest token stays the same (costs a decode a loop)",
          {{"steps", "loops in a row that repeat it (default 5)"}, kReadoutHelp},
          [](ExitOptions& options, const ExitContext&) -> std::unique_ptr<ExitRule> {
            return std::make_unique<ArgmaxStabilityExit>(options.integer("steps", 5, 1, 1000), read_readout(options));
          },
          [](const ExitChoice&) -> ThresholdOption {
            return {"steps", false, true, 1000, 1};
          }};
}

}  // namespace gyre
