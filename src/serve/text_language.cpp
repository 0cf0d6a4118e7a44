#include "serve/text_language.hpp"

#include <string>
#include <vector>

namespace gyre::serve {
namespace {

using Part = AutomatonBuilder::Part;

/// Places at which so many bytes of `word` stand at the end of the text, with ways from each to the next by any byte.
/// From the last, which has all of it, no way leads, and without `whole` none leads to it.
std::vector<int> places_of(AutomatonBuilder& builder, std::string_view word, bool whole) {
  std::vector<int> matched;
  for (std::size_t i = 0; i <= word.size(); ++i) matched.push_back(builder.place());
  for (std::size_t i = 0; i < word.size(); ++i) {
    std::vector<ByteSet> to(word.size() + 1);
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::string text = std::string(word.substr(0, i)) + static_cast<char>(byte);
      std::size_t length = text.size();
      while (length > 0 && !std::string_view(text).ends_with(word.substr(0, length))) --length;
      to[length].set(byte);
    }
    for (std::size_t length = 0; length < to.size(); ++length) {
      if (to[length].none() || (length == word.size() && !whole)) continue;
      const Part byte = builder.byte_of(to[length]);
      builder.lead(matched[i], byte.first);
      builder.lead(byte.last, matched[length]);
    }
  }
  return matched;
}

}  // namespace

Part text_until(AutomatonBuilder& builder, std::string_view word, Part then) {
  const std::vector<int> matched = places_of(builder, word, true);
  builder.lead(matched.back(), then.first);
  for (std::size_t i = 0; i < word.size(); ++i) builder.lead(matched[i], then.last);
  return {matched.front(), then.last};
}

Part text_without(AutomatonBuilder& builder, std::string_view word) {
  const std::vector<int> matched = places_of(builder, word, false);
  const int last = builder.place();
  for (std::size_t i = 0; i < word.size(); ++i) builder.lead(matched[i], last);
  return {matched.front(), last};
}

Part text_through(AutomatonBuilder& builder, std::string_view word) {
  const std::vector<int> matched = places_of(builder, word, true);
  return {matched.front(), matched.back()};
}

}  // namespace gyre::serve
