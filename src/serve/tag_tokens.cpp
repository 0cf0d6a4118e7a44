#include "serve/tag_tokens.hpp"

#include <algorithm>

#include "serve/text_language.hpp"

namespace gyre::serve {
namespace {

using Part = AutomatonBuilder::Part;

}  // namespace

TagTokens::TagTokens(const Tokenizer& tokenizer, int vocabulary, std::span<const std::int32_t> ends)
    : finder_(tokenizer.added_tokens()), ends_(ends.begin(), ends.end()) {
  for (const AddedToken& token : tokenizer.added_tokens()) {
    // What is looked for in normalized text may not be what stands in a tag.
    const bool found = token.special || !token.normalized;
    // Calls are read in the text that tokens stand for: a token that stands for another than its name would hide them.
    const bool reads_as_written = token.id < vocabulary && tokenizer.piece(token.id) == token.content;
    if (found && reads_as_written) tokens_.insert(token.id);
  }
}

/// What the tokenizer cuts a tag into. A token that may not stand there is spelled out.
std::vector<TextSection> TagTokens::sections(std::string_view text, bool last) const {
  std::vector<TextSection> sections = finder_.split(text);
  for (TextSection& section : sections) {
    const bool at_end = last && &section == &sections.back();
    const bool stands = tokens_.contains(section.token) && (at_end || !ends_.contains(section.token));
    if (!stands) section.token = TextSection::kPlain;
  }
  return sections;
}

bool TagTokens::has_token(std::string_view text) const {
  const std::vector<TextSection> parts = sections(text, false);
  return std::any_of(parts.begin(), parts.end(),
                     [](const TextSection& section) { return section.token != TextSection::kPlain; });
}

Part TagTokens::written(AutomatonBuilder& builder, std::span<const TextSection> sections) {
  std::vector<Part> parts;
  for (const TextSection& section : sections) {
    parts.push_back(section.token == TextSection::kPlain ? builder.text(section.text) : builder.mark(section.token));
  }
  return builder.sequence(parts);
}

Part TagTokens::tag(AutomatonBuilder& builder, std::string_view text) const {
  return written(builder, sections(text, false));
}

Part TagTokens::last_tag(AutomatonBuilder& builder, std::string_view text) const {
  return written(builder, sections(text, true));
}

Part TagTokens::until(AutomatonBuilder& builder, std::string_view text, Part then) const {
  if (!has_token(text)) return text_until(builder, text, then);
  const Part before = text_without(builder, text);
  return builder.sequence({before, builder.optional(builder.sequence({tag(builder, text), then}))});
}

Part TagTokens::through(AutomatonBuilder& builder, std::string_view text) const {
  if (!has_token(text)) return text_through(builder, text);
  const Part before = text_without(builder, text);
  return builder.sequence({before, tag(builder, text)});
}

}  // namespace gyre::serve
