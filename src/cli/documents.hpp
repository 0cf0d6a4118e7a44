#pragma once

#include <CLI/CLI.hpp>

#include "cli/options.hpp"
#include "study/measured_text.hpp"
#include "text/tokenizer.hpp"

namespace gyre::cli {

/// How a text is cut into the documents that a result is a statement of.
struct DocumentOptions {
  bool paragraphs = false;
  int tokens = 0;  ///< of each; 0: each file is one, or each paragraph
};

void add_document_options(CLI::App& command, DocumentOptions& options);

/// The part of the text that the flags name, in documents. Throws Error when it has none.
MeasuredText documents_of(const TextOptions& text, const DocumentOptions& options, const Tokenizer& tokenizer);

}  // namespace gyre::cli
