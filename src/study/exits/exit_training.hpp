#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/exit_head.hpp"
#include "study/exits/exit_samples.hpp"
#include "study/statistics.hpp"

namespace gyre {

inline constexpr std::array<double, 7> kPenalties = {1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100};

struct HeadTraining {
  HeadKind kind = HeadKind::drop;
  /// Of ‖w‖², against the mean error of a row. Nothing: of those in kPenalties the one that is best on a quarter of
  /// the documents learned of, which for that are left out.
  std::optional<double> penalty = {};
  double slope = 50;       ///< of the labels of a gate, Ouro's k
  double gain = 0.005;     ///< nats from which going on counts as a gain, Ouro's γ
  double held_out = 0.2;   ///< share of the documents that nothing is learned of
  std::uint64_t seed = 1;  ///< of which these are
};

/// A number of the held-out documents and its 95 % interval, bootstrap over them.
struct HeldOutNumber {
  double value = 0;
  Interval interval;
};

/// Rows of about the same prediction: what was predicted on the mean, and what came.
struct HeldOutBin {
  std::int64_t rows = 0;
  double predicted = 0;
  HeldOutNumber realised;
};

/// How well a head predicts in one group, against the loop number alone, whose prediction is the mean of the training
/// rows of that loop. `explained` is 1 − its error over that of one constant: R² of a drop; of a gate the same with
/// KL(label ‖ λ) for the squared error. `area` is that under the ROC curve of "going on gains", more than
/// HeadTraining::gain; NaN where all or none do.
struct HeldOutGroup {
  int group = 0;
  std::int64_t rows = 0;  ///< loops of tokens
  HeldOutNumber explained;
  HeldOutNumber explained_by_loop;
  HeldOutNumber explained_more;  ///< the first less the second, paired
  double gaining = 0;            ///< share of rows where going on gains
  HeldOutNumber area;
  HeldOutNumber area_by_loop;
  std::vector<HeldOutBin> bins;  ///< by ascending prediction
};

struct TrainedHead {
  std::vector<GroupHead> groups;
  std::vector<double> penalties;  ///< of each
  std::vector<HeldOutGroup> held_out;
  std::size_t documents = 0;  ///< with a token, of both parts
  std::size_t held_out_documents = 0;
  std::size_t tokens = 0;
  std::size_t held_out_tokens = 0;
};

/// What a head is to say after loop k (from 1) of a path: of a drop ℓ_k − ℓ_K; of a gate the label of λ_k,
/// 1 − σ(slope (max(0, ℓ_k − ℓ_{k+1}) − gain)), Ouro's second stage with the improvement that the next loop brings.
double head_target(const HeadTraining& training, const ExitPath& path, std::size_t k);

/// Fits a head of every sampled group, and tries it on documents that it has not seen. Throws Error when there are
/// fewer than four documents, two a part.
TrainedHead train_head(const ExitSamples& samples, const HeadTraining& training);

/// The probability that a row of label 1 has a higher score than one of label 0, equals counting half (the area under
/// the ROC curve), where row i counts weights[i] times. NaN where there is only one label.
double area_under_curve(std::span<const double> scores, std::span<const char> labels, std::span<const double> weights);

}  // namespace gyre
