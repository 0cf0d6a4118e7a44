#include "study/windows.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "engine/engine.hpp"

namespace gyre {
namespace {

/// The windows of one document whose first token is number `place` of the text.
void cut_document(std::span<const std::int32_t> document, std::size_t place, std::span<const std::int32_t> prefix,
                  const WindowSize& size, std::vector<Window>& windows) {
  // Without a prefix the first token of a window is there for the others only.
  const std::size_t given = std::max<std::size_t>(1, prefix.size());
  const std::size_t targets = static_cast<std::size_t>(size.positions) + 1 - given;
  const std::size_t unscored = prefix.empty() ? 1 : 0;
  for (std::size_t begin = 0; begin + unscored < document.size(); begin += targets) {
    const std::size_t count = std::min(targets + unscored, document.size() - begin);
    Window window;
    window.tokens.assign(prefix.begin(), prefix.end());
    const auto part = document.subspan(begin, count);
    window.tokens.insert(window.tokens.end(), part.begin(), part.end());
    window.first = std::max(given - 1, static_cast<std::size_t>(size.score_from));
    window.begin = static_cast<std::int64_t>(place + begin);
    window.prefix = prefix.size();
    windows.push_back(std::move(window));
  }
}

}  // namespace

std::vector<Window> cut_windows(const MeasuredText& text, const ModelSpec& spec, const WindowSize& size) {
  if (static_cast<std::size_t>(size.positions) < std::max<std::size_t>(1, text.prefix.size())) {
    throw Error("a window of {} positions does not hold the {} tokens that begin every text of this model",
                size.positions, text.prefix.size());
  }
  require_in_vocabulary(text.prefix, spec);
  std::vector<Window> windows;
  std::size_t place = 0;
  for (const std::vector<std::int32_t>& document : text.documents) {
    require_in_vocabulary(document, spec);
    cut_document(document, place, text.prefix, size, windows);
    place += document.size();
  }
  if (windows.empty()) throw Error("the text: {} tokens leave nothing to predict; give at least 2", place);
  if (std::none_of(windows.begin(), windows.end(), [](const Window& window) { return window.scored() > 0; })) {
    throw Error("scoring from {} leaves nothing of a window of {}", size.score_from, windows.front().inputs().size());
  }
  return windows;
}

}  // namespace gyre
