#include "text/unigram_model.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "text/utf8.hpp"

namespace gyre {
namespace {

/// What an unknown character costs beyond the worst piece, as in SentencePiece.
constexpr double kUnknownPenalty = 10;

}  // namespace

UnigramModel::UnigramModel(const TokenizerParts& parts, const std::vector<bool>& usable) : unknown_(parts.unknown) {
  for (std::size_t i = 0; i < parts.scores.size(); ++i) {
    worst_score_ = std::min(worst_score_, parts.scores[i]);
    if (!usable[i] || parts.names[i].empty()) continue;
    pieces_.push_back({parts.names[i], static_cast<std::int32_t>(i), parts.scores[i]});
  }
  // Of equal ones the last counts, so it comes first.
  std::sort(pieces_.begin(), pieces_.end(), [](const Piece& left, const Piece& right) {
    return left.text != right.text ? left.text < right.text : left.id > right.id;
  });
  const auto is_same = [](const Piece& left, const Piece& right) { return left.text == right.text; };
  pieces_.erase(std::unique(pieces_.begin(), pieces_.end(), is_same), pieces_.end());
  for (const Piece& piece : pieces_) ++first_[byte_at(piece.text, 0) + std::size_t{1}];
  for (std::size_t byte = 1; byte < first_.size(); ++byte) first_[byte] += first_[byte - 1];
  id_of_byte_.fill(kUnreached);
  for (std::size_t byte = 0; byte < id_of_byte_.size() && parts.byte_fallback; ++byte) {
    id_of_byte_[byte] = id_of(fmt::format("<0x{:02X}>", byte)).value_or(kUnreached);
  }
}

std::optional<std::int32_t> UnigramModel::id_of(std::string_view text) const {
  const auto found = std::lower_bound(pieces_.begin(), pieces_.end(), text,
                                      [](const Piece& piece, std::string_view wanted) { return piece.text < wanted; });
  if (found == pieces_.end() || found->text != text) return std::nullopt;
  return found->id;
}

bool UnigramModel::offer_pieces(std::string_view word, std::size_t begin, std::size_t character,
                                std::vector<Step>& steps) const {
  const std::uint8_t head = byte_at(word, begin);
  auto first = pieces_.begin() + static_cast<std::ptrdiff_t>(first_[head]);
  auto last = pieces_.begin() + static_cast<std::ptrdiff_t>(first_[head + std::size_t{1}]);
  bool whole_character = false;
  // Of the pieces that begin with the `length` bytes from `begin`, the one that is just those comes first.
  for (std::size_t length = 1; first != last; ++length) {
    if (first->text.size() == length) {
      Step& step = steps[begin + length];
      const double score = steps[begin].score + first->score;
      if (step.id == kUnreached || score > step.score) step = {score, begin, first->id};
      whole_character = whole_character || length == character;
      ++first;
    }
    if (begin + length == word.size()) break;
    const std::uint8_t next = byte_at(word, begin + length);
    first = std::lower_bound(first, last, next, [&](const Piece& piece, std::uint8_t wanted) {
      return byte_at(piece.text, length) < wanted;
    });
    last = std::upper_bound(first, last, next, [&](std::uint8_t wanted, const Piece& piece) {
      return wanted < byte_at(piece.text, length);
    });
  }
  return whole_character;
}

std::size_t UnigramModel::append(std::string_view word, std::vector<std::int32_t>& tokens) const {
  std::vector<Step> steps(word.size() + 1);
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t character = read_utf8(word.substr(at)).length;
    if (!offer_pieces(word, at, character, steps)) {
      Step& step = steps[at + character];
      const double score = steps[at].score + worst_score_ - kUnknownPenalty;
      if (step.id == kUnreached || score > step.score) {
        if (!unknown_) return at;
        step = {score, at, *unknown_};
      }
    }
    at += character;
  }
  std::vector<std::size_t> ends;
  bool was_unknown = false;
  for (std::size_t end = word.size(); end > 0; end = steps[end].begin) {
    const bool unknown = steps[end].id == unknown_;
    if (!unknown || !was_unknown) ends.push_back(end);
    was_unknown = unknown;
  }
  std::size_t begin = 0;
  for (auto end = ends.rbegin(); end != ends.rend(); begin = *end++) {
    append_stretch(word.substr(begin, *end - begin), tokens);
  }
  return std::string_view::npos;
}

void UnigramModel::append_stretch(std::string_view stretch, std::vector<std::int32_t>& tokens) const {
  if (const auto id = id_of(stretch)) {
    tokens.push_back(*id);
    return;
  }
  const std::size_t before = tokens.size();
  for (const char byte : stretch) {
    const std::int32_t id = id_of_byte_[static_cast<std::uint8_t>(byte)];
    if (id == kUnreached) {
      tokens.resize(before);
      tokens.push_back(*unknown_);  // NOLINT(bugprone-unchecked-optional-access): a stretch of unknown characters
      return;
    }
    tokens.push_back(id);
  }
}

}  // namespace gyre
