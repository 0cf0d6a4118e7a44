#include "engine/exits/joined.hpp"
#include "engine/exits/kinds.hpp"

namespace gyre {
namespace {

/// Leaves when one of its rules does, with the word of the first that does in the order they were written.
class AnyExit : public JoinedExit {
 public:
  using JoinedExit::JoinedExit;

  std::optional<std::string_view> leave_together(std::span<const LoopStep> steps) override {
    std::optional<std::string_view> reason;
    for (const auto& rule : rules()) {
      const std::optional<std::string_view> one = rule->leave_together(steps);
      if (!reason) reason = one;
    }
    return reason;
  }
};

}  // namespace

ExitKind any_exit() {
  ExitKind kind{"any", "any(RULE;RULE…): leaves when one of them says so; the reason is that one's", {}};
  kind.join = [](std::vector<std::unique_ptr<ExitRule>> rules, const std::string& text) -> std::unique_ptr<ExitRule> {
    return std::make_unique<AnyExit>(std::move(rules), text);
  };
  return kind;
}

}  // namespace gyre
