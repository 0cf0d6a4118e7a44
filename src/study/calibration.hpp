#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "study/calibration_losses.hpp"
#include "study/risk_control.hpp"

namespace gyre {

struct CalibrationOptions {
  std::vector<int> loops;  ///< full depth, per group
  int threads = 1;         ///< documents run side by side, each on one thread
  Stop stop = {};
  std::uint64_t seed = 1;               ///< of the order of the documents
  RiskTarget target;                    ///< alpha in the unit of losses, where `clip` is 1
  std::vector<double> thresholds = {};  ///< to try; empty: a grid, found on documents that are set aside for it
  int grid = 12;                        ///< how many of them
  std::size_t most_documents = 0;       ///< 0: all
};

/// One threshold that was tried.
struct CalibratedThreshold {
  double threshold = 0;
  ExitChoice rule;
  ThresholdTest test;
  double loops_per_token = 0;
};

struct Calibration {
  std::vector<CalibratedThreshold> rows;  ///< the safest first
  std::optional<std::size_t> chosen;
  std::size_t documents = 0;  ///< that the tests are made of
  std::size_t set_aside = 0;  ///< that a grid was found on
  double full_loops = 0;      ///< per token, at full depth
  double full_risk = 0;       ///< of full depth itself: other than 0 where a task can be failed
  std::string key;            ///< the rule's option that is its threshold
};

/// Runs a rule at every threshold on every document, the work behind an exit not done, and chooses the boldest that
/// holds. Documents are taken in an order that the seed draws, and those a grid was found on are no part of the tests.
/// Throws Error when the documents are too few for anything to pass, or no token leaves, or all always do.
Calibration calibrate(const Model& model, const RiskTask& task, const ExitChoice& rule,
                      const CalibrationOptions& options, const ProgressSink& progress);

}  // namespace gyre
