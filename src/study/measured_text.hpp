#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.hpp"

namespace gyre {

/// A text as it is measured: documents that know nothing of one another, and what every window begins with.
struct MeasuredText {
  std::vector<std::vector<std::int32_t>> documents;  ///< without the prefix
  std::vector<std::int32_t> prefix;                  ///< Tokenizer::prefix_tokens()

  [[nodiscard]] std::size_t size() const;  ///< tokens of all documents
};

enum class TextPart : std::uint8_t { all, training, validation };

/// The part of that name: all, train or validation. Throws Error naming `flag`.
TextPart parse_text_part(const std::string& text, const std::string& flag);

/// What lies in one part of documents that are thought of as one text; the last `validation_share` of it validates (see
/// split_text). A document that the cut goes through is shortened; one that lies outside is left out.
std::vector<std::string> part_of_documents(const std::vector<std::string>& documents, TextPart wanted,
                                           double validation_share);

/// The tokens of documents, `most` of them at most. A document that spells the prefix itself is taken without it, so
/// that nothing begins twice.
MeasuredText tokenise_documents(const std::vector<std::string>& documents, const Tokenizer& tokenizer,
                                std::size_t most);

}  // namespace gyre
