#include <algorithm>
#include <array>
#include <limits>

#include "base/error.hpp"
#include "base/random.hpp"
#include "engine/exits.hpp"

// What holds for every rule, whatever it looks at.

namespace gyre {
namespace {

/// The rule that a choice names, or what those in its parentheses decide together.
std::unique_ptr<ExitRule> make_rule(const ExitChoice& choice, ExitOptions& options, const ExitContext& context) {
  const ExitKind& kind = exit_kind_named(choice.kind, choice.text);
  if (kind.join == nullptr) return kind.make(options, context);
  std::vector<std::unique_ptr<ExitRule>> rules;
  for (const ExitChoice& part : choice.parts) {
    ExitOptions own(part.kind, part.options, combine_seeds(options.stream(), rules.size()), part.head);
    rules.push_back(make_rule(part, own, context));
  }
  return kind.join(std::move(rules), choice.text);
}

/// The looped group of a name or number in groups(…).
std::size_t group_of(const std::string& name, const ModelSpec& spec, const std::string& text) {
  std::string names;
  for (const int group : spec.looped_groups()) {
    const auto g = static_cast<std::size_t>(group);
    if (name == spec.groups[g].name || name == std::to_string(group)) return g;
    names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", group, spec.groups[g].name);
  }
  throw Error("exit {}: \"{}\" is no looped group of this model; choose among {}", text, name, names);
}

}  // namespace

BoundedExit::BoundedExit(const ExitChoice& choice, const ExitContext& context, std::uint64_t stream) {
  if (choice.kind == kGroupsExit) {
    make_parts(choice, context, stream);
    return;
  }
  ExitOptions options(choice.kind, choice.options, stream, choice.head);
  read_schedule(options, choice.text);
  rule_ = make_rule(choice, options, context);
  read_comparison(options, choice.text);
}

void BoundedExit::make_parts(const ExitChoice& choice, ExitContext context, std::uint64_t stream) {
  std::vector<ExitChoice> parts(context.spec.groups.size(), parse_exit("fixed"));  // full depth
  std::vector<bool> named(parts.size());
  for (std::size_t i = 0; i < choice.parts.size(); ++i) {
    const std::size_t group = group_of(choice.groups[i], context.spec, choice.text);
    if (named[group]) throw Error("exit {}: group {} has two rules; join them by any(…)", choice.text, group);
    named[group] = true;
    parts[group] = choice.parts[i];
  }
  for (std::size_t g = 0; g < parts.size(); ++g) {
    context.only = static_cast<int>(g);
    parts_.emplace_back(parts[g], context, combine_seeds(stream, g));
  }
}

void BoundedExit::read_schedule(ExitOptions& options, const std::string& text) {
  constexpr int kMost = std::numeric_limits<int>::max();
  least_ = options.integer("min", 1, 1, kMost);
  most_ = options.integer("max", kMost, 1, kMost);
  every_ = options.integer("every", 1, 1, kMost);
  first_ = options.integer("first", every_, 1, kMost);
  if (least_ > most_) throw Error("exit {}: min={} is more than max={}", text, least_, most_);
}

void BoundedExit::read_comparison(ExitOptions& options, const std::string& text) {
  constexpr std::array<std::string_view, 2> kWith = {"loop", "check"};
  constexpr std::array<std::string_view, 2> kSave = {"yes", "no"};
  const ExitReads reads = rule_->reads();
  since_check_ = options.choice("against", kWith, 0) == 1;
  if (since_check_ && !reads.norms) {
    throw Error("exit {}: against=check: the rule reads no states; leave it out", text);
  }
  if (since_check_ && reads.state) {
    throw Error("exit {}: against=check: it was trained on steps from the loop before; leave it out", text);
  }
  ends_at_check_ = options.choice("end", kWith, 0) == 1;
  if (ends_at_check_ && !reads.logits) {
    throw Error("exit {}: end=check: the rule decodes nothing; leave it out", text);
  }
  saves_ = options.choice("save", kSave, 0) == 0;
  if (!saves_ && (ends_at_check_ || rule_->share(1, true))) {
    throw Error("exit {}: save=no: what is read is settled already; leave it out", text);
  }
}

void BoundedExit::enter_group(int group, int position) {
  group_ = static_cast<std::size_t>(group);
  if (!rule_) return part().enter_group(group, position);
  left_after_ = 0;
  rule_->enter_group(group, position);
}

bool BoundedExit::asks_after(int loop) const {
  // Counted in askings, from 0: this one, and the first that may let the token leave.
  const int asking = (loop - first_) / every_;
  const int first = least_ > first_ ? (least_ - first_ - 1) / every_ + 1 : 0;
  return is_check(loop) && first - asking <= rule_->lookback();
}

ExitReads BoundedExit::reads(int loop) const {
  if (!rule_) return part().reads(loop);
  if (left_after_ > 0) return {};
  ExitReads reads = rule_->reads();
  reads.since_check = since_check_;
  if (!asks_after(loop)) reads.logits.reset();
  if (since_check_ && loop > 0) reads.norms = is_check(loop);
  return reads;
}

std::optional<std::string_view> BoundedExit::leave_together(std::span<const LoopStep> steps) {
  if (!rule_) return part().leave_together(steps);
  if (left_after_ > 0) return {};
  const int loop = steps.back().loop;
  rule_->see_together(steps);
  std::optional<std::string_view> reason;
  if (asks_after(loop)) reason = rule_->leave_together(steps);
  if (loop < least_) reason.reset();
  if (!reason && loop >= most_) reason = "max";
  if (reason && !saves_) left_after_ = loop;
  return reason;
}

bool BoundedExit::keeps() const {
  // Where one group keeps all do, so that what was read is said of each.
  if (!rule_) return std::any_of(parts_.begin(), parts_.end(), [](const BoundedExit& one) { return one.keeps(); });
  return !saves_ || ends_at_check_ || rule_->share(1, true);
}

Reading BoundedExit::reading(int loop, bool last) const {
  if (!rule_) return part().reading(loop, last);
  if (const auto share = rule_->share(loop, last)) return {loop > 1 ? 1.0F : 0.0F, *share};
  const bool behind_exit = left_after_ > 0 && loop > left_after_;
  const bool behind_check = ends_at_check_ && loop > first_ && !is_check(loop);
  return behind_exit || behind_check ? Reading{1, 0} : Reading{0, 1};
}

}  // namespace gyre
