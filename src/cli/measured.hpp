#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cli/options.hpp"
#include "study/evaluation.hpp"
#include "study/measured_text.hpp"
#include "study/statistics.hpp"
#include "text/tokenizer.hpp"

namespace gyre::cli {

/// The text that the flags name: each file a document of its own. At most `most` tokens.
MeasuredText measured_text(const TextOptions& options, const Tokenizer& tokenizer, std::size_t most);

/// Adds what a measurement on it depends on.
void add_text(nlohmann::json& json, const TextOptions& options, const MeasuredText& text);

/// How a text is run, in windows of so many positions; 0: the model's context, at most `otherwise`. Throws Error naming
/// --window when the model has fewer.
EvaluationOptions evaluation_options(const RunOptions& run, int window, const ModelSpec& spec,
                                     int otherwise = kDefaultWindow);

/// Adds what begins every text and window: ids, and as text.
void add_prefix(nlohmann::json& json, const Tokenizer& tokenizer);

/// A difference as tables show it: its value, and the ends of its interval where there is one.
std::string difference_text(const Estimate& difference);

/// On stdout. Numbers that are not finite are null; bytes that are no UTF-8 become U+FFFD.
void print_json(const nlohmann::json& json);

}  // namespace gyre::cli
