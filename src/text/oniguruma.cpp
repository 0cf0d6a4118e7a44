#include "text/oniguruma.hpp"

#include <array>
#include <mutex>
#include <new>

#include "base/error.hpp"

namespace gyre::oniguruma {
namespace {

/// The pattern as Debian's older library has to read it: there [:punct:] leaves the symbols out, which it holds from
/// 6.9.9 on, and \R that may be repeated misses a single line feed.
std::string as_newer(std::string_view regex) {
  constexpr std::string_view kPunctuation = "[:punct:]";
  constexpr std::string_view kOthers = "[:^punct:]";
  std::string made;
  int classes = 0;  // that are open
  while (!regex.empty()) {
    std::string_view taken = regex.substr(0, regex.front() == '\\' ? 2 : 1);
    std::string_view put = taken;
    if (classes > 0 && regex.starts_with(kPunctuation)) {
      taken = kPunctuation;
      put = R"(\p{P}\p{S})";
    } else if (classes > 0 && regex.starts_with(kOthers)) {
      taken = kOthers;
      put = R"([^\p{P}\p{S}])";
    } else if (classes == 0 && taken == R"(\R)") {
      put = R"((?>\r\n|[\n-\r\x{85}\x{2028}\x{2029}]))";
    } else if (taken == "[") {
      ++classes;
    } else if (taken == "]" && classes > 0) {
      --classes;
    }
    made += put;
    regex.remove_prefix(taken.size());
  }
  return made;
}

}  // namespace

Regex compile_regex(const std::string& regex, std::string_view where) {
  const std::string newer = as_newer(regex);
  static std::mutex mutex;  // the library keeps tables of its own, which it fills while it compiles
  const std::lock_guard lock(mutex);
  static const int ready = [] {
    std::array<OnigEncoding, 1> encodings = {ONIG_ENCODING_UTF8};
    return onig_initialize(encodings.data(), static_cast<int>(encodings.size()));
  }();
  OnigRegex made = nullptr;
  OnigErrorInfo info{};
  const int result = ready != ONIG_NORMAL ? ready
                                          : onig_new(&made, units(newer), units(newer) + newer.size(), ONIG_OPTION_NONE,
                                                     ONIG_ENCODING_UTF8, ONIG_SYNTAX_DEFAULT, &info);
  if (result == ONIG_NORMAL) return Regex(made);
  std::array<OnigUChar, ONIG_MAX_ERROR_MESSAGE_LEN> message{};
  const int length = onig_error_code_to_str(message.data(), result, &info);
  throw Error("{}: the pattern does not compile: {}", where,
              std::string_view(reinterpret_cast<const char*>(message.data()), static_cast<std::size_t>(length)));
}

Limits match_limits() {
  Limits limits(onig_new_match_param());
  if (!limits) throw std::bad_alloc();
  onig_initialize_match_param(limits.get());
  onig_set_retry_limit_in_match_of_match_param(limits.get(), kMostRetries);
  onig_set_match_stack_limit_size_of_match_param(limits.get(), kMostRemembered);
  return limits;
}

std::string match_failure(int result) {
  std::array<OnigUChar, ONIG_MAX_ERROR_MESSAGE_LEN> message{};
  const int length = onig_error_code_to_str(message.data(), result);
  return {reinterpret_cast<const char*>(message.data()), static_cast<std::size_t>(length)};
}

}  // namespace gyre::oniguruma
