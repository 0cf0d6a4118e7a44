#include "tune/words.hpp"

#include <algorithm>

#include "text/unicode.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

bool is_rouge_letter(std::string_view lowered) {
  return lowered.size() == 1 && ((lowered[0] >= 'a' && lowered[0] <= 'z') || (lowered[0] >= '0' && lowered[0] <= '9'));
}

}  // namespace

std::vector<std::string> words_of(std::string_view text, WordRule rule) {
  std::vector<std::string> words;
  std::string word;
  std::string lowered;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  while (!text.empty()) {
    const Utf8Step step = read_utf8(text);
    text.remove_prefix(step.length);
    if (step.kind != Utf8Step::Kind::kCharacter) {
      end_word();
      continue;
    }
    lowered.clear();
    append_lower_case(lowered, step.code_point);
    if (rule == WordRule::unicode) {
      is_word_character(step.code_point) ? static_cast<void>(word += lowered) : end_word();
      continue;
    }
    // One character may become two, of which the package looks at each: İ is i and a dot above.
    for (std::string_view rest = lowered; !rest.empty();) {
      const std::string_view character = rest.substr(0, read_utf8(rest).length);
      is_rouge_letter(character) ? static_cast<void>(word += character) : end_word();
      rest.remove_prefix(character.size());
    }
  }
  end_word();
  return words;
}

std::size_t longest_common_subsequence(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<std::size_t> row(b.size() + 1, 0);  // of the words of a so far with the first j of b
  for (const std::string& word : a) {
    std::size_t diagonal = 0;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = word == b[j - 1] ? diagonal + 1 : std::max(above, row[j - 1]);
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace gyre
