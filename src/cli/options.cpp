#include "cli/options.hpp"

#include <thread>

#include "kernels/kernels.hpp"
#include "text/corpus.hpp"

namespace gyre::cli {

void add_run_options(CLI::App& command, RunOptions& options) {
  command.add_option("-m,--model", options.model, "Model folder (config.json, model.safetensors, tokenizer.json)")
      ->required();
  command.add_option("--loops", options.loops, "Most loops: one count for every looped group, or one each as in 4/8/4");
  command.add_option("--kv", options.kv_policy, "Keys and values of loops: per_loop or last")->capture_default_str();
  command.add_option("--threads", options.threads, "Threads (default: all cores)")->check(CLI::Range(1, 1024));
  command.add_option("--seed", options.seed, "Seed of every draw")->capture_default_str();
  command.add_flag("--json", options.json, "Print JSON");
}

void add_text_options(CLI::App& command, TextOptions& options) {
  command.add_option("--text", options.file, "Text file or folder of *.txt");
  command.add_option("--split", options.split, "Part of the text: all, train, validation")
      ->check(CLI::IsMember({"all", "train", "validation"}))
      ->capture_default_str();
  command.add_option("--validation-share", options.validation_share, "The last part of the text that validates")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
}

std::vector<std::int32_t> tokens_of(const TextOptions& options, const Tokenizer& tokenizer, std::size_t most) {
  const std::string text = read_corpus(options.file);
  const TextSplit split = split_text(text, options.validation_share);
  const std::string_view part = options.split == "validation" ? split.validation
                                : options.split == "train"    ? split.training
                                                              : std::string_view(text);
  std::vector<std::int32_t> tokens = tokenizer.encode(part);
  if (tokens.size() > most) tokens.resize(most);
  return tokens;
}

int thread_count(const RunOptions& options) {
  return options.threads > 0 ? options.threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

std::vector<int> loops_of(const RunOptions& options, const ModelSpec& spec) {
  return options.loops.empty() ? spec.default_loops() : parse_loops(options.loops, spec, "--loops");
}

nlohmann::json provenance(const RunOptions& options, const Model& model) {
  return {{"program", "gyre " GYRE_VERSION}, {"model", options.model},
          {"model_sha256", model.hash()},    {"stored_dtype", model.stored_type()},
          {"compute_dtype", "F32"},          {"loops", loops_of(options, model.spec())},
          {"kv_policy", options.kv_policy},  {"threads", thread_count(options)},
          {"isa", kernels().name},           {"seed", options.seed}};
}

}  // namespace gyre::cli
