#include "text/split_pattern.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.hpp"
#include "text/oniguruma.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

using namespace oniguruma;
using Clock = std::chrono::steady_clock;

constexpr int kTriesPerLook = 64;

/// Goes through one text from match to match, and gives up on a pattern that takes beyond all measure for it: an
/// untrusted file may hold one that never ends. It tries one place after the other, so that it can look at the clock
/// between them; most patterns match wherever they are tried.
class Search {
 public:
  Search(OnigRegex regex, std::string_view text, bool in_one_go)
      : regex_(regex),
        text_(text),
        in_one_go_(in_one_go),
        region_(onig_region_new()),
        limits_(match_limits()),
        // A thousand times what patterns take.
        deadline_(Clock::now() + std::chrono::seconds(10) + std::chrono::microseconds(10) * text.size()) {
    if (!region_) throw std::bad_alloc();
  }

  /// The first match at or after `start`; false when there is none.
  bool find(std::size_t start, TextRange& range) {
    if (in_one_go_) return search(start) && found(range);
    for (std::size_t at = start;;) {
      if (matches(at)) return found(range);
      if (at == text_.size()) return false;
      at += read_utf8(text_.substr(at)).length;
    }
  }

 private:
  bool matches(std::size_t at) {
    if (++tries_ % kTriesPerLook == 0 && Clock::now() > deadline_) refuse("it takes too long");
    const OnigUChar* const begin = units(text_);
    return is_match(onig_match_with_param(regex_, begin, begin + text_.size(), begin + at, region_.get(),
                                          ONIG_OPTION_NONE, limits_.get()));
  }

  bool search(std::size_t start) {
    const OnigUChar* const begin = units(text_);
    const OnigUChar* const end = begin + text_.size();
    onig_set_retry_limit_in_search_of_match_param(limits_.get(), 2 * kMostRetries);
    return is_match(
        onig_search_with_param(regex_, begin, end, begin + start, end, region_.get(), ONIG_OPTION_NONE, limits_.get()));
  }

  bool found(TextRange& range) const {
    range = {static_cast<std::size_t>(*region_->beg), static_cast<std::size_t>(*region_->end), true};
    return true;
  }

  static bool is_match(int result) {
    if (result >= 0) return true;
    if (result == ONIG_MISMATCH) return false;
    refuse(match_failure(result));
  }

  [[noreturn]] static void refuse(std::string_view why) {
    throw Error("the pre-tokenizer pattern gave up: {}; use a simpler pattern", why);
  }

  OnigRegex regex_;
  std::string_view text_;
  bool in_one_go_;
  Region region_;
  Limits limits_;
  Clock::time_point deadline_;
  int tries_ = 0;
};

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
  Regex regex;
  bool in_one_go;  ///< \G is the place where a search began, so that it cannot be taken up anew further on
};

SplitPattern::SplitPattern(std::string regex, std::string_view where, SplitBehavior behavior, bool invert)
    : regex_(std::move(regex)), behavior_(behavior), invert_(invert) {
  const bool in_one_go = regex_.find("\\G") != std::string::npos;
  compiled_ = std::make_shared<const Compiled>(Compiled{compile_regex(regex_, where), in_one_go});
}

std::vector<TextRange> SplitPattern::find_all(std::string_view text) const {
  if (text.empty()) return {};
  Search search(compiled_->regex.get(), text, compiled_->in_one_go);
  std::vector<TextRange> ranges;
  std::size_t done = 0;
  std::size_t start = 0;
  TextRange range{};
  while (start <= text.size() && search.find(start, range)) {
    // A match of nothing cuts too, unless the match before it ended there; then the search moves on by a character.
    if (range.end == range.begin && range.end == done && !ranges.empty()) {
      start = range.end + (range.end < text.size() ? read_utf8(text.substr(range.end)).length : 1);
      continue;
    }
    if (range.begin > done) ranges.push_back({done, range.begin, invert_});
    ranges.push_back({range.begin, range.end, !invert_});
    done = range.end;
    start = range.end;
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
