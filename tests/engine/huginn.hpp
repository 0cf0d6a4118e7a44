#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "engine/reference.hpp"

namespace gyre {

/// The stopping criteria of Huginn's program from their meaning, in double precision: what an evaluator keeps from
/// check to check, and when it lets go. States are those of all positions that go together; logits those of the last.
class HuginnCriterion {
 public:
  using Vector = std::vector<double>;

  HuginnCriterion(std::string name, double tau) : name_(std::move(name)), tau_(tau) {}

  void begin(const std::vector<Vector>& states, std::size_t vocabulary) {
    states_ = states;
    p_.assign(vocabulary, 1.0 / static_cast<double>(vocabulary));
    entropy_ = 100;
    likeliest_ = -1;
    stable_ = 0;
  }

  /// What is held against the threshold; for argmax-stability the checks in a row that agreed, negated.
  double check(const std::vector<Vector>& states, const Vector& logits) {
    const std::vector<Vector> before = std::exchange(states_, states);
    double mean = 0;
    for (std::size_t i = 0; i < states.size() && decodes() == 0; ++i) {
      const Vector& x = states[i];
      Vector difference = x;
      for (std::size_t c = 0; c < x.size(); ++c) difference[c] -= before[i][c];
      const double value = name_ == "latent-diff"
                               ? std::sqrt(dot(difference, difference) / dot(x, x))
                               : 1 - dot(x, before[i]) / std::sqrt(dot(x, x)) / std::sqrt(dot(before[i], before[i]));
      mean += value / static_cast<double>(states.size());
    }
    if (decodes() == 0) return mean;
    return of_logits(logits);
  }
  [[nodiscard]] bool lets_go(double value) const { return name_ == "argmax-stability" ? value <= -tau_ : value < tau_; }
  [[nodiscard]] int decodes() const { return name_ == "latent-diff" || name_ == "cosine" ? 0 : 1; }

 private:
  static double dot(const Vector& a, const Vector& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  }

  double of_logits(const Vector& logits) {
    Vector p = logits;
    double total = 0;
    const double most = *std::max_element(logits.begin(), logits.end());
    for (double& value : p) total += value = std::exp(value - most);
    for (double& value : p) value /= total;
    if (name_ == "argmax-stability") {
      const auto now = std::max_element(p.begin(), p.end()) - p.begin();
      stable_ = now == likeliest_ ? stable_ + 1 : 0;
      likeliest_ = now;
      return -stable_;
    }
    if (name_ == "entropy-diff") {
      double entropy = 0;
      for (const double value : p) entropy -= value * std::log(value + 1e-10);
      return std::abs(entropy - std::exchange(entropy_, entropy));
    }
    if (name_ == "minp-kl") {
      const double limit = 0.1 * *std::max_element(p.begin(), p.end());
      double sum = 0;
      for (double& value : p) sum += value = value < limit ? 1.0 / static_cast<double>(p.size()) : value;
      for (double& value : p) value /= sum;
    }
    double kl = 0;
    for (std::size_t i = 0; i < p.size(); ++i) kl += p_[i] * (std::log(p_[i]) - std::log(p[i]));
    p_ = p;
    return kl;
  }

  std::string name_;
  double tau_;
  std::vector<Vector> states_;
  Vector p_;
  double entropy_ = 100;
  std::ptrdiff_t likeliest_ = -1;
  int stable_ = 0;
};

/// Tokens of one pass that run the same loops, decided group by group: what Huginn's program would do, by running every
/// depth from the start.
class HuginnPass {
 public:
  struct Settings {
    std::string criterion;
    double tau = 0;
    int min_steps = 0;
    int every = 1;
    bool saves = true;
    bool last_check = false;  ///< a pass that never leaves is read at its last check
  };
  struct Outcome {
    std::vector<int> loops;          ///< that run
    std::vector<int> read;           ///< whose state is read
    std::vector<double> values;      ///< of every check
    HuginnCriterion::Vector logits;  ///< of the last token
  };

  HuginnPass(std::vector<int> most, Settings settings) : most_(std::move(most)), settings_(std::move(settings)) {}

  /// Appends tokens, which are one prompt when there are several.
  [[nodiscard]] Outcome run(Reference& reference, const std::vector<int>& tokens, int position) const {
    Outcome outcome{std::vector<int>(most_.size(), 1), std::vector<int>(most_.size(), 1), {}, {}};
    for (std::size_t g = 0; g < most_.size(); ++g) {
      if (most_[g] > 1) choose(reference, tokens, position, g, outcome);
    }
    outcome.logits = go(reference, tokens, position, outcome);
    return outcome;
  }

 private:
  static HuginnCriterion::Vector go(Reference& reference, const std::vector<int>& tokens, int position,
                                    const Outcome& outcome) {
    HuginnCriterion::Vector logits;
    reference.shares.assign(outcome.loops.size(), {});
    for (std::size_t g = 0; g < outcome.loops.size(); ++g) {
      if (outcome.read[g] == outcome.loops[g]) continue;
      reference.shares[g].assign(static_cast<std::size_t>(outcome.loops[g]), 0.0);
      reference.shares[g][static_cast<std::size_t>(outcome.read[g] - 1)] = 1;
    }
    for (const int token : tokens) logits = reference.next(token, outcome.loops, position);
    return logits;
  }

  void choose(const Reference& reference, const std::vector<int>& tokens, int position, std::size_t g,
              Outcome& outcome) const {
    HuginnCriterion criterion(settings_.criterion, settings_.tau);
    int last_check = 0;
    for (int k = 1; k < most_[g]; ++k) {
      if (k <= settings_.min_steps || (k - settings_.min_steps - 1) % settings_.every != 0) continue;
      Reference probe = reference;
      outcome.loops[g] = outcome.read[g] = k;
      const HuginnCriterion::Vector logits = go(probe, tokens, position, outcome);
      if (last_check == 0) criterion.begin(states(probe, tokens, position, g, 0), logits.size());
      const double value = criterion.check(states(probe, tokens, position, g, k), logits);
      outcome.values.push_back(value);
      last_check = k;
      if (!criterion.lets_go(value)) continue;
      if (!settings_.saves) outcome.loops[g] = most_[g];
      return;
    }
    outcome.loops[g] = outcome.read[g] = most_[g];
    const bool checked_last = (most_[g] - settings_.min_steps - 1) % settings_.every == 0;
    if (settings_.last_check && last_check > 0 && !checked_last) outcome.read[g] = last_check;
  }

  static std::vector<HuginnCriterion::Vector> states(const Reference& reference, const std::vector<int>& tokens,
                                                     int position, std::size_t g, int loop) {
    std::vector<HuginnCriterion::Vector> all;
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      all.push_back(reference.state(static_cast<int>(g), loop, position + static_cast<int>(t)));
    }
    return all;
  }

  std::vector<int> most_;
  Settings settings_;
};

}  // namespace gyre
