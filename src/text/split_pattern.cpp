#include "text/split_pattern.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
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
struct FreeContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
using Code = std::unique_ptr<pcre2_code, FreeCode>;
using MatchData = std::unique_ptr<pcre2_match_data, FreeMatch>;
using MatchContext = std::unique_ptr<pcre2_match_context, FreeContext>;

/// The interpreter may remember its way through a text in so much memory; it would take 20 GB by itself.
constexpr std::uint32_t kMostHeapKib = 16 * 1024;

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

std::string pcre_message(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

/// U+180E was a space until Unicode 6.3 and PCRE2's \s still matches it. Texts that hold it are cut with a pattern that
/// names the property White_Space in full; the short form is faster.
constexpr std::string_view kFormerSpace = "\u180E";
constexpr std::string_view kWhiteSpace = R"(\t-\r\x{85}\p{Z})";

std::string with_exact_space(std::string_view regex) {
  std::string exact;
  bool in_class = false;
  for (std::size_t at = 0; at < regex.size(); ++at) {
    const std::string_view two = regex.substr(at, 2);
    if (two.front() == '[') in_class = true;
    if (two.front() == ']') in_class = false;
    if (two.front() != '\\' || two.size() < 2) {
      exact += two.front();
      continue;
    }
    ++at;
    if (two == "\\s") {
      exact += in_class ? std::string(kWhiteSpace) : "[" + std::string(kWhiteSpace) + "]";
    } else if (two == "\\S" && !in_class) {
      exact += "[^" + std::string(kWhiteSpace) + "]";
    } else {
      exact += two;
    }
  }
  return exact;
}

Code compile(const std::string& regex, std::string_view where) {
  int failure = 0;
  PCRE2_SIZE offset = 0;
  // In the dialect of these files ^ and $ match at every line.
  constexpr std::uint32_t kOptions = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  Code code(pcre2_compile(units(regex), regex.size(), kOptions, &failure, &offset, nullptr));
  if (!code) {
    throw Error("{}: the pattern does not compile near character {}: {}", where, offset, pcre_message(failure));
  }
  // Without a just-in-time compiler for this processor the interpreter gives the same matches, only later.
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  return code;
}

/// Finds the first match at or after `start`; false when there is none.
bool find_match(const pcre2_code* code, pcre2_match_data* data, pcre2_match_context* context, std::string_view text,
                std::size_t start, TextRange& range) {
  const auto match = [&](std::uint32_t extra) {
    return pcre2_match(code, units(text), text.size(), start, PCRE2_NO_UTF_CHECK | extra, data, context);
  };
  int result = match(0);
  // The interpreter keeps its stack on the heap, so it finishes where compiled code has run out of room.
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(PCRE2_NO_JIT);
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result < 0) throw Error("the pre-tokenizer pattern gave up: {}; use a simpler pattern", pcre_message(result));
  const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(data);
  range = {offsets[0], std::max(offsets[0], offsets[1]), true};
  return true;
}

/// Joins ranges: whether one goes into the one before is for `joins(range, previous range was a match)` to say.
template <typename Iterator, typename Joins>
std::vector<TextRange> join_ranges(Iterator first, const Iterator& last, Joins joins) {
  std::vector<TextRange> joined;
  bool previous = false;
  for (; first != last; ++first) {
    if (!joined.empty() && joins(first->is_match, previous)) {
      joined.back().begin = std::min(joined.back().begin, first->begin);
      joined.back().end = std::max(joined.back().end, first->end);
    } else {
      joined.push_back(*first);
    }
    previous = first->is_match;
  }
  return joined;
}

}  // namespace

void append_pieces(std::string_view text, const std::vector<TextRange>& ranges, SplitBehavior behavior,
                   std::vector<std::string_view>& pieces) {
  const auto append = [&](const TextRange& range) {
    if (range.end > range.begin) pieces.push_back(text.substr(range.begin, range.end - range.begin));
  };
  const auto follows_other = [](bool match, bool previous) { return match && !previous; };
  const auto follows_same = [](bool match, bool previous) { return match == previous; };
  std::vector<TextRange> joined;
  switch (behavior) {
    case SplitBehavior::isolated:
      std::for_each(ranges.begin(), ranges.end(), append);
      return;
    case SplitBehavior::removed:
      std::for_each(ranges.begin(), ranges.end(), [&](const TextRange& range) {
        if (!range.is_match) append(range);
      });
      return;
    case SplitBehavior::contiguous:
      joined = join_ranges(ranges.begin(), ranges.end(), follows_same);
      break;
    case SplitBehavior::merged_with_previous:
      joined = join_ranges(ranges.begin(), ranges.end(), follows_other);
      break;
    case SplitBehavior::merged_with_next:
      joined = join_ranges(ranges.rbegin(), ranges.rend(), follows_other);
      std::reverse(joined.begin(), joined.end());
      break;
  }
  std::for_each(joined.begin(), joined.end(), append);
}

struct SplitPattern::Compiled {
  Code code;
  Code exact;  // nothing when the pattern names no space
};

SplitPattern::SplitPattern(std::string regex, std::string_view where, SplitBehavior behavior, bool invert)
    : regex_(std::move(regex)), behavior_(behavior), invert_(invert) {
  if (regex_.find("&&") != std::string::npos) {
    throw Error("{}: the pattern holds \"&&\", the intersection of classes, which is not supported; write it out",
                where);
  }
  Compiled compiled{compile(regex_, where), nullptr};
  if (const std::string exact = with_exact_space(regex_); exact != regex_) compiled.exact = compile(exact, where);
  compiled_ = std::make_shared<const Compiled>(std::move(compiled));
}

std::vector<TextRange> SplitPattern::find_all(std::string_view text) const {
  const bool exact = compiled_->exact && text.find(kFormerSpace) != std::string_view::npos;
  const pcre2_code* code = exact ? compiled_->exact.get() : compiled_->code.get();
  const MatchData data(pcre2_match_data_create_from_pattern(code, nullptr));
  const MatchContext context(pcre2_match_context_create(nullptr));
  pcre2_set_heap_limit(context.get(), kMostHeapKib);
  std::vector<TextRange> ranges;
  std::size_t done = 0;
  std::size_t start = 0;
  TextRange range{};
  while (start < text.size() && find_match(code, data.get(), context.get(), text, start, range)) {
    range.begin = std::max(range.begin, done);  // \K may move it back
    if (range.begin > done) ranges.push_back({done, range.begin, invert_});
    range.end = std::max(range.end, range.begin);
    range.is_match = !invert_;
    ranges.push_back(range);
    done = range.end;
    start = std::max(start, range.end);
    // A match of nothing still cuts, but the search has to move on by a character.
    if (range.end == range.begin && start < text.size()) start += read_utf8(text.substr(start)).length;
  }
  if (done < text.size()) ranges.push_back({done, text.size(), invert_});
  return ranges;
}

void SplitPattern::split(std::string_view text, std::vector<std::string_view>& pieces) const {
  append_pieces(text, find_all(text), behavior_, pieces);
}

std::string SplitPattern::replace(std::string_view text, std::string_view content, const Growth& growth) const {
  std::string replaced;
  for (const TextRange& range : find_all(text)) {
    replaced += range.is_match != invert_ ? content : text.substr(range.begin, range.end - range.begin);
    growth.check(replaced.size());
  }
  return replaced;
}

std::string quote_pattern(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (std::string_view(R"(\^$.[]|()?*+{}-#& )").find(c) != std::string_view::npos) quoted += '\\';
    quoted += c;
  }
  return quoted;
}

}  // namespace gyre
