#include "text/word_piece_model.hpp"

#include <algorithm>

namespace gyre {
namespace {

bool continues_character(char byte) { return (static_cast<std::uint8_t>(byte) & 0xC0U) == 0x80U; }

}  // namespace

WordPieceModel::WordPieceModel(const TokenizerParts& parts, const std::vector<bool>& usable)
    : longest_word_(static_cast<std::size_t>(parts.longest_word)),
      unknown_(parts.unknown.value()) {  // NOLINT(bugprone-unchecked-optional-access): checked by value()
  for (std::size_t i = 0; i < parts.names.size(); ++i) {
    const std::string& name = parts.names[i];
    if (!usable[i] || name.empty()) continue;
    const auto id = static_cast<std::int32_t>(i);
    starts_.emplace(name, id);
    longest_start_ = std::max(longest_start_, name.size());
    if (!name.starts_with(parts.continuing_prefix) || name.size() == parts.continuing_prefix.size()) continue;
    continuations_.emplace(name.substr(parts.continuing_prefix.size()), id);
    longest_continuation_ = std::max(longest_continuation_, name.size() - parts.continuing_prefix.size());
  }
}

void WordPieceModel::append(std::string_view word, std::vector<std::int32_t>& tokens) const {
  const auto continuing = static_cast<std::size_t>(std::count_if(word.begin(), word.end(), continues_character));
  const std::size_t before = tokens.size();
  if (word.size() - continuing <= longest_word_ && append_pieces(word, tokens)) return;
  tokens.resize(before);
  tokens.push_back(unknown_);
}

bool WordPieceModel::append_pieces(std::string_view word, std::vector<std::int32_t>& tokens) const {
  std::size_t begin = 0;
  while (begin < word.size()) {
    const IdsOfText& known = begin == 0 ? starts_ : continuations_;
    std::size_t length = std::min(word.size() - begin, begin == 0 ? longest_start_ : longest_continuation_);
    auto found = known.end();
    for (; length > 0; --length) {
      const bool inside = begin + length < word.size() && continues_character(word[begin + length]);
      if (!inside) found = known.find(word.substr(begin, length));
      if (found != known.end()) break;
    }
    if (found == known.end()) return false;
    tokens.push_back(found->second);
    begin += length;
  }
  return true;
}

}  // namespace gyre
