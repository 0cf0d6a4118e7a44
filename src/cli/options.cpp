#include "cli/options.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/provenance.hpp"
#include "base/error.hpp"
#include "base/processors.hpp"
#include "cli/checks.hpp"
#include "kernels/kernels.hpp"
#include "model/weights.hpp"
#include "study/measured_text.hpp"

namespace gyre::cli {
namespace {

void prepare_kernels(const RunOptions& options) {
  if (options.arithmetic == "exact") require_exact_kernels();
}

}  // namespace

void add_loop_flags(CLI::App& command, LoopFlags& flags) {
  command.add_option("--loop", flags.runs, "Loop layers of a plain model, as in 10-13x4 or 4x2,10-13x4 (from 0)");
  command.add_option("--damping", flags.damping, "With --loop: x + DAMPING (loop(x) - x) from the second loop on")
      ->check(number(0, 2))
      ->capture_default_str();
}

void print_notes(const std::string& path, const std::vector<std::string>& notes) {
  for (const std::string& note : notes) fmt::print(stderr, "gyre: {}: note: {}\n", path, note);
}

Model load_model(const std::string& path, const LoopFlags& flags, const std::string& weights,
                 const std::string& adapter) {
  LoadOptions options{.adapter = adapter};
  if (!weights.empty()) options.weights = parse_weight_type(weights, "--weights");
  Model model = Model::load(path, options);
  print_notes(path, model.notes());
  if (!flags.runs.empty()) model.loop_layers(parse_layer_loops(flags.runs, "--loop"), flags.damping, "--loop");
  return model;
}

Checkpoint open_checkpoint(const std::string& path, const LoopFlags& flags, const std::string& weights,
                           const std::string& adapter) {
  Model model = load_model(path, flags, weights, adapter);
  Language language = load_language(model.path());
  return {std::move(model), std::move(language)};
}

Model load_model(const RunOptions& options) {
  prepare_kernels(options);
  return load_model(options.model, options.layer_loops, options.weights, options.adapter);
}

Checkpoint open_checkpoint(const RunOptions& options) {
  prepare_kernels(options);
  return open_checkpoint(options.model, options.layer_loops, options.weights, options.adapter);
}

void add_write_options(CLI::App& command, WriteOptions& options, const std::string& out, const std::string& types) {
  command.add_option("-m,--model", options.model, "Model folder or GGUF file")->required();
  command.add_option("--adapter", options.adapter, "Folder of a LoRA adapter (PEFT's layout) that is merged in");
  add_loop_flags(command, options.layer_loops);
  command.add_option("--out", options.out, out)->required();
  command.add_option("--type", options.type, "Type of matrices: " + types)->capture_default_str();
  command.add_option("--part", options.parts,
                     "PART=TYPE for a part of its own: embed, head, or a group by its name (gyre info shows them)");
  command.add_flag("--json", options.json, "Print JSON");
}

void add_run_options(CLI::App& command, RunOptions& options) {
  command
      .add_option("-m,--model", options.model, "Model folder (config.json, safetensors, tokenizer.json) or GGUF file")
      ->required();
  add_loop_flags(command, options.layer_loops);
  command.add_option("--loops", options.loops, "Most loops: one count for every looped group, or one each as in 4/8/4");
  command.add_option("--weights", options.weights,
                     "Round matrices at load to one of " + weight_type_names() + " (default: as they are stored)");
  command.add_option("--adapter", options.adapter,
                     "Folder of a LoRA adapter (PEFT's layout) that is run beside the weights");
  command
      .add_option(
          "--kv", options.kv_policy,
          "Keys and values of loops: latest, latest:ring=K, latest:run=K, latest:anchor=K, last, all_or_last, full")
      ->capture_default_str();
  command.add_option("--kv-type", options.kv_type, "How keys and values are kept: f32, bf16, q8_0")
      ->check(known_to(parse_kv_type, "--kv-type"))
      ->capture_default_str();
  command
      .add_option("--first-state", options.first_state,
                  "Where groups that start from noise start: noise, zero, previous")
      ->check(known_to(parse_noise_start, "--first-state"))
      ->capture_default_str();
  command
      .add_option("--arithmetic", options.arithmetic,
                  "fast, or exact: without instructions whose rounding depends on how many tokens run together")
      ->check(CLI::IsMember({"fast", "exact"}))
      ->capture_default_str();
  add_threads_option(command, options.threads);
  command.add_option("--seed", options.seed, "Seed of every draw")->check(seed_number())->capture_default_str();
  command.add_flag("--json", options.json, "Print JSON");
}

void add_noise_option(CLI::App& command, RunOptions& options) {
  command
      .add_option(
          "--test-noise", options.test_noise,
          "Noise in the states before every loop, for groups that start from noise (Huginn's test_time_noise):\n"
          "KIND=AMOUNT, KIND being fixed, geom, sqrt, line or chi, as in fixed=0.1")
      ->check(known_to(parse_test_noise, "--test-noise"));
}

void add_text_options(CLI::App& command, TextOptions& options) {
  command.add_option("--text", options.file, "Text file or folder of *.txt");
  command.add_option("--split", options.split, "Part of the text: all, train, validation")
      ->check(known_to(parse_text_part, "--split"))
      ->capture_default_str();
  command.add_option("--validation-share", options.validation_share, "The last part of the text that validates")
      ->check(number(0, 1))
      ->capture_default_str();
}

int thread_count(const RunOptions& options) { return options.threads > 0 ? options.threads : usable_processors(); }

int context_of(int wanted, const ModelSpec& spec) {
  if (wanted > spec.context) {
    throw Error("--context: {} is more than the {} positions of this model", wanted, spec.context);
  }
  return wanted > 0 ? wanted : default_context(spec);
}

std::vector<int> loops_of(const RunOptions& options, const ModelSpec& spec) {
  return options.loops.empty() ? spec.default_loops() : parse_loops(options.loops, spec, "--loops");
}

TestNoise test_noise_of(const RunOptions& options, const ModelSpec& spec) {
  const TestNoise noise = parse_test_noise(options.test_noise, "--test-noise");
  require_noisy_group(noise, spec, "--test-noise");
  return noise;
}

KvPolicy kv_policy_of(const RunOptions& options) {
  KvPolicy policy = parse_kv_policy(options.kv_policy, "--kv");
  policy.type = parse_kv_type(options.kv_type, "--kv-type");
  return policy;
}

void add_flags(const RunOptions& options, nlohmann::json& json) {
  json["model"] = options.model;
  if (!options.adapter.empty()) json["adapter"] = options.adapter;
  if (options.layer_loops.runs.empty()) return;
  json["layer_loops"] = options.layer_loops.runs;
  json["damping"] = options.layer_loops.damping;
}

nlohmann::json provenance(const RunOptions& options, const Model& model) {
  nlohmann::json json = gyre::provenance(model, {.loops = loops_of(options, model.spec()),
                                                 .kv = kv_policy_of(options),
                                                 .first_state = parse_noise_start(options.first_state, "--first-state"),
                                                 .test_noise = parse_test_noise(options.test_noise, "--test-noise"),
                                                 .seed = options.seed,
                                                 .threads = thread_count(options)});
  add_flags(options, json);
  return json;
}

}  // namespace gyre::cli
