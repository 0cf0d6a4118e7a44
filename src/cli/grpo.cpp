#include "tune/grpo/grpo.hpp"

#include <memory>

#include "base/error.hpp"
#include "base/module.hpp"
#include "cli/checks.hpp"
#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/ranks.hpp"

namespace gyre::cli {
namespace {

void run_grpo(const GrpoRequest& request) {
  prepare_torch_environment("grpo");
  void* const entry = module_function(load_module("libgyre_train.so", "grpo"), "gyre_grpo_entry", "grpo");
  reinterpret_cast<decltype(&gyre_grpo_entry)>(entry)(request);
}

}  // namespace

void add_grpo(CLI::App& program) {
  auto request = std::make_shared<GrpoRequest>();
  CLI::App* command = program.add_subcommand("grpo", "Train a model on rewards of what it writes (GRPO)");
  command->add_option("-m,--model", request->model, "Model folder or GGUF file that learns")->required();
  command->add_option("--config", request->config, R"(Settings: {"grpo", "rewards", "adapter", "encoder"} (JSON))")
      ->required();
  command->add_option("--data", request->data,
                      R"(JSON lines of prompts: {"prompt"} or {"messages"}, and what rewards compare with)");
  command->add_option("--held-out", request->held_out,
                      "JSON lines of prompts that are answered and never learned from, in place of a share of --data");
  command->add_flag("--evaluate", request->evaluate,
                    "Only answer --held-out, greedily, and write OUT/held_out.jsonl for gyre judge");
  command->add_option("--out", request->out, "Folder for the adapter or model, checkpoints, metrics and completions")
      ->required();
  command->add_flag("--resume", request->resume,
                    "Go on from the latest checkpoint in --out, which must be of the same run");
  add_threads_option(*command, request->threads);
  command->add_option("--steps", request->steps, "Steps in place of the config's count")->check(whole_number(1));
  add_rank_timeout_option(*command, request->ranks);
  command->add_flag("--json", request->json,
                    "Print the rows of metrics.jsonl as they come, and the result last, as JSON lines");
  command->footer(
      "A reward says what is worth writing, each with a weight: rouge, correct, form, length, command, semantic (an\n"
      "encoder's cosine with the line's \"reference\"; docs/grpo.md).\n"
      "Examples:\n"
      "  gyre grpo -m models/arithmetic --config grpo.json --data sums.jsonl --out runs/sums\n"
      "  gyre generate -m models/arithmetic --adapter runs/sums/adapter --prompt \"2-4+3*3=\" -n 1");
  request->stop = interrupt();
  command->callback([request] {
    if (request->data.empty() && !request->evaluate) throw Error("--data: name the prompts to learn from");
    if (request->evaluate && (!request->data.empty() || request->resume || request->steps > 0)) {
      throw Error("--evaluate answers --held-out and learns nothing; leave --data, --resume and --steps out");
    }
    read_rank_environment(request->ranks);
    run_grpo(*request);
  });
}

}  // namespace gyre::cli
