#include <dlfcn.h>

#include <cstdlib>
#include <memory>

#include "base/error.hpp"
#include "cli/commands.hpp"
#include "train/trainer.hpp"

namespace gyre::cli {
namespace {

namespace fs = std::filesystem;

/// The training module: beside the program, or where an installation puts libraries.
void* load_training_module() {
  const fs::path program = fs::read_symlink("/proc/self/exe").parent_path();
  std::string problem;
  for (const fs::path& folder : {program, program / "../lib"}) {
    const fs::path module = folder / "libgyre_train.so";
    if (!fs::exists(module)) continue;
    if (void* handle = ::dlopen(module.c_str(), RTLD_NOW | RTLD_GLOBAL)) return handle;
    problem = ::dlerror();
  }
  if (!problem.empty()) throw Error("train: cannot load the training module: {}", problem);
  throw Error("train: this gyre was built without training; install LibTorch (Debian: libtorch-dev) and build again");
}

/// LibTorch picks AVX2 and a BLAS with a thread pool of its own unless told otherwise before it is loaded.
void prepare_torch_environment() {
  constexpr int kKeepTheUsersChoice = 0;
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2")) throw Error("train: this processor lacks AVX2, which training needs");
  if (__builtin_cpu_supports("avx512bw")) ::setenv("ATEN_CPU_CAPABILITY", "avx512", kKeepTheUsersChoice);
#endif
  // A library that is already loaded under the same name is what the module will be given.
  for (const char* blas : {"/usr/lib/x86_64-linux-gnu/openblas-openmp/libblas.so.3",
                           "/usr/lib/aarch64-linux-gnu/openblas-openmp/libblas.so.3"}) {
    if (fs::exists(blas)) ::dlopen(blas, RTLD_NOW | RTLD_GLOBAL);
  }
}

void run_train(const TrainRequest& request) {
  prepare_torch_environment();
  void* entry = ::dlsym(load_training_module(), "gyre_train_entry");
  if (entry == nullptr) throw Error("train: the training module is of another version; build it again");
  reinterpret_cast<decltype(&gyre_train_entry)>(entry)(request);
}

}  // namespace

void add_train(CLI::App& program) {
  auto request = std::make_shared<TrainRequest>();
  CLI::App* command = program.add_subcommand("train", "Train a looped transformer from a config file and text");
  command->add_option("--config", request->config, "Model and training settings (JSON)")->required();
  command->add_option("--data", request->data, "Text file, folder of *.txt, or JSON lines of prompts and answers")
      ->required();
  command->add_option("--out", request->out, "Folder for the model, checkpoints and metrics")->required();
  command->add_flag("--resume", request->resume, "Go on from the latest checkpoint in --out");
  command->add_option("--threads", request->threads, "Threads (default: all cores)")->check(CLI::Range(1, 1024));
  command->add_option("--steps", request->steps, "Steps in place of the config's count; the schedule is fitted to them")
      ->check(CLI::PositiveNumber);
  command->footer(
      "Examples:\n"
      "  gyre train --config configs/shakespeare.json --data input.txt --out runs/shakespeare\n"
      "  gyre train --config configs/shakespeare.json --data input.txt --out runs/shakespeare --resume");
  command->callback([request] { run_train(*request); });
}

}  // namespace gyre::cli
