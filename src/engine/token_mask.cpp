#include "engine/token_mask.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace gyre {
namespace {

/// Masks that are kept take up to so many bytes.
constexpr std::size_t kMostBytes = 16 << 20;

}  // namespace

TokenBytes::TokenBytes(const Tokenizer& tokenizer, int vocabulary)
    : tokenizer_(tokenizer), vocabulary_(static_cast<std::size_t>(vocabulary)) {
  for (const AddedToken& token : tokenizer.added_tokens()) {
    if (token.special) special_.insert(token.id);
  }
  for (std::int32_t token = 0; token < vocabulary; ++token) {
    const std::string& bytes = tokenizer.piece(token);
    if (!bytes.empty() && !special(token)) entries_.push_back({bytes, token, 0});
  }
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.bytes < b.bytes; });
  for (std::size_t i = 1; i < entries_.size(); ++i) {
    const std::string_view before = entries_[i - 1].bytes;
    const std::string_view now = entries_[i].bytes;
    const auto differ = std::mismatch(before.begin(), before.end(), now.begin(), now.end());
    entries_[i].shared = static_cast<std::size_t>(differ.first - before.begin());
  }
}

std::span<const std::uint8_t> TokenMask::allowed(int state, const TokenBytes& tokens) {
  const auto known = masks_.find(state);
  if (known != masks_.end()) return known->second;
  std::vector<std::uint8_t> mask = make(state, tokens);
  if (std::find(mask.begin(), mask.end(), 1) == mask.end()) {
    throw UnspeakableFormat("no token of this vocabulary can go on with what the format asks for; ask for another");
  }
  if ((masks_.size() + 1) * mask.size() > kMostBytes) masks_.clear();
  return masks_.insert_or_assign(state, std::move(mask)).first->second;
}

int TokenMask::after(int state, std::int32_t token, const TokenBytes& tokens) {
  const int marked = language_.after_mark(state, token);
  return tokens.special(token) ? marked : language_.either(marked, language_.after(state, tokens.bytes(token)));
}

/// Whether an end token may come: its mark may be the last of the text.
bool TokenMask::ends_with(int state, std::int32_t token) {
  const int behind = language_.whole(state) ? state : language_.after_mark(state, token);
  return behind != ByteAutomaton::kNone && language_.whole(behind);
}

std::vector<std::uint8_t> TokenMask::make(int state, const TokenBytes& tokens) {
  std::vector<std::uint8_t> mask(tokens.vocabulary(), 0);
  std::vector<int> walked = {state};  // the state behind each byte of the token before, as far as it goes
  for (const TokenBytes::Entry& entry : tokens.entries()) {
    walked.resize(std::min(walked.size(), entry.shared + 1));
    while (walked.size() <= entry.bytes.size() && walked.back() != ByteAutomaton::kNone) {
      walked.push_back(language_.after(walked.back(), static_cast<std::uint8_t>(entry.bytes[walked.size() - 1])));
    }
    mask[static_cast<std::size_t>(entry.token)] = walked.back() == ByteAutomaton::kNone ? 0 : 1;
  }
  for (const std::int32_t mark : language_.marks(state)) {
    if (mark < static_cast<std::int32_t>(mask.size())) mask[static_cast<std::size_t>(mark)] = 1;
  }
  for (const std::int32_t end : ends_) {
    if (end < static_cast<std::int32_t>(mask.size()))
      mask[static_cast<std::size_t>(end)] = ends_with(state, end) ? 1 : 0;
  }
  return mask;
}

}  // namespace gyre
