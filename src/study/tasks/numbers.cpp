#include "study/tasks/numbers.hpp"

#include <algorithm>
#include <cstddef>

namespace gyre {
namespace {

constexpr std::string_view kMark = "#### ";
constexpr std::string_view kNone = "[invalid]";
constexpr std::string_view kDigits = "0123456789";

/// How many characters from `begin` on are among `set`.
std::size_t run_of(std::string_view text, std::size_t begin, std::string_view set) {
  if (begin >= text.size()) return 0;
  return std::min(text.find_first_not_of(set, begin), text.size()) - begin;
}

std::string normalized(std::string_view text) {
  std::string kept;
  std::copy_if(text.begin(), text.end(), std::back_inserter(kept), [](char c) { return c != ',' && c != '$'; });
  if (const std::size_t mark = kept.rfind(kMark); mark != std::string::npos) kept.erase(0, mark + kMark.size());
  // An end of the text may have a line's end behind it, as in the regular expressions of Python.
  const std::size_t end = kept.ends_with('\n') ? kept.size() - 1 : kept.size();
  if (end > 0 && kept[end - 1] == '.') kept.erase(end - 1, 1);
  for (char& c : kept) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return kept;
}

}  // namespace

std::string strict_number(std::string_view text) {
  for (std::size_t mark = text.find(kMark); mark != std::string_view::npos; mark = text.find(kMark, mark + 1)) {
    const std::size_t begin = mark + kMark.size();
    const std::size_t minus = begin < text.size() && text[begin] == '-' ? 1 : 0;
    const std::size_t run = run_of(text, begin + minus, "0123456789.,");
    if (run > 0) return std::string(text.substr(begin, minus + run));
  }
  return std::string(kNone);
}

std::string flexible_number(std::string_view text) {
  std::string_view last = kNone;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t minus = text[at] == '-' ? 1 : 0;
    std::size_t run = run_of(text, at + minus, "$0123456789.,");
    if (run < 2) run = run_of(text, at + minus, kDigits);
    if (run == 0) {
      ++at;
      continue;
    }
    last = text.substr(at, minus + run);
    at += minus + run;
  }
  return std::string(last);
}

bool is_same_answer(std::string_view answer, std::string_view reference) {
  return normalized(answer) == normalized(reference);
}

}  // namespace gyre
