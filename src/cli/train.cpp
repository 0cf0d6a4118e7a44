#include <memory>

#include "base/module.hpp"
#include "cli/checks.hpp"
#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/ranks.hpp"
#include "train/trainer.hpp"

namespace gyre::cli {
namespace {

void run_train(const TrainRequest& request) {
  prepare_torch_environment("train");
  void* const entry = module_function(load_module("libgyre_train.so", "train"), "gyre_train_entry", "train");
  reinterpret_cast<decltype(&gyre_train_entry)>(entry)(request);
}

}  // namespace

void add_train(CLI::App& program) {
  auto request = std::make_shared<TrainRequest>();
  CLI::App* command = program.add_subcommand("train", "Train a looped transformer from a config file and text");
  command->add_option("--config", request->config, "Model and training settings (JSON)")->required();
  command
      ->add_option("--data", request->data,
                   "Text file, folder of *.txt, or JSON lines of prompts and answers or of conversations")
      ->required();
  command->add_option("--out", request->out, "Folder for the model or adapter, checkpoints and metrics")->required();
  command->add_option(
      "--from", request->from,
      "Train this model on: a folder of gyre or Hugging Face, or a GGUF file. Its description, weights, "
      "tokenizer and chat template are taken; the config then holds \"training\", and \"adapter\" or \"retrofit\"");
  command->add_flag(
      "--resume", request->resume,
      "Go on from the latest checkpoint in --out, which must be of the same run: the same model, data and "
      "training settings, and the same --from. Free to change: training.steps (--steps), evaluate_*, checkpoint_*, "
      "export_bf16, the model's name, --threads and --device");
  add_threads_option(*command, request->threads);
  command->add_option("--steps", request->steps, "Steps in place of the config's count; the schedule is fitted to them")
      ->check(whole_number(1));
  command->add_option("--device", request->device,
                      "cpu, cuda or cuda:N, where the LibTorch of this build and the machine have it (default: cpu). A "
                      "run may go on elsewhere; its numbers are then those of another arithmetic");
  add_rank_timeout_option(*command, request->ranks);
  command->add_flag("--json", request->json,
                    "Print the rows of metrics.jsonl as they come, and the result last, as JSON lines");
  command->footer(
      "Examples:\n"
      "  gyre train --config configs/shakespeare.json --data input.txt --out runs/shakespeare\n"
      "  gyre train --config configs/shakespeare.json --data input.txt --out runs/shakespeare --resume\n"
      "  torchrun --nproc-per-node 2 --no-python gyre train --config configs/shakespeare.json --data input.txt \\\n"
      "    --out runs/two\n"
      "  gyre train --from Qwen3-0.6B --config training.json --data notes.txt --out runs/notes");
  request->stop = interrupt();
  command->callback([request] {
    read_rank_environment(request->ranks);
    run_train(*request);
  });
}

}  // namespace gyre::cli
