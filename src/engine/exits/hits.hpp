#pragma once

#include <array>
#include <limits>
#include <optional>
#include <string_view>

#include "engine/exit_rule.hpp"

namespace gyre {

/// How a length is put against the threshold.
enum class Form { absolute, relative, normalised };
inline constexpr std::array<std::string_view, 3> kFormNames = {"absolute", "relative", "normalised"};

/// Reads the option `form`; relative unless told.
inline Form read_form(ExitOptions& options) {
  return static_cast<Form>(options.choice("form", kFormNames, std::size_t{1}));
}

/// What a length is divided by under `form`; `own_length` is the rule's own measure for `normalised`.
inline float form_scale(Form form, const LoopStep& step, float own_length) {
  constexpr float kTiny = std::numeric_limits<float>::min();  // a state of zeros divides by no zero
  switch (form) {
    case Form::relative:
      return step.state_norm + kTiny;
    case Form::normalised:
      return own_length + kTiny;
    case Form::absolute:
      break;
  }
  return 1.0F;
}

/// Fires when a quantity stays on the right side of tau on `hits` consecutive loops.
class ConsecutiveHits {
 public:
  /// Reads tau, at most `most`, and hits. Without a default tau has to be given.
  explicit ConsecutiveHits(ExitOptions& options, std::optional<float> tau = {}, float most = 1e9F)
      : tau_(options.number("tau", tau, 0.0F, most)), needed_(options.integer("hits", 1, 1, 1000)) {}

  [[nodiscard]] int needed() const { return needed_; }
  void reset() { hits_ = 0; }
  /// Below tau.
  bool fires(float quantity) { return counts(quantity < tau_); }
  /// At tau, or above.
  bool fires_above(float quantity) { return counts(quantity >= tau_); }

 private:
  bool counts(bool hit) {
    hits_ = hit ? hits_ + 1 : 0;
    return hits_ >= needed_;
  }

  float tau_;
  int needed_;
  int hits_ = 0;
};

/// Of rules that leave below tau, and of those that leave from a probability of tau on.
inline ThresholdOption leaves_below(const ExitChoice& /*rule*/) { return {"tau", true, false, 0, 1e9}; }
inline ThresholdOption leaves_from(const ExitChoice& /*rule*/) { return {"tau", false, false, 1, 0}; }

inline constexpr ExitOptionHelp kTauHelp = {"tau", "threshold (needed)"};
inline constexpr ExitOptionHelp kHitsHelp = {"hits", "consecutive loops that must say so (default 1)"};

}  // namespace gyre
