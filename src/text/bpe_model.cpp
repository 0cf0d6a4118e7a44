#include "text/bpe_model.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "text/utf8.hpp"

namespace gyre {
namespace {

constexpr std::int32_t kNoToken = -1;

}  // namespace

BpeModel::BpeModel(const TokenizerParts& parts, const std::vector<std::string>& pieces, const std::vector<bool>& usable)
    : byte_level_(parts.pre_tokenizer.byte_level()),
      ignore_merges_(parts.ignore_merges),
      fuse_unknown_(parts.fuse_unknown),
      cuts_before_mark_(false),
      unknown_(parts.unknown),
      merges_(parts.merges, parts.ranks) {
  id_of_byte_.fill(kNoToken);
  IdsOfText byte_tokens;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    // Of a vocabulary that is not byte-level the names count: a piece may already be what the decoder makes of one.
    const std::string& spelled = byte_level_ ? pieces[i] : parts.names[i];
    if (!usable[i] || spelled.empty()) continue;
    const auto id = static_cast<std::int32_t>(i);
    if (ignore_merges_) id_of_word_.emplace(spelled, id);
    if (byte_level_) {
      if (spelled.size() == 1) id_of_byte_[static_cast<std::uint8_t>(spelled.front())] = id;
      continue;
    }
    if (parts.byte_fallback && spelled.size() == 6 && spelled.starts_with("<0x")) byte_tokens.emplace(spelled, id);
    const Utf8Step step = read_utf8(spelled);
    if (step.length == spelled.size()) id_of_character_.emplace(step.code_point, id);
  }
  for (std::size_t byte = 0; byte < id_of_byte_.size() && !byte_tokens.empty(); ++byte) {
    const auto found = byte_tokens.find(fmt::format("<0x{:02X}>", byte));
    if (found != byte_tokens.end()) id_of_byte_[byte] = found->second;
  }
  cuts_before_mark_ = may_cut_before_mark(parts);
}

/// The mark has to be known, so that a run of unknown characters ends there.
bool BpeModel::may_cut_before_mark(const TokenizerParts& parts) const {
  if (byte_level_ || ignore_merges_ || !id_of_character_.contains(read_utf8(kSpaceMark).code_point)) return false;
  const auto name_of = [&](std::int32_t id) -> const std::string& { return parts.names[static_cast<std::size_t>(id)]; };
  return std::none_of(parts.merges.begin(), parts.merges.end(), [&](const Merge& merge) {
    return name_of(merge.right).starts_with(kSpaceMark) && !name_of(merge.left).ends_with(kSpaceMark);
  });
}

void BpeModel::cut(std::string_view word, std::vector<std::string_view>& words) const {
  std::size_t begin = 0;
  std::size_t at = cuts_before_mark_ ? word.find(kSpaceMark) : std::string_view::npos;
  for (; at != std::string_view::npos; at = word.find(kSpaceMark, at + kSpaceMark.size())) {
    const std::string_view before = word.substr(begin, at - begin);
    if (before.empty() || before.ends_with(kSpaceMark)) continue;
    words.push_back(before);
    begin = at;
  }
  if (begin < word.size()) words.push_back(word.substr(begin));
}

std::size_t BpeModel::append(std::string_view word, std::vector<std::int32_t>& tokens) const {
  if (ignore_merges_) {
    const auto found = id_of_word_.find(word);
    if (found != id_of_word_.end()) {
      tokens.push_back(found->second);
      return std::string_view::npos;
    }
  }
  std::vector<std::int32_t> symbols;
  symbols.reserve(word.size());
  const std::size_t missing = append_symbols(word, symbols);
  if (missing != std::string_view::npos) return missing;
  merges_.apply(symbols);
  tokens.insert(tokens.end(), symbols.begin(), symbols.end());
  return missing;
}

BpeModel::Symbol BpeModel::symbol_at(std::string_view rest) const {
  if (byte_level_) return {id_of_byte_[static_cast<std::uint8_t>(rest.front())], 1};
  const Utf8Step step = read_utf8(rest);
  const auto found = id_of_character_.find(step.code_point);
  return {found == id_of_character_.end() ? kNoToken : found->second, step.length};
}

bool BpeModel::append_bytes(std::string_view character, std::vector<std::int32_t>& symbols) const {
  if (byte_level_) return false;
  const std::size_t before = symbols.size();
  for (const char byte : character) {
    const std::int32_t id = id_of_byte_[static_cast<std::uint8_t>(byte)];
    if (id == kNoToken) {
      symbols.resize(before);
      return false;
    }
    symbols.push_back(id);
  }
  return true;
}

std::size_t BpeModel::append_symbols(std::string_view word, std::vector<std::int32_t>& symbols) const {
  bool pending = false;  // an unknown token waits for the next known one, to take unknown neighbours in
  const auto finish = [&] {
    if (pending) symbols.push_back(*unknown_);
    pending = false;
  };
  for (std::size_t at = 0; at < word.size();) {
    const Symbol symbol = symbol_at(word.substr(at));
    if (symbol.id != kNoToken) {
      finish();
      symbols.push_back(symbol.id);
    } else if (!append_bytes(word.substr(at, symbol.length), symbols)) {
      if (!unknown_) return at;
      if (!fuse_unknown_) finish();
      pending = true;
    }
    at += symbol.length;
  }
  finish();
  return std::string_view::npos;
}

}  // namespace gyre
