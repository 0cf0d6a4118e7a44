#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "cli/generate_request.hpp"

namespace gyre::cli {

/// Loops over the looped groups together, of one token or the most it could run.
int looped_loops(const std::vector<int>& loops, const std::vector<int>& most);

/// Loops of several tokens.
struct DepthSum {
  double loops = 0;
  double tokens = 0;
  void add(const std::vector<int>& depth, const std::vector<int>& most) {
    loops += looped_loops(depth, most);
    tokens += 1;
  }
  [[nodiscard]] double mean() const { return tokens > 0 ? loops / tokens : 0; }
};

double milliseconds_per_token(const api::Generation& result);

/// A token, its probabilities as the OpenAI API names them.
nlohmann::json token_json(const api::GeneratedToken& token, const std::vector<int>& most, const api::Model& model);
/// What a generation gave, but for its tokens; `provenance` is what it depends on.
nlohmann::json result_json(const GenerateRequest& request, nlohmann::json provenance, const api::Generation& result,
                           const std::vector<int>& loops);

}  // namespace gyre::cli
