#include "raman/baselines.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "raman/evidence.hpp"
#include "raman/linear_model.hpp"

namespace gyre::raman {
namespace {

/// Specimens' worth of the countries' shares that are added to a list of finds.
constexpr double kPriors[] = {0.1, 0.3, 1, 2, 4, 8, 16};
constexpr double kSharpness = 20;
constexpr int kInnerFolds = 5;

std::vector<std::size_t> all_of(const Examples& examples) {
  std::vector<std::size_t> items(examples.size());
  std::iota(items.begin(), items.end(), 0U);
  return items;
}

/// A fold of each example that keeps together what the protocol does.
std::vector<int> inner_folds_of(const Examples& examples, Protocol protocol) {
  std::vector<std::string> groups(examples.size());
  const auto name = [&](const std::vector<int>& numbers) {
    for (std::size_t i = 0; i < groups.size(); ++i) groups[i] = numbers[i] < 0 ? "" : fmt::format("{}", numbers[i]);
  };
  if (protocol == Protocol::specimen) name(examples.specimen);
  if (protocol == Protocol::mineral) name(examples.mineral);
  constexpr std::uint64_t kSeed = 1;
  return assign_folds(groups, kInnerFolds, kSeed);
}

/// Rows of what `row_of` says of one query after the other.
template <typename RowOf>
Probabilities answers(const Library& library, const Queries& queries, Protocol protocol, const RowOf& row_of) {
  Probabilities out{static_cast<std::size_t>(library.examples().classes), {}};
  compare(library, queries, protocol, [&](const Comparison& comparison) {
    const std::vector<double> row = row_of(comparison);
    out.values.insert(out.values.end(), row.begin(), row.end());
  });
  return out;
}

/// What a rule says of the test examples, at the temperature that suits what it says of the training examples.
template <typename RowOf>
Probabilities calibrated(const BaselineTask& task, const Library& library, const RowOf& row_of) {
  const Queries own = queries_of(task.training, {}, all_of(task.training));
  const double temperature = fit_temperature(answers(library, own, task.protocol, row_of), task.training.labels);
  return at_temperature(answers(library, queries_of(task.test, {}), task.protocol, row_of), temperature);
}

/// Finds of each mineral among the pieces of a library.
class MineralList {
 public:
  explicit MineralList(const Library& library) : library_(library), of_mineral_(minerals_of(library)) {
    for (std::size_t p = 0; p < library.pieces().size(); ++p) {
      const int mineral = library.pieces()[p].mineral;
      if (mineral >= 0) of_mineral_[static_cast<std::size_t>(mineral)].push_back(p);
    }
  }

  /// The countries of a mineral's pieces that are seen, with `weight` pieces' worth of the prior added.
  [[nodiscard]] std::vector<double> shares(int mineral, const Visibility& visibility, const std::vector<double>& prior,
                                           double weight) const {
    std::vector<double> row = prior;
    double total = weight;
    for (double& v : row) v *= weight;
    if (mineral >= 0 && static_cast<std::size_t>(mineral) < of_mineral_.size()) {
      for (const std::size_t p : of_mineral_[static_cast<std::size_t>(mineral)]) {
        const Library::Piece& piece = library_.pieces()[p];
        const bool seen = std::any_of(piece.spectra.begin(), piece.spectra.end(),
                                      [&](std::size_t spectrum) { return visibility.sees(spectrum); });
        if (!seen) continue;
        row[static_cast<std::size_t>(piece.country)] += 1;
        total += 1;
      }
    }
    for (double& v : row) v /= total;
    return row;
  }

 private:
  static std::vector<std::vector<std::size_t>> minerals_of(const Library& library) {
    return std::vector<std::vector<std::size_t>>(static_cast<std::size_t>(std::max(0, library.minerals())));
  }

  const Library& library_;
  std::vector<std::vector<std::size_t>> of_mineral_;
};

std::vector<double> shares_of_pieces(const Library& library) {
  std::vector<double> shares(static_cast<std::size_t>(library.examples().classes), 0.0);
  for (const Library::Piece& piece : library.pieces()) {
    shares[static_cast<std::size_t>(piece.country)] += 1 / static_cast<double>(library.pieces().size());
  }
  return shares;
}

}  // namespace

Probabilities majority_baseline(const BaselineTask& task) {
  const std::vector<double> shares = shares_of_pieces(Library(task.training, {}));
  Probabilities out{shares.size(), {}};
  for (std::size_t i = 0; i < task.test.size(); ++i) out.values.insert(out.values.end(), shares.begin(), shares.end());
  return out;
}

Probabilities mineral_baseline(const BaselineTask& task) {
  const Library library(task.training, {});
  const MineralList list(library);
  const std::vector<double> prior = shares_of_pieces(library);
  const auto classes = prior.size();
  const auto of_training = [&](double weight) {
    Probabilities out{classes, {}};
    for (std::size_t i = 0; i < task.training.size(); ++i) {
      const std::vector<double> row =
          list.shares(task.training.mineral[i], Visibility(library, task.protocol, i), prior, weight);
      out.values.insert(out.values.end(), row.begin(), row.end());
    }
    return out;
  };
  double best = std::numeric_limits<double>::infinity();
  double chosen = kPriors[0];
  double temperature = 1;
  for (const double weight : kPriors) {
    const Probabilities own = of_training(weight);
    const double own_temperature = fit_temperature(own, task.training.labels);
    const double loss = measure(at_temperature(own, own_temperature), task.training.labels).log_loss;
    if (loss >= best) continue;
    best = loss;
    chosen = weight;
    temperature = own_temperature;
  }
  Probabilities out{classes, {}};
  const Visibility all(library, task.protocol, {});
  for (std::size_t i = 0; i < task.test.size(); ++i) {
    const std::vector<double> row = list.shares(task.test.mineral[i], all, prior, chosen);
    out.values.insert(out.values.end(), row.begin(), row.end());
  }
  return at_temperature(out, temperature);
}

Probabilities neighbour_baseline(const BaselineTask& task) {
  const Library library(task.training, {});
  const Examples& examples = library.examples();
  const UnitRows& rows = library.views()[kRoot];
  const auto classes = static_cast<std::size_t>(examples.classes);
  const auto answer = [&](const UnitRows& asked, const Comparison& comparison) {
    std::vector<float> best(classes, -1.0F);
    for (std::size_t r = 0; r < library.size(); ++r) {
      if (comparison.likeness[r] <= kHidden) continue;
      float& entry = best[static_cast<std::size_t>(examples.labels[r])];
      entry = std::max(entry, cosine(asked.row(comparison.query), rows.row(r)));
    }
    return softmax(best, classes, 1 / kSharpness).values;
  };
  const Queries own = queries_of(task.training, {}, all_of(task.training));
  const Queries asked = queries_of(task.test, {});
  const double temperature = fit_temperature(
      answers(library, own, task.protocol, [&](const Comparison& c) { return answer(own.views[kRoot], c); }),
      task.training.labels);
  return at_temperature(
      answers(library, asked, task.protocol, [&](const Comparison& c) { return answer(asked.views[kRoot], c); }),
      temperature);
}

Probabilities kernel_baseline(const BaselineTask& task) {
  const Library library(task.training, {});
  WidthLosses losses;
  losses.add(library, queries_of(task.training, {}, all_of(task.training)), task.protocol,
             std::vector<bool>(task.training.size(), true), task.training.labels);
  const VoteWidth width = losses.best().neighbours;
  return calibrated(task, library,
                    [&](const Comparison& comparison) { return Votes(library, comparison).by_kernel(width); });
}

Probabilities linear_baseline(const BaselineTask& task) {
  const std::vector<int> folds = inner_folds_of(task.training, task.protocol);
  std::vector<std::size_t> kept;
  std::vector<std::size_t> held_out;
  for (std::size_t i = 0; i < folds.size(); ++i) (folds[i] == 0 ? held_out : kept).push_back(i);
  const Examples part = task.training.subset(kept);
  const Examples rest = task.training.subset(held_out);
  double best = std::numeric_limits<double>::infinity();
  float chosen = 0;
  double temperature = 1;
  for (const float penalty : {1e-3F, 1e-4F, 1e-5F}) {
    const Probabilities own = LinearModel(part, penalty).probabilities(rest);
    const double own_temperature = fit_temperature(own, rest.labels);
    const double loss = measure(at_temperature(own, own_temperature), rest.labels).log_loss;
    if (loss >= best) continue;
    best = loss;
    chosen = penalty;
    temperature = own_temperature;
  }
  return at_temperature(LinearModel(task.training, chosen).probabilities(task.test), temperature);
}

const std::vector<BaselineKind>& baseline_kinds() {
  static const std::vector<BaselineKind> kinds = {{"majority", "majority country", majority_baseline},
                                                  {"mineral", "list of finds of the mineral", mineral_baseline},
                                                  {"neighbour", "nearest neighbour", neighbour_baseline},
                                                  {"kernel", "votes of all neighbours", kernel_baseline},
                                                  {"linear", "linear model", linear_baseline}};
  return kinds;
}

}  // namespace gyre::raman
