#include "study/windows.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace gyre {

std::vector<Window> cut_windows(std::span<const std::int32_t> tokens, const ModelSpec& spec,
                                const EvaluationOptions& options) {
  if (tokens.size() < 2) throw Error("--text: {} tokens leave nothing to predict; give at least 2", tokens.size());
  require_in_vocabulary(tokens, spec);
  std::vector<Window> windows;
  const auto size = static_cast<std::size_t>(options.window);
  for (std::size_t begin = 0; begin + 1 < tokens.size(); begin += size) {
    const std::size_t count = std::min(size, tokens.size() - 1 - begin);
    windows.push_back({tokens.subspan(begin, count), tokens.subspan(begin + 1, count)});
  }
  if (windows.front().inputs.size() <= static_cast<std::size_t>(options.score_from)) {
    throw Error("--score-from: {} leaves nothing of a window of {}", options.score_from, windows.front().inputs.size());
  }
  return windows;
}

}  // namespace gyre
