#include "study/measured_text.hpp"

#include <algorithm>

#include "base/enum_name.hpp"
#include "base/error.hpp"
#include "text/corpus.hpp"

namespace gyre {
namespace {

constexpr EnumName<TextPart> kTextParts[] = {
    {TextPart::all, "all"}, {TextPart::training, "train"}, {TextPart::validation, "validation"}};

}  // namespace

std::size_t MeasuredText::size() const {
  std::size_t count = 0;
  for (const std::vector<std::int32_t>& document : documents) count += document.size();
  return count;
}

TextPart parse_text_part(const std::string& text, const std::string& flag) {
  return parse_enum<TextPart>(kTextParts, text, flag, "part of a text");
}

std::vector<std::string> part_of_documents(const std::vector<std::string>& documents, TextPart wanted,
                                           double validation_share) {
  if (wanted == TextPart::all) return documents;
  std::string text;
  for (const std::string& document : documents) text += document;
  const std::size_t cut = split_text(text, validation_share).training.size();
  std::vector<std::string> part;
  std::size_t begin = 0;
  for (const std::string& document : documents) {
    const std::size_t before_cut = std::min(document.size(), cut - std::min(cut, begin));
    std::string piece = wanted == TextPart::training ? document.substr(0, before_cut) : document.substr(before_cut);
    if (!piece.empty()) part.push_back(std::move(piece));
    begin += document.size();
  }
  if (part.empty())
    throw Error("the part {} of this text is empty; give another share to validate",
                name_of<TextPart>(kTextParts, wanted));
  return part;
}

MeasuredText tokenise_documents(const std::vector<std::string>& documents, const Tokenizer& tokenizer,
                                std::size_t most) {
  MeasuredText text;
  text.prefix = tokenizer.prefix_tokens();
  for (const std::string& document : documents) {
    if (most == 0) break;
    std::vector<std::int32_t> tokens = tokenizer.encode(document);
    const auto [end, stop] = std::mismatch(text.prefix.begin(), text.prefix.end(), tokens.begin(), tokens.end());
    if (end == text.prefix.end()) tokens.erase(tokens.begin(), stop);
    if (tokens.size() > most) tokens.resize(most);
    most -= tokens.size();
    text.documents.push_back(std::move(tokens));
  }
  return text;
}

}  // namespace gyre
