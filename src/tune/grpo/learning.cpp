#include "tune/grpo/learning.hpp"

#include <torch/utils.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "base/random.hpp"
#include "train/divergence.hpp"
#include "train/token_log_p.hpp"
#include "tune/grpo/policy_loss.hpp"

namespace gyre {
namespace {

using torch::Tensor;

constexpr std::uint64_t kDropoutStream = 0x64726f70ULL;

/// Completions that go through the model together: rows of prompt and completion, filled up at the end.
struct Rows {
  Tensor tokens;   ///< [rows, columns]
  Tensor places;   ///< [n]: of the states, in rows · columns, that read the drawn tokens
  Tensor targets;  ///< [n]: the drawn tokens
  Tensor drawn;    ///< [n]: their log-probabilities when they were drawn
  Tensor advantage;
  Tensor share;
  std::vector<Tensor> sampled = {};  ///< by credited loop, [n]: before the first update
  Tensor reference = {};             ///< [n]; undefined without a divergence
};

Rows make_rows(std::span<const LearnedCompletion* const> batch, std::span<const double> shares) {
  std::size_t columns = 0;
  for (const LearnedCompletion* const one : batch) {
    columns = std::max(columns, one->prompt->size() + one->completion->tokens.size());
  }
  std::vector<std::int64_t> tokens;
  std::vector<std::int64_t> places;
  std::vector<std::int64_t> targets;
  std::vector<float> drawn;
  std::vector<float> advantages;
  std::vector<float> share;
  for (std::size_t row = 0; row < batch.size(); ++row) {
    const LearnedCompletion& one = *batch[row];
    const std::vector<std::int32_t>& own = one.completion->tokens;
    tokens.insert(tokens.end(), one.prompt->begin(), one.prompt->end());
    tokens.insert(tokens.end(), own.begin(), own.end());
    tokens.resize((row + 1) * columns, 0);
    for (std::size_t i = 0; i < own.size(); ++i) {
      places.push_back(static_cast<std::int64_t>(row * columns + one.prompt->size() + i) - 1);
      targets.push_back(own[i]);
      drawn.push_back(one.completion->log_p[i]);
      advantages.push_back(static_cast<float>(one.advantages[i]));
      share.push_back(one.counts ? static_cast<float>(shares[row]) : 0.0F);
    }
  }
  const auto rows = static_cast<std::int64_t>(batch.size());
  return {torch::tensor(tokens).view({rows, static_cast<std::int64_t>(columns)}),
          torch::tensor(places),
          torch::tensor(targets),
          torch::tensor(drawn),
          torch::tensor(advantages),
          torch::tensor(share)};
}

/// log p of the targets by the states, [n].
Tensor log_p(const TorchModel& model, const Tensor& states, const Rows& rows, Precision precision) {
  constexpr std::int64_t kLogitsTogether = 1 << 23;  // 32 MiB of them
  const Tensor read = states.flatten(0, 1).index_select(0, rows.places);
  return log_p_of(model, read, rows.targets, precision, kLogitsTogether);
}

/// One batch, update after update.
class Lesson {
 public:
  Lesson(Policy& policy, std::span<const LearnedCompletion> batch, const GrpoConfig& config,
         const std::vector<int>& loops, bool drawn_otherwise, const ProcessGroup& group)
      : policy_(policy), config_(config), loops_(loops), drawn_otherwise_(drawn_otherwise), group_(group) {
    const std::vector<double> shares = own_shares(batch);
    std::vector<std::size_t> order(batch.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    // Rows of one length together: less of them is filling.
    const auto size = [&](std::size_t i) { return batch[i].prompt->size() + batch[i].completion->tokens.size(); };
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return size(a) > size(b); });
    const auto together = static_cast<std::size_t>(config.rows);
    for (std::size_t begin = 0; begin < order.size(); begin += together) {
      std::vector<const LearnedCompletion*> some;
      std::vector<double> some_shares;
      for (std::size_t i = begin; i < std::min(order.size(), begin + together); ++i) {
        some.push_back(&batch[order[i]]);
        some_shares.push_back(shares[order[i]]);
      }
      rows_.push_back(make_rows(some, some_shares));
    }
  }

  /// Adds up gradients over all rows of all ranks.
  void gradients(bool first, LearningReport& report) {
    LearningReport own;
    for (Rows& rows : rows_) one(rows, first, own);
    std::array<double, 4> sums = {own.loss, own.divergence, own.clipped, own.surprise};
    group_.sum_gradients(policy_.learned(), sums);
    const double counted = std::max(1.0, counted_);
    report.loss = sums[0];
    report.divergence = sums[1] / counted;
    report.clipped = sums[2] / counted;
    if (!first) return;
    report.surprise = sums[3] / counted;
    const std::vector<double> mismatches = group_.gathered({&own.mismatch, 1});
    report.mismatch = *std::max_element(mismatches.begin(), mismatches.end());
  }

 private:
  /// The share of one token of each completion in the mean over the completions of all ranks.
  [[nodiscard]] std::vector<double> own_shares(std::span<const LearnedCompletion> batch) {
    std::vector<double> own;
    for (const LearnedCompletion& one : batch) {
      own.push_back(one.counts ? static_cast<double>(one.completion->tokens.size()) : 0);
    }
    const std::vector<double> all = group_.gathered(own);
    for (const double length : all) counted_ += length;
    const std::vector<std::size_t> lengths(all.begin(), all.end());
    const std::vector<double> shares = token_shares(lengths, config_.loss, static_cast<std::size_t>(config_.tokens));
    const auto begin = shares.begin() + static_cast<std::ptrdiff_t>(own.size()) * group_.rank();
    return {begin, begin + static_cast<std::ptrdiff_t>(own.size())};
  }

  [[nodiscard]] ForwardOptions options(const Rows& rows, bool with_adapter) const {
    ForwardOptions options;
    options.loops = loops_;
    options.precision = config_.precision;
    options.noise_seeds.assign(static_cast<std::size_t>(rows.tokens.size(0)), 1);
    options.adapter = with_adapter ? policy_.adapter() : nullptr;
    options.training = with_adapter;
    return options;
  }

  void one(Rows& rows, bool first, LearningReport& report) {
    if (config_.policy.kl_weight > 0 && !rows.reference.defined()) rows.reference = reference_of(rows);
    const TorchModel& model = policy_.learner();
    std::vector<Tensor> now;  // by credited loop, the deepest last
    Tensor weights;           // [T, n]
    if (config_.loop_credit == LoopCredit::last) {
      now.push_back(log_p(model, model.states(rows.tokens, options(rows, true)), rows, config_.precision));
    } else {
      const LoopStates all =
          model.states_by_loop(rows.tokens, options(rows, true), config_.loop_credit == LoopCredit::exit);
      for (const Tensor& states : all.states) now.push_back(log_p(model, states, rows, config_.precision));
      weights = weights_of(all, rows);
    }
    if (first) remember(rows, now, report);
    Tensor loss = torch::zeros({});
    for (std::size_t t = 0; t < now.size(); ++t) {
      const auto loop = static_cast<std::int64_t>(t);
      const Tensor share = weights.defined() ? rows.share * weights[loop] : rows.share;
      loss = loss + policy_term({now[t], rows.sampled[t], rows.advantage, share}, config_.policy);
    }
    const Tensor& last = now.back();
    if (rows.reference.defined()) {
      loss = loss + config_.policy.kl_weight * divergence_term(last, rows.reference, rows.share);
    }
    loss.backward();
    const torch::NoGradGuard no_gradient;
    report.loss += loss.item<double>();
    const Tensor counts = rows.share.gt(0).to(torch::kFloat);
    if (rows.reference.defined()) report.divergence += divergence_term(last, rows.reference, counts).item<double>();
    const Tensor ratio = torch::exp(last - rows.sampled.back());
    const Tensor above = ratio.gt(1 + config_.policy.clip_high).logical_and(rows.advantage.gt(0));
    const Tensor below = ratio.lt(1 - config_.policy.clip_low).logical_and(rows.advantage.lt(0));
    report.clipped += (above.logical_or(below).to(torch::kFloat) * counts).sum().item<double>();
  }

  void remember(Rows& rows, const std::vector<Tensor>& now, LearningReport& report) const {
    const Tensor own = now.back().detach();
    const Tensor counts = rows.share.gt(0).to(torch::kFloat);
    report.surprise -= (own * counts).sum().item<double>();
    report.mismatch = std::max(report.mismatch, (own - rows.drawn).abs().max().item<double>());
    for (const Tensor& loop : now) rows.sampled.push_back(loop.detach());
    if (drawn_otherwise_) rows.sampled.back() = rows.drawn;
  }

  [[nodiscard]] Tensor reference_of(const Rows& rows) const {
    const torch::NoGradGuard no_gradient;
    const TorchModel& model = policy_.reference();
    return log_p(model, model.states(rows.tokens, options(rows, false)), rows, config_.precision);
  }

  [[nodiscard]] Tensor weights_of(const LoopStates& all, const Rows& rows) const {
    const std::size_t loops = all.states.size();
    if (config_.loop_credit == LoopCredit::exit) {
      std::vector<Tensor> gates;
      for (const Tensor& gate : all.gates) gates.push_back(gate.flatten().index_select(0, rows.places));
      return exit_probabilities(torch::stack(gates).detach());
    }
    const double power = config_.loop_credit == LoopCredit::uniform ? 0 : config_.loop_credit_power;
    const Tensor weights = torch::tensor(progressive_weights(loops, power), torch::kFloat);
    return weights.unsqueeze(1).expand({static_cast<std::int64_t>(loops), rows.places.numel()});
  }

  Policy& policy_;
  const GrpoConfig& config_;
  const std::vector<int>& loops_;
  bool drawn_otherwise_;
  std::vector<Rows> rows_;
  const ProcessGroup& group_;
  double counted_ = 0;  ///< tokens that count, of all ranks
};

}  // namespace

LearningReport learn(Policy& policy, AdamW& optimiser, std::span<const LearnedCompletion> batch,
                     const GrpoConfig& config, const std::vector<int>& loops, bool drawn_otherwise, int step,
                     const ProcessGroup& group) {
  torch::manual_seed(combine_seeds(config.seed ^ kDropoutStream, static_cast<std::uint64_t>(step)) +
                     static_cast<std::uint64_t>(group.rank()));
  Lesson lesson(policy, batch, config, loops, drawn_otherwise, group);
  LearningReport report;
  for (int update = 0; update < config.updates; ++update) {
    lesson.gradients(update == 0, report);
    require_finite(report.loss, "the loss", step);
    const int done = (step - 1) * config.updates + update + 1;
    report.gradient_norm = optimiser.update(policy.learned(), learning_rate_at(config, step), done);
  }
  return report;
}

}  // namespace gyre
