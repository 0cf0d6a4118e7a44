#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gyre {

/// How a text is cut into words.
enum class WordRule {
  rouge_score,  ///< as the Python package rouge-score: lower case, then runs of a-z and 0-9 alone; é ends a word
  unicode,      ///< runs of what \w matches in any script, in lower case
};

/// The words of a text. Bytes that are no UTF-8 end a word.
std::vector<std::string> words_of(std::string_view text, WordRule rule);

/// Length of the longest common subsequence.
std::size_t longest_common_subsequence(const std::vector<std::string>& a, const std::vector<std::string>& b);

}  // namespace gyre
