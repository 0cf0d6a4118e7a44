#include "cli/measured.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/at_place.hpp"
#include "base/error.hpp"
#include "cli/interrupt.hpp"
#include "text/corpus.hpp"

namespace gyre::cli {

MeasuredText measured_text(const TextOptions& options, const Tokenizer& tokenizer, std::size_t most) {
  const TextPart part = parse_text_part(options.split, "--split");
  const std::vector<std::string> documents = read_documents(options.file);
  return at_place(options.file, [&] {
    return tokenise_documents(part_of_documents(documents, part, options.validation_share), tokenizer, most);
  });
}

void add_text(nlohmann::json& json, const TextOptions& options, const MeasuredText& text) {
  json["text"] = options.file;
  json["split"] = options.split;
  json["validation_share"] = options.validation_share;
  json["documents"] = text.documents.size();
}

void add_prefix(nlohmann::json& json, const Tokenizer& tokenizer) {
  json["begins_with"] = nlohmann::json::array();
  for (const std::int32_t token : tokenizer.prefix_tokens()) json["begins_with"].push_back(tokenizer.piece(token));
  json["begins_with_ids"] = tokenizer.prefix_tokens();
}

EvaluationOptions evaluation_options(const RunOptions& run, int window, const ModelSpec& spec, int otherwise) {
  EvaluationOptions options;
  options.loops = loops_of(run, spec);
  options.kv_policy = kv_policy_of(run);
  options.start = parse_noise_start(run.first_state, "--first-state");
  options.test_noise = test_noise_of(run, spec);
  options.seed = run.seed;
  options.threads = thread_count(run);
  options.stop = interrupt();
  options.window = window > 0 ? window : std::min(spec.context, otherwise);
  if (options.window > spec.context) {
    throw Error("--window: {} is more than the context of {}", options.window, spec.context);
  }
  return options;
}

std::string difference_text(const Estimate& difference) {
  if (!std::isfinite(difference.interval.low)) return fmt::format("{:+.4f}", difference.value);
  return fmt::format("{:+.4f} ({:+.4f} {:+.4f})", difference.value, difference.interval.low, difference.interval.high);
}

void print_json(const nlohmann::json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace gyre::cli
