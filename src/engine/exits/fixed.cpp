#include <algorithm>

#include "base/error.hpp"
#include "engine/exits/kinds.hpp"

namespace gyre {
namespace {

class FixedExit : public ExitRule {
 public:
  explicit FixedExit(std::vector<int> loops) : loops_(std::move(loops)) {}

  [[nodiscard]] ExitReads reads() const override { return {}; }

  void enter_group(int /*group*/, int /*position*/) override {}

  std::optional<std::string_view> leave_after(const LoopStep& step) override {
    if (step.loop < loops_[static_cast<std::size_t>(step.group)]) return {};
    return "fixed";
  }

 private:
  std::vector<int> loops_;
};

/// A rule of one group has one count.
void require_one_count(ExitOptions& options, const ExitContext& context) {
  const std::string text = options.text("loops", {});
  const auto more = std::count(text.begin(), text.end(), '/');
  if (context.only && more > 0) throw Error("exit fixed:loops={}: {} counts for the one group", text, more + 1);
}

}  // namespace

ExitKind fixed_exit() {
  return {"fixed",
          "a constant depth (default: the model's own)",
          {{"loops", "loops of every looped group (4), or one count each (4/8/4)"}},
          [](ExitOptions& options, const ExitContext& context) -> std::unique_ptr<ExitRule> {
            std::vector<int> loops = context.loops;
            if (options.has("loops")) {
              require_one_count(options, context);
              loops = parse_loops(options.text("loops", {}), context.spec, "exit fixed:loops");
              for (std::size_t g = 0; g < loops.size(); ++g) {
                if (context.only && *context.only != static_cast<int>(g)) continue;
                if (loops[g] <= context.loops[g]) continue;
                throw Error("exit fixed:loops={}: more than the {} loops of this run; run more of them", loops[g],
                            context.loops[g]);
              }
            }
            return std::make_unique<FixedExit>(std::move(loops));
          }};
}

}  // namespace gyre
