#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "raman/candidates.hpp"

namespace gyre::raman {

/// Tells which candidate is of the query's specimen, if any is: a small network that gives every candidate a score from
/// the features of the pair, and a softmax over them and over "none". Several are fitted from different starts and
/// their shares averaged.
class Reranker {
 public:
  Reranker() = default;

  /// Fits to candidates whose `same` is known, by Adam on the log loss of the specimen's share. `rows` are the queries
  /// to learn from. Only the first `width` features of a pair are looked at.
  static Reranker fit(const Candidates& candidates, const std::vector<std::size_t>& rows, std::size_t width,
                      std::uint64_t seed);

  /// Whether it was fitted.
  [[nodiscard]] bool empty() const { return members_.empty(); }

  /// [queries, each + 1]: the shares of the candidates, and of none of them. All is none's when it was not fitted:
  /// where a protocol forbids a query's specimen, no candidate can be of it.
  [[nodiscard]] std::vector<double> shares(const Candidates& candidates) const;

  [[nodiscard]] nlohmann::json to_json() const;
  /// Throws Error, led by `where`, when the JSON is not what `to_json` gives.
  static Reranker from_json(const nlohmann::json& json, const std::string& where);

 private:
  struct Member {
    std::vector<float> hidden;  ///< [kHiddenUnits, width]
    std::vector<float> bias;    ///< [kHiddenUnits]
    std::vector<float> score;   ///< [kHiddenUnits]
    float none = 0;             ///< the score of "none"
  };

  std::size_t width_ = 0;
  std::vector<float> mean_;   ///< of each feature
  std::vector<float> scale_;  ///< one over its standard deviation
  std::vector<Member> members_;

  friend class RerankerFit;
};

}  // namespace gyre::raman
