#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gyre {

/// GPT-2's rule for cutting text into words before merging.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// A regular expression that cuts text: each match is a piece, and so is each stretch between matches. Copies share the
/// compiled expression; one object may serve many threads.
class SplitPattern {
 public:
  /// Throws Error with `where` when `regex` does not compile.
  SplitPattern(std::string regex, std::string_view where);

  [[nodiscard]] const std::string& regex() const { return regex_; }
  /// Cuts each of `texts`, which must be valid UTF-8. Joined, the pieces are the texts again; none is empty.
  [[nodiscard]] std::vector<std::string_view> split(std::span<const std::string_view> texts) const;

 private:
  struct Compiled;

  std::string regex_;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace gyre
