#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gyre {

/// What a pattern found: where, and what its groups took. A group that took no part is nothing.
struct Capture {
  std::size_t begin = 0;  ///< in bytes
  std::size_t end = 0;
  std::vector<std::optional<std::string_view>> groups;  ///< from the first; parts of the text that was searched
};

/// A regular expression of Oniguruma that is looked for in a text. Copies share the compiled expression; one object may
/// serve many threads.
class CapturePattern {
 public:
  /// Throws Error with `where` when `regex` is no valid UTF-8 or does not compile.
  CapturePattern(const std::string& regex, std::string_view where);

  [[nodiscard]] int groups() const;
  /// The first match at byte `start` or after it. `text` must be valid UTF-8. Throws Error when the pattern goes back
  /// over the text too often.
  [[nodiscard]] std::optional<Capture> find(std::string_view text, std::size_t start = 0) const;
  /// All matches, none inside another.
  [[nodiscard]] std::vector<Capture> find_all(std::string_view text) const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace gyre
