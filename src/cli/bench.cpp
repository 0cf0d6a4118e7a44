#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "api/calibrated_exit.hpp"
#include "base/error.hpp"
#include "base/progress.hpp"
#include "cli/checks.hpp"
#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/measured.hpp"
#include "cli/options.hpp"
#include "engine/cost.hpp"
#include "study/benchmark.hpp"
#include "study/ceilings.hpp"
#include "study/jobs.hpp"
#include "study/statistics.hpp"

namespace gyre::cli {
namespace {

struct BenchRequest {
  RunOptions run;
  BenchmarkOptions bench;
  std::string exit;
  std::string schedule = "rows";
  bool ceilings = false;
};

nlohmann::json speeds_json(const std::vector<double>& speeds) {
  return {{"tokens_per_second", median(speeds)}, {"rounds", speeds}};
}

/// What a token reads of weights in its loops, against what this machine can read.
nlohmann::json ceiling_json(const BenchRequest& request, const Model& model, double tokens_per_second) {
  const TokenCost cost = token_cost(model, request.bench.loops, 1, request.bench.kv_policy.type);
  const WeightMemory& weights = model.packed_weights();
  const double bandwidth = read_bandwidth(weights.spans(), thread_count(request.run), interrupt());
  const double bound = bandwidth / cost.weight_bytes;
  return {{"weight_bytes_per_token", cost.weight_bytes},
          {"weight_bytes_held", weights.allocated()},
          {"read_bytes_per_second", bandwidth},
          {"bound_tokens_per_second", bound},
          {"share_of_bound", tokens_per_second / request.bench.batch / bound}};
}

nlohmann::json machine_json(const Ceilings& ceilings) {
  return {{"memory_bytes_per_second", ceilings.memory_bytes},
          {"cache_bytes_per_second", ceilings.cache_bytes},
          {"cache_block_bytes", kCacheBlock},
          {"float_operations_per_second", ceilings.float_operations},
          {"bf16_operations_per_second", ceilings.bf16_operations},
          {"byte_operations_per_second", ceilings.byte_operations}};
}

void print_machine(const Ceilings& ceilings) {
  fmt::print("{:24} {:10.1f} GB/s\n", "memory is read at", ceilings.memory_bytes / 1e9);
  fmt::print("{:24} {:10.1f} GB/s\n", fmt::format("{} MiB over and over", kCacheBlock >> 20U),
             ceilings.cache_bytes / 1e9);
  const auto print = [](std::string_view kind, double operations) {
    if (operations > 0) fmt::print("{:24} {:10.1f} Gop/s\n", kind, operations / 1e9);
  };
  print("multiply-adds of f32", ceilings.float_operations);
  print("of bf16", ceilings.bf16_operations);
  print("of bytes", ceilings.byte_operations);
}

void print_speed(const std::string& work, const std::vector<double>& speeds) {
  const auto [least, most] = std::minmax_element(speeds.begin(), speeds.end());
  fmt::print("{:24} {:10.1f} tokens/s  ({:.1f} to {:.1f} in {} rounds)\n", work, median(speeds), *least, *most,
             speeds.size());
}

nlohmann::json result_json(const BenchRequest& request, const Model& model, const BenchmarkResult& result) {
  const BenchmarkOptions& options = request.bench;
  nlohmann::json json = provenance(request.run, model);
  json["batch"] = options.batch;
  json["rounds"] = options.rounds;
  if (options.chunk > 0) {
    json["beside_prompt"] = {{"prompt_tokens", options.prompt},
                             {"chunk", options.chunk},
                             {"longest_wait_milliseconds", median(result.beside.longest_wait)},
                             {"longest_chunk_alone_milliseconds", median(result.beside.longest_chunk)},
                             {"prompt_milliseconds", median(result.beside.prompt)},
                             {"prompt_alone_milliseconds", median(result.beside.prompt_alone)}};
  }
  if (options.prompt > 0) {
    json["prompt"] = speeds_json(result.prompt);
    json["prompt"]["tokens"] = options.prompt;
  }
  if (options.tokens == 0) return json;
  nlohmann::json& generation = json["generation"] = speeds_json(result.generation);
  generation["tokens"] = options.tokens;
  generation["behind"] = options.behind;
  generation["exit"] = request.exit.empty() ? "none" : request.exit;
  generation["loops_per_token"] = result.loops_per_token;
  generation["schedule"] = name_of(options.schedule);
  generation["layer_passes_per_token"] = result.passes_per_token;
  generation["rows_per_layer_pass"] = result.rows_per_pass;
  generation["kv_bytes_per_token"] = result.kv_bytes_per_token;
  if (!request.exit.empty()) return json;
  const double speed = median(result.generation);
  generation["layer_passes_per_second"] = speed * static_cast<double>(layer_passes(model.spec(), options.loops));
  generation["ceiling"] = ceiling_json(request, model, speed);
  return json;
}

void print_ceiling(const nlohmann::json& generation) {
  const nlohmann::json& ceiling = generation["ceiling"];
  fmt::print("{:24} {:10.0f} /s\n", "layers run", generation["layer_passes_per_second"].get<double>());
  fmt::print("{:24} {:10.1f} MiB/token, held in {:.1f} MiB that this machine reads at {:.1f} GB/s\n", "weights read",
             ceiling["weight_bytes_per_token"].get<double>() / 1048576,
             ceiling["weight_bytes_held"].get<double>() / 1048576,
             ceiling["read_bytes_per_second"].get<double>() / 1e9);
  fmt::print("{:24} {:10.1f} % of the {:.1f} passes over the weights that this permits\n", "share of the bound",
             100 * ceiling["share_of_bound"].get<double>(), ceiling["bound_tokens_per_second"].get<double>());
}

void print_result(const BenchRequest& request, const Model& model, const BenchmarkResult& result) {
  const BenchmarkOptions& options = request.bench;
  nlohmann::json json = result_json(request, model, result);
  std::optional<Ceilings> ceilings;
  if (request.ceilings) {
    ceilings = measure_ceilings(thread_count(request.run), interrupt());
    json["machine"] = machine_json(*ceilings);
  }
  if (request.run.json) {
    print_json(json);
    return;
  }
  fmt::print("{}: weights {}, loops {}, {} threads, {} kernels\n", request.run.model, model.weight_type(),
             fmt::join(options.loops, "/"), thread_count(request.run), kernels().name);
  if (ceilings) print_machine(*ceilings);
  if (options.prompt > 0) print_speed(fmt::format("prompt of {}", options.prompt), result.prompt);
  if (options.tokens == 0) return;
  const std::string behind = options.behind > 1 ? fmt::format(" behind {}", options.behind) : "";
  print_speed(fmt::format("{} tokens{}, batch of {}", options.tokens, behind, options.batch), result.generation);
  fmt::print("{:24} {:10.2f} a token, of {:.2f} tokens each ({})\n", "layer passes", result.passes_per_token,
             result.rows_per_pass, name_of(options.schedule));
  fmt::print("{:24} {:10.1f} KiB a token\n", "keys and values", result.kv_bytes_per_token / 1024);
  if (options.chunk > 0) {
    fmt::print("{:24} {:10.1f} ms at most, a chunk of {} alone {:.1f}; the prompt {:.1f}, alone {:.1f}\n",
               "waiting beside a prompt", median(result.beside.longest_wait), options.chunk,
               median(result.beside.longest_chunk), median(result.beside.prompt), median(result.beside.prompt_alone));
  }
  if (request.exit.empty()) {
    print_ceiling(json["generation"]);
  } else {
    fmt::print("{:24} {:10.2f} under {}\n", "loops/token", result.loops_per_token, request.exit);
  }
}

void run(BenchRequest& request) {
  const Model model = load_model(request.run);
  const ModelSpec& spec = model.spec();
  BenchmarkOptions& options = request.bench;
  options.loops = loops_of(request.run, spec);
  options.kv_policy = kv_policy_of(request.run);
  options.start = parse_noise_start(request.run.first_state, "--first-state");
  options.test_noise = test_noise_of(request.run, spec);
  options.seed = request.run.seed;
  options.schedule = parse_schedule(request.schedule, "--schedule");
  if (options.chunk > 0 && (options.prompt == 0 || options.tokens == 0)) {
    throw Error("--chunk: there is no prompt or nothing beside it; give --prompt and --tokens above 0");
  }
  if (options.prompt > spec.context || options.behind + options.tokens > spec.context) {
    throw Error("--prompt {} and --tokens {} behind {} do not fit the context of {}", options.prompt, options.tokens,
                options.behind, spec.context);
  }
  if (options.prompt == 0 && options.tokens == 0)
    throw Error("--prompt and --tokens: both are 0; nothing is to be timed");
  if (!request.exit.empty()) {
    options.exit =
        exit_for(request.exit, model, {.loops = options.loops, .kv = options.kv_policy, .first_state = options.start});
    request.exit = options.exit->text;  // as results show it
    check_rules({&*options.exit, 1}, {spec, options.loops, {}});
  }
  Engine engine(model, thread_count(request.run), interrupt());
  BenchmarkResult result;
  {
    Progress progress("bench", 1, "rounds");
    result = benchmark(engine, options, [&](std::int64_t done, std::int64_t total) {
      progress.set_total(total);
      progress.update(done);
    });
  }
  print_result(request, model, result);
}

}  // namespace

void add_bench(CLI::App& program) {
  auto request = std::make_shared<BenchRequest>();
  CLI::App* command =
      program.add_subcommand("bench", "Tokens per second of prompts and of decoding, and what bounds them");
  add_run_options(*command, request->run);
  add_noise_option(*command, request->run);
  command->add_option("-p,--prompt", request->bench.prompt, "Tokens of the prompt; 0: none")
      ->check(whole_number(0, 1 << 20))
      ->capture_default_str();
  command->add_option("-n,--tokens", request->bench.tokens, "Tokens to decode; 0: none")
      ->check(whole_number(0, 1 << 20))
      ->capture_default_str();
  command
      ->add_option("--behind", request->bench.behind,
                   "Tokens that a sequence holds before the first that is decoded: what attention to a long text costs")
      ->check(whole_number(1, 1 << 20))
      ->capture_default_str();
  command->add_option("--batch", request->bench.batch, "Sequences that are decoded together")
      ->check(whole_number(1, 1024))
      ->capture_default_str();
  command->add_option("--exit", request->exit, "Exit rule of the decoded tokens (default: full depth, no rule asked)");
  command
      ->add_option(
          "--schedule", request->schedule,
          "How sequences share passes over the weights: lockstep (from token to token together) or rows (whoever "
          "is ready joins)")
      ->check(known_to(parse_schedule, "--schedule"))
      ->capture_default_str();
  command
      ->add_option("--chunk", request->bench.chunk,
                   "Also put the prompt in by chunks of so many tokens while the sequences decode, and time how long "
                   "they wait")
      ->check(whole_number(1, 1 << 20));
  command->add_flag("--ceilings", request->ceilings,
                    "Also measure what the processor can read and multiply at most (about 5 s)");
  command->add_option("--rounds", request->bench.rounds, "Rounds; the figure is their median")
      ->check(whole_number(1, 1000))
      ->capture_default_str();
  command->footer(
      "Random tokens, every token at full depth unless --exit says otherwise. The bound is what the processor\n"
      "reads per second of a block as large as the weights, over what a token reads.\n"
      "Examples:\n"
      "  gyre bench -m model.gguf\n"
      "  gyre bench -m model.gguf --ceilings\n"
      "  gyre bench -m model.gguf --batch 8 --prompt 0\n"
      "  gyre bench -m model.gguf --prompt 0 --behind 4096\n"
      "  gyre bench -m model.gguf --batch 4 --prompt 4096 --chunk 256\n"
      "  gyre bench -m model.gguf --prompt 0 --exit fixed:loops=6\n"
      "  gyre bench -m models/shakespeare --weights q8_0 --loops 8 --threads 1 --json");
  command->callback([request] { run(*request); });
}

}  // namespace gyre::cli
