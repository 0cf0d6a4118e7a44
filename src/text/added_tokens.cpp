#include "text/added_tokens.hpp"

#include <algorithm>

#include "text/unicode.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

/// Offset of the last character of `text`, which must not be empty.
std::size_t last_character(std::string_view text) {
  std::size_t at = text.size() - 1;
  while (at > 0 && (static_cast<std::uint8_t>(text[at]) & 0xC0U) == 0x80U) --at;
  return at;
}

bool stands_alone(std::string_view before, std::string_view after) {
  if (!before.empty() && is_word_character(read_utf8(before.substr(last_character(before))).code_point)) return false;
  return after.empty() || !is_word_character(read_utf8(after).code_point);
}

/// Where the white space at the end of `text` begins.
std::size_t trailing_space(std::string_view text) {
  while (!text.empty()) {
    const std::size_t at = last_character(text);
    if (!is_white_space(read_utf8(text.substr(at)).code_point)) break;
    text = text.substr(0, at);
  }
  return text.size();
}

/// How long the white space at the start of `text` is.
std::size_t leading_space(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const Utf8Step step = read_utf8(text.substr(at));
    if (!is_white_space(step.code_point)) break;
    at += step.length;
  }
  return at;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(const std::vector<AddedToken>& tokens) {
  for (const AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    rows_[static_cast<std::uint8_t>(token.content.front())].push_back(token);
    empty_ = false;
  }
  for (std::vector<AddedToken>& row : rows_) {
    std::stable_sort(row.begin(), row.end(), [](const AddedToken& left, const AddedToken& right) {
      return left.content.size() > right.content.size();
    });
  }
}

std::vector<TextSection> AddedTokenFinder::split(std::string_view text) const {
  if (empty_) return {{text, TextSection::kPlain}};
  std::vector<TextSection> sections;
  std::size_t done = 0;  // a token that takes white space along may end beyond the place where the search goes on
  std::size_t at = 0;
  while (at < text.size()) {
    const std::vector<AddedToken>& row = rows_[static_cast<std::uint8_t>(text[at])];
    const std::string_view rest = text.substr(at);
    const auto found = row.empty() ? row.end() : std::find_if(row.begin(), row.end(), [&](const AddedToken& token) {
      return rest.starts_with(token.content);
    });
    if (found == row.end()) {
      ++at;
      continue;
    }
    std::size_t begin = at;
    std::size_t end = at + found->content.size();
    at = end;
    if (found->single_word && !stands_alone(text.substr(0, begin), text.substr(end))) continue;
    if (found->strip_left) begin = trailing_space(text.substr(0, begin));
    if (found->strip_right) end += leading_space(text.substr(end));
    begin = std::max(begin, done);
    if (begin > done) sections.push_back({text.substr(done, begin - done), TextSection::kPlain});
    sections.push_back({text.substr(begin, std::max(end, begin) - begin), found->id});
    done = std::max(end, begin);
  }
  if (done < text.size()) sections.push_back({text.substr(done), TextSection::kPlain});
  return sections;
}

}  // namespace gyre
