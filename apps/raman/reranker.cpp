#include "raman/reranker.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.hpp"
#include "base/random.hpp"

namespace gyre::raman {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXf;

constexpr Eigen::Index kHiddenUnits = 24;
constexpr int kMembers = 3;
constexpr int kEpochs = 25;
constexpr std::size_t kBatch = 128;
constexpr float kRate = 5e-3F;
constexpr float kDecay = 1e-3F;
constexpr float kWarmup = 50;
/// Standardised features beyond this say no more than this.
constexpr float kMostDeviations = 6;

Eigen::Map<const Matrix> as_matrix(const std::vector<float>& values, Eigen::Index width) {
  return {values.data(), static_cast<Eigen::Index>(values.size()) / width, width};
}
Eigen::Map<const Vector> as_vector(const std::vector<float>& values) {
  return {values.data(), static_cast<Eigen::Index>(values.size())};
}

/// Softmax over the scores of a query's candidates and of none.
Vector shares_of(const Eigen::Ref<const Vector>& scores, float none) {
  Vector all(scores.size() + 1);
  all << scores, none;
  all = (all.array() - all.maxCoeff()).exp();
  return all / all.sum();
}

/// Adam with decoupled decay for one block of parameters.
class Adam {
 public:
  explicit Adam(std::size_t size) : first_(size, 0.0F), second_(size, 0.0F) {}

  void update(std::span<float> values, std::span<const float> gradient, float rate, float decay, int step) {
    constexpr float kFirst = 0.9F;
    constexpr float kSecond = 0.999F;
    const float correct_first = 1 - std::pow(kFirst, static_cast<float>(step));
    const float correct_second = 1 - std::pow(kSecond, static_cast<float>(step));
    for (std::size_t i = 0; i < values.size(); ++i) {
      first_[i] = kFirst * first_[i] + (1 - kFirst) * gradient[i];
      second_[i] = kSecond * second_[i] + (1 - kSecond) * gradient[i] * gradient[i];
      values[i] -=
          rate * (first_[i] / correct_first / (std::sqrt(second_[i] / correct_second) + 1e-8F) + decay * values[i]);
    }
  }

 private:
  std::vector<float> first_;
  std::vector<float> second_;
};

}  // namespace

/// The fit of one member.
class RerankerFit {
 public:
  RerankerFit(const Matrix& features, const Candidates& candidates, const std::vector<std::size_t>& rows,
              std::uint64_t seed)
      : features_(features), candidates_(candidates), rows_(rows), seed_(seed) {
    const auto units = static_cast<std::size_t>(kHiddenUnits);
    const auto width = static_cast<std::size_t>(features.cols());
    Random random(seed);
    member_.bias.assign(units, 0.0F);
    for (std::size_t i = 0; i < units * width; ++i) {
      member_.hidden.push_back(static_cast<float>(random.normal() / std::sqrt(static_cast<double>(width))));
    }
    for (std::size_t i = 0; i < units; ++i) {
      member_.score.push_back(static_cast<float>(0.1 * random.normal() / std::sqrt(static_cast<double>(units))));
    }
  }

  Reranker::Member run() {
    Adam hidden(member_.hidden.size());
    Adam bias(member_.bias.size());
    Adam score(member_.score.size());
    Adam none(1);
    int step = 0;
    for (int epoch = 0; epoch < kEpochs; ++epoch) {
      const std::vector<std::size_t> order = order_of(epoch);
      const float slower = 1 - static_cast<float>(epoch) / kEpochs;
      for (std::size_t begin = 0; begin < order.size(); begin += kBatch) {
        const std::size_t end = std::min(order.size(), begin + kBatch);
        const Reranker::Member gradient = gradient_of(std::span(order).subspan(begin, end - begin));
        ++step;
        const float rate = kRate * slower * std::min(1.0F, static_cast<float>(step) / kWarmup);
        hidden.update(member_.hidden, gradient.hidden, rate, kDecay, step);
        bias.update(member_.bias, gradient.bias, rate, 0, step);
        score.update(member_.score, gradient.score, rate, 0, step);
        none.update({&member_.none, 1}, {&gradient.none, 1}, rate, 0, step);
      }
    }
    return std::move(member_);
  }

 private:
  [[nodiscard]] std::vector<std::size_t> order_of(int epoch) const {
    const std::uint64_t salt = combine_seeds(seed_, static_cast<std::uint64_t>(epoch));
    std::vector<std::size_t> order = rows_;
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return combine_seeds(salt, a) < combine_seeds(salt, b); });
    return order;
  }

  /// Of the mean over the queries of -log(share of the right candidates), or of none where none is right.
  [[nodiscard]] Reranker::Member gradient_of(std::span<const std::size_t> queries) const {
    const auto each = static_cast<Eigen::Index>(candidates_.each);
    const auto count = static_cast<Eigen::Index>(queries.size());
    Matrix x(count * each, features_.cols());
    for (Eigen::Index q = 0; q < count; ++q) {
      const auto first = static_cast<Eigen::Index>(queries[static_cast<std::size_t>(q)]) * each;
      x.middleRows(q * each, each) = features_.middleRows(first, each);
    }
    const auto weights = as_matrix(member_.hidden, features_.cols());
    const Matrix active = ((x * weights.transpose()).rowwise() + as_vector(member_.bias).transpose()).cwiseMax(0.0F);
    const Vector scores = active * as_vector(member_.score);
    Vector slope(scores.size());
    Reranker::Member gradient;
    for (Eigen::Index q = 0; q < count; ++q) {
      const Vector shares = shares_of(scores.segment(q * each, each), member_.none);
      const Vector wanted = wanted_of(queries[static_cast<std::size_t>(q)], shares);
      const Vector difference = (shares - wanted) / static_cast<float>(count);
      slope.segment(q * each, each) = difference.head(each);
      gradient.none += difference(each);
    }
    const Vector of_score = active.transpose() * slope;
    const Matrix of_active =
        ((slope * as_vector(member_.score).transpose()).array() * (active.array() > 0).cast<float>()).matrix();
    const Matrix of_hidden = of_active.transpose() * x;
    const Vector of_bias = of_active.colwise().sum();
    gradient.hidden.assign(of_hidden.data(), of_hidden.data() + of_hidden.size());
    gradient.bias.assign(of_bias.data(), of_bias.data() + of_bias.size());
    gradient.score.assign(of_score.data(), of_score.data() + of_score.size());
    return gradient;
  }

  /// The shares that the right answers have among themselves.
  [[nodiscard]] Vector wanted_of(std::size_t query, const Vector& shares) const {
    const std::size_t each = candidates_.each;
    Vector wanted = Vector::Zero(shares.size());
    for (std::size_t c = 0; c < each; ++c) {
      const auto at = static_cast<Eigen::Index>(c);
      if (candidates_.same[query * each + c] != 0) wanted(at) = std::max(shares(at), 1e-9F);
    }
    if (wanted.sum() == 0) wanted(wanted.size() - 1) = 1;
    return wanted / wanted.sum();
  }

  const Matrix& features_;
  const Candidates& candidates_;
  const std::vector<std::size_t>& rows_;
  std::uint64_t seed_;
  Reranker::Member member_;
};

namespace {

/// The first `width` features of every pair, standardised: [queries · each, width].
Matrix standardised(const Candidates& candidates, std::size_t width, const std::vector<float>& mean,
                    const std::vector<float>& scale) {
  const std::size_t pairs = candidates.spectra.size();
  Matrix out(static_cast<Eigen::Index>(pairs), static_cast<Eigen::Index>(width));
  for (std::size_t i = 0; i < pairs; ++i) {
    for (std::size_t f = 0; f < width; ++f) {
      const float value = (candidates.features[i * kPairFeatures + f] - mean[f]) * scale[f];
      out(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(f)) =
          std::clamp(value, -kMostDeviations, kMostDeviations);
    }
  }
  return out;
}

}  // namespace

Reranker Reranker::fit(const Candidates& candidates, const std::vector<std::size_t>& rows, std::size_t width,
                       std::uint64_t seed) {
  Reranker reranker;
  reranker.width_ = width;
  const auto pairs = static_cast<double>(rows.size() * candidates.each);
  for (std::size_t f = 0; f < width; ++f) {
    double sum = 0;
    double squares = 0;
    for (const std::size_t row : rows) {
      for (std::size_t c = 0; c < candidates.each; ++c) {
        const double value = candidates.features[(row * candidates.each + c) * kPairFeatures + f];
        sum += value;
        squares += value * value;
      }
    }
    const double mean = sum / pairs;
    const double variance = squares / pairs - mean * mean;
    reranker.mean_.push_back(static_cast<float>(mean));
    // What never changes says nothing.
    reranker.scale_.push_back(static_cast<float>(variance > 1e-10 ? 1 / std::sqrt(variance) : 0));
  }
  const Matrix features = standardised(candidates, width, reranker.mean_, reranker.scale_);
  for (int m = 0; m < kMembers; ++m) {
    const std::uint64_t own = combine_seeds(seed, static_cast<std::uint64_t>(m));
    reranker.members_.push_back(RerankerFit(features, candidates, rows, own).run());
  }
  return reranker;
}

std::vector<double> Reranker::shares(const Candidates& candidates) const {
  if (empty()) {
    std::vector<double> none(candidates.queries() * (candidates.each + 1), 0.0);
    for (std::size_t i = candidates.each; i < none.size(); i += candidates.each + 1) none[i] = 1;
    return none;
  }
  const Matrix features = standardised(candidates, width_, mean_, scale_);
  const auto each = static_cast<Eigen::Index>(candidates.each);
  std::vector<double> out(candidates.queries() * (candidates.each + 1), 0.0);
  for (const Member& member : members_) {
    const auto weights = as_matrix(member.hidden, static_cast<Eigen::Index>(width_));
    const Matrix active =
        ((features * weights.transpose()).rowwise() + as_vector(member.bias).transpose()).cwiseMax(0.0F);
    const Vector scores = active * as_vector(member.score);
    for (std::size_t q = 0; q < candidates.queries(); ++q) {
      const Vector shares = shares_of(scores.segment(static_cast<Eigen::Index>(q) * each, each), member.none);
      for (Eigen::Index c = 0; c <= each; ++c) {
        out[q * (candidates.each + 1) + static_cast<std::size_t>(c)] +=
            double{shares(c)} / static_cast<double>(members_.size());
      }
    }
  }
  return out;
}

nlohmann::json Reranker::to_json() const {
  nlohmann::json members = nlohmann::json::array();
  for (const Member& member : members_) {
    members.push_back(
        {{"hidden", member.hidden}, {"bias", member.bias}, {"score", member.score}, {"none", member.none}});
  }
  return {{"features", width_}, {"mean", mean_}, {"scale", scale_}, {"members", members}};
}

Reranker Reranker::from_json(const nlohmann::json& json, const std::string& where) {
  Reranker reranker;
  try {
    reranker.width_ = json.at("features").get<std::size_t>();
    reranker.mean_ = json.at("mean").get<std::vector<float>>();
    reranker.scale_ = json.at("scale").get<std::vector<float>>();
    for (const nlohmann::json& member : json.at("members")) {
      reranker.members_.push_back({member.at("hidden").get<std::vector<float>>(),
                                   member.at("bias").get<std::vector<float>>(),
                                   member.at("score").get<std::vector<float>>(), member.at("none").get<float>()});
    }
  } catch (const nlohmann::json::exception& problem) {
    throw Error("{}: {}; train the model again", where, problem.what());
  }
  const auto units = static_cast<std::size_t>(kHiddenUnits);
  bool fits = reranker.width_ > 0 && reranker.width_ <= kPairFeatures && reranker.mean_.size() == reranker.width_ &&
              reranker.scale_.size() == reranker.width_ && !reranker.members_.empty();
  for (const Member& member : reranker.members_) {
    fits = fits && member.hidden.size() == units * reranker.width_ && member.bias.size() == units &&
           member.score.size() == units;
  }
  if (!fits) throw Error("{}: the re-ranker does not fit this program's features; train the model again", where);
  return reranker;
}

}  // namespace gyre::raman
