#include "cli/documents.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "cli/checks.hpp"
#include "text/corpus.hpp"

namespace gyre::cli {
namespace {

/// What lies between empty lines.
std::vector<std::string> paragraphs_of(const std::vector<std::string>& texts) {
  std::vector<std::string> paragraphs;
  for (const std::string& text : texts) {
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find("\n\n", begin), text.size());
      const std::size_t first = std::min(text.find_first_not_of('\n', begin), end);
      if (end > first) paragraphs.push_back(text.substr(first, end - first));
      begin = end + 2;
    }
  }
  return paragraphs;
}

/// Runs of so many tokens, each a document; what is left at the end of a text is too short to be one.
void cut_documents(MeasuredText& text, std::size_t tokens) {
  std::vector<std::vector<std::int32_t>> documents;
  for (const std::vector<std::int32_t>& document : text.documents) {
    for (std::size_t begin = 0; begin + tokens <= document.size(); begin += tokens) {
      const auto first = document.begin() + static_cast<std::ptrdiff_t>(begin);
      documents.emplace_back(first, first + static_cast<std::ptrdiff_t>(tokens));
    }
  }
  if (documents.empty()) throw Error("--document-tokens: the text has fewer than {} tokens; give less", tokens);
  text.documents = std::move(documents);
}

}  // namespace

void add_document_options(CLI::App& command, DocumentOptions& options) {
  add_text_options(command, options.text);
  command.add_flag("--paragraphs", options.paragraphs, "What lies between empty lines is a document (not each file)");
  command
      .add_option("--document-tokens", options.document_tokens,
                  "Cut the text into runs of so many tokens, each a document; a shorter rest is left out")
      ->check(whole_number(2, 1 << 20));
}

MeasuredText documents_of(const DocumentOptions& options, const Tokenizer& tokenizer) {
  const TextPart part = parse_text_part(options.text.split, "--split");
  std::vector<std::string> texts =
      part_of_documents(read_documents(options.text.file), part, options.text.validation_share);
  if (options.paragraphs) texts = paragraphs_of(texts);
  MeasuredText text = tokenise_documents(texts, tokenizer, SIZE_MAX);
  if (options.document_tokens > 0) cut_documents(text, static_cast<std::size_t>(options.document_tokens));
  return text;
}

void add_documents(nlohmann::json& json, const DocumentOptions& options) {
  json["text"] = options.text.file;
  json["split"] = options.text.split;
  json["validation_share"] = options.text.validation_share;
  json["paragraphs"] = options.paragraphs;
  json["document_tokens"] = options.document_tokens > 0 ? nlohmann::json(options.document_tokens) : nullptr;
}

}  // namespace gyre::cli
