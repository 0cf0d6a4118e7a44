#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "study/evaluation.hpp"
#include "study/measured_text.hpp"

namespace gyre {

/// What leaving early may cost a document, against full depth under the same KV policy.
enum class Risk : std::uint8_t {
  disagreement,  ///< share of positions where another token is the likeliest
  kl,            ///< mean KL(full depth ‖ rule), nats
  rise,          ///< mean rise of the loss, nats; nothing where it falls
  error,         ///< 1 for an answer that is wrong, else 0: of the rule by itself, whatever full depth says
};

/// disagreement, kl, rise, error. Throws Error naming `flag`.
Risk parse_risk(const std::string& text, const std::string& flag);
std::string_view name_of(Risk risk);
/// Whether it is counted in nats, which are clipped.
inline bool in_nats(Risk risk) { return risk == Risk::kl || risk == Risk::rise; }

struct RiskOptions {
  Risk risk = Risk::disagreement;
  double clip = 1;  ///< nats of a document's mean that count at most
  /// Above 0: so many tokens are drawn greedily behind a prompt at full depth, once with exits and once without, and
  /// disagreement is the share of positions where the two texts differ. Else every position is that of the text.
  int free_tokens = 0;
  int prompt_tokens = 16;  ///< that begin a document, the prefix not counted; all of a shorter one
};

/// What one rule made of one document.
struct DocumentOutcome {
  double loss = 0;    ///< in [0, 1]: nats over the clip
  double loops = 0;   ///< of the tokens that count, over the looped groups together
  double tokens = 0;  ///< that count
};

/// Documents, and how a rule is tried on one of them.
struct RiskTask {
  std::size_t documents = 0;
  std::function<std::vector<DocumentOutcome>(Engine& engine, std::size_t document, std::span<const ExitChoice> rules)>
      run;
};

/// A document's loss of `nats` of its mean.
double clipped(double nats, double clip);

/// Every document of a text by itself: decoded token by token, window by window. What it is given has to outlive the
/// task. Throws Error naming a document shorter than two tokens.
RiskTask text_task(const Model& model, const MeasuredText& text, const EvaluationOptions& options,
                   const RiskOptions& risk);
/// Every example by itself.
RiskTask examples_task(const Model& model, const Tokenizer& tokenizer, std::span<const Example> examples,
                       const EvaluationOptions& options);

}  // namespace gyre
