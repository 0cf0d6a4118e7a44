#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace gyre {

/// The tokens that a model wants around a text of its own: those before it and those after it.
struct SurroundingTokens {
  std::vector<std::int32_t> prefix;
  std::vector<std::int32_t> suffix;
};

/// Reads the part "post_processor" as far as one text is concerned. Ids have to lie below `vocabulary`. Throws Error
/// with `where` on an unknown type or key.
SurroundingTokens read_post_processor(const nlohmann::json& json, const std::string& where, std::size_t vocabulary);

/// The text of a part "post_processor" that puts these tokens around a text, and around both of a pair. `names` are
/// those of the vocabulary, by id.
std::string post_processor_text(const SurroundingTokens& tokens, const std::vector<std::string>& names);

}  // namespace gyre
