#pragma once

#include <oniguruma.h>

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

/// The library of regular expressions, for the files of this room that search with it.
namespace gyre::oniguruma {

struct FreeRegex {
  void operator()(OnigRegex regex) const { onig_free(regex); }
};
struct FreeRegion {
  void operator()(OnigRegion* region) const { onig_region_free(region, 1); }
};
struct FreeLimits {
  void operator()(OnigMatchParam* limits) const { onig_free_match_param(limits); }
};
using Regex = std::unique_ptr<std::remove_pointer_t<OnigRegex>, FreeRegex>;
using Region = std::unique_ptr<OnigRegion, FreeRegion>;
using Limits = std::unique_ptr<OnigMatchParam, FreeLimits>;

/// What one match may go back over, and remember at a time (40 bytes each). Oniguruma's own limit is the former too; it
/// has none for the latter.
inline constexpr unsigned long kMostRetries = 10'000'000;
inline constexpr unsigned int kMostRemembered = 1U << 22U;

/// The expression, in the dialect of the Python package `tokenizers`. Throws Error with `where` when it does not
/// compile.
Regex compile_regex(const std::string& regex, std::string_view where);
/// The limits above.
Limits match_limits();
/// What a match that failed says.
std::string match_failure(int result);

inline const OnigUChar* units(std::string_view text) { return reinterpret_cast<const OnigUChar*>(text.data()); }

}  // namespace gyre::oniguruma
