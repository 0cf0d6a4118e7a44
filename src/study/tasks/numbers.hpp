#pragma once

#include <string>
#include <string_view>

namespace gyre {

/// What lm-evaluation-harness takes for the answer in a text to a problem of GSM8K (its strict-match filter): the
/// number behind the first "#### ", or "[invalid]".
std::string strict_number(std::string_view text);
/// The same by its flexible-extract filter: the last stretch of two or more of [$0-9.,], or of digits, with the minus
/// before it.
std::string flexible_number(std::string_view text);
/// Whether its exact_match takes them for equal: without commas, dollars, what stands before the last "#### ", and a
/// full stop at the end, in lower case.
bool is_same_answer(std::string_view answer, std::string_view reference);

}  // namespace gyre
