#include "text/split_pattern.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/error.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};
using Code = std::unique_ptr<pcre2_code, FreeCode>;
using MatchData = std::unique_ptr<pcre2_match_data, FreeMatch>;

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

std::string pcre_message(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

struct Range {
  std::size_t begin;
  std::size_t end;
};

/// Finds the first match at or after `start`; false when there is none.
bool find_match(const pcre2_code* code, pcre2_match_data* data, std::string_view text, std::size_t start,
                Range& range) {
  const auto match = [&](std::uint32_t extra) {
    return pcre2_match(code, units(text), text.size(), start, PCRE2_NO_UTF_CHECK | extra, data, nullptr);
  };
  int result = match(0);
  // The interpreter keeps its stack on the heap, so it finishes where compiled code has run out of room.
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(PCRE2_NO_JIT);
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result < 0) throw Error("the pre-tokenizer pattern gave up: {}; use a simpler pattern", pcre_message(result));
  const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(data);
  range = {offsets[0], offsets[1]};
  return true;
}

void split_one(const pcre2_code* code, pcre2_match_data* data, std::string_view text,
               std::vector<std::string_view>& pieces) {
  std::size_t done = 0;
  const auto cut_at = [&](std::size_t end) {
    if (end > done) pieces.push_back(text.substr(done, end - done));
    done = std::max(done, end);
  };
  std::size_t start = 0;
  Range range{};
  while (start < text.size() && find_match(code, data, text, start, range)) {
    cut_at(range.begin);
    cut_at(range.end);
    start = std::max(start, range.end);
    // A match of nothing still cuts, but the search has to move on by a character.
    if (range.end <= range.begin && start < text.size()) start += read_utf8(text.substr(start)).length;
  }
  cut_at(text.size());
}

}  // namespace

struct SplitPattern::Compiled {
  Code code;
};

SplitPattern::SplitPattern(std::string regex, std::string_view where) : regex_(std::move(regex)) {
  int failure = 0;
  PCRE2_SIZE offset = 0;
  Code code(pcre2_compile(units(regex_), regex_.size(), PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &failure,
                          &offset, nullptr));
  if (!code) {
    throw Error("{}: the pattern does not compile near character {}: {}", where, offset, pcre_message(failure));
  }
  // Without a just-in-time compiler for this processor the interpreter gives the same matches, only later.
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  compiled_ = std::make_shared<const Compiled>(Compiled{std::move(code)});
}

std::vector<std::string_view> SplitPattern::split(std::span<const std::string_view> texts) const {
  const pcre2_code* code = compiled_->code.get();
  const MatchData data(pcre2_match_data_create_from_pattern(code, nullptr));
  std::vector<std::string_view> pieces;
  for (const std::string_view text : texts) split_one(code, data.get(), text, pieces);
  return pieces;
}

}  // namespace gyre
