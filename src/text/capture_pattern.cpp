#include "text/capture_pattern.hpp"

#include <new>
#include <utility>

#include "base/error.hpp"
#include "text/oniguruma.hpp"
#include "text/utf8.hpp"

namespace gyre {

using oniguruma::units;

struct CapturePattern::Compiled {
  oniguruma::Regex regex;
  std::string where;
};

CapturePattern::CapturePattern(const std::string& regex, std::string_view where) {
  require_utf8(regex, where);
  compiled_ = std::make_shared<const Compiled>(Compiled{oniguruma::compile_regex(regex, where), std::string(where)});
}

int CapturePattern::groups() const { return onig_number_of_captures(compiled_->regex.get()); }

std::optional<Capture> CapturePattern::find(std::string_view text, std::size_t start) const {
  const oniguruma::Region region(onig_region_new());
  if (!region) throw std::bad_alloc();
  const oniguruma::Limits limits = oniguruma::match_limits();
  onig_set_retry_limit_in_search_of_match_param(limits.get(), 2 * oniguruma::kMostRetries);
  const OnigUChar* const begin = units(text);
  const OnigUChar* const end = begin + text.size();
  const int result = onig_search_with_param(compiled_->regex.get(), begin, end, begin + start, end, region.get(),
                                            ONIG_OPTION_NONE, limits.get());
  if (result == ONIG_MISMATCH) return {};
  if (result < 0) {
    throw Error("{}: the pattern gave up: {}; use a simpler pattern", compiled_->where,
                oniguruma::match_failure(result));
  }
  Capture capture{static_cast<std::size_t>(region->beg[0]), static_cast<std::size_t>(region->end[0]), {}};
  for (int group = 1; group < region->num_regs; ++group) {
    const int from = region->beg[group];
    if (from == ONIG_REGION_NOTPOS) {
      capture.groups.emplace_back();
    } else {
      capture.groups.emplace_back(
          text.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(region->end[group] - from)));
    }
  }
  return capture;
}

std::vector<Capture> CapturePattern::find_all(std::string_view text) const {
  std::vector<Capture> captures;
  for (std::size_t start = 0; start <= text.size();) {
    std::optional<Capture> found = find(text, start);
    if (!found) break;
    start = found->end;
    // Behind a match of nothing the search goes on a character further.
    if (found->end == found->begin) start += start < text.size() ? read_utf8(text.substr(start)).length : 1;
    captures.push_back(std::move(*found));
  }
  return captures;
}

}  // namespace gyre
