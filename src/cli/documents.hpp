#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json_fwd.hpp>

#include "cli/options.hpp"
#include "study/measured_text.hpp"
#include "text/tokenizer.hpp"

namespace gyre::cli {

/// What of a text is a document, the unit of its statistics.
struct DocumentOptions {
  TextOptions text;
  bool paragraphs = false;  ///< what lies between empty lines; else each file
  int document_tokens = 0;  ///< runs of so many tokens; 0: as they are
};

void add_document_options(CLI::App& command, DocumentOptions& options);

/// The documents that the flags name. Throws Error naming --document-tokens when the text is shorter.
MeasuredText documents_of(const DocumentOptions& options, const Tokenizer& tokenizer);

/// Adds which text, and what of it is a document.
void add_documents(nlohmann::json& json, const DocumentOptions& options);

}  // namespace gyre::cli
