#include "engine/exits/joined.hpp"
#include "engine/exits/kinds.hpp"

namespace gyre {
namespace {

/// Leaves when all of its rules do after the same loop.
class AllExit : public JoinedExit {
 public:
  using JoinedExit::JoinedExit;

  std::optional<std::string_view> leave_together(std::span<const LoopStep> steps) override {
    bool all = true;
    for (const auto& rule : rules()) {
      if (!rule->leave_together(steps)) all = false;
    }
    if (!all) return {};
    return "all";
  }
};

}  // namespace

ExitKind all_exit() {
  ExitKind kind{"all", "all(RULE;RULE…): leaves when all of them say so after the same loop", {}};
  kind.join = [](std::vector<std::unique_ptr<ExitRule>> rules, const std::string& text) -> std::unique_ptr<ExitRule> {
    return std::make_unique<AllExit>(std::move(rules), text);
  };
  return kind;
}

}  // namespace gyre
