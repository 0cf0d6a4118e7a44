#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/exit_head.hpp"
#include "study/evaluation.hpp"

namespace gyre {

/// One token's way through one looped group, and what leaving at each depth would have cost.
struct ExitPath {
  std::vector<float> states;       ///< x^(k) of k = 1 … K − 1, [K − 1, hidden]
  std::vector<float> state_norms;  ///< ‖x^(k)‖ [K − 1]
  std::vector<float> step_norms;   ///< ‖x^(k) − x^(k−1)‖ [K − 1]
  std::vector<double> losses;      ///< −log p(target) in nats when it leaves after k = 1 … K loops [K]
};

struct ExitToken {
  std::size_t document = 0;
  std::vector<ExitPath> groups;  ///< as ExitSamples::groups
};

/// Tokens of a text on a frozen model at full depth.
struct ExitSamples {
  std::vector<int> groups;  ///< those that loop more than once
  std::size_t hidden = 0;
  std::vector<ExitToken> tokens;  ///< in the order of the text
  std::int64_t text_tokens = 0;   ///< of all documents
};

struct ExitSampleOptions {
  EvaluationOptions run;  ///< its seed draws the documents, too
  HeadReadout readout = HeadReadout::coda;
  std::size_t tokens = 0;  ///< documents are drawn until they have so many; 0: all
};

/// Decodes a text token by token at full depth, each document by itself, and keeps the states: 4 (K − 1) hidden bytes
/// of a token and group of K loops. The loss of a depth is that of the logits which HeadReadout names: of `coda` and
/// `full` the token is decoded once for every depth of every group, earlier groups at full depth, on the keys and
/// values that full depth left. Which documents are drawn, and what is measured, does not depend on the number of
/// threads. Throws Error when no group loops more than once, logits are not finite, or states start from those of the
/// token before.
ExitSamples collect_exit_samples(const Model& model, const MeasuredText& text, const ExitSampleOptions& options,
                                 const ProgressSink& progress);

}  // namespace gyre
