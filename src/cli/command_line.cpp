#include "cli/command_line.hpp"

#include <cstdlib>

namespace gyre::cli {

CommandLine::CommandLine(std::string_view command) {
  if (const char* isa = std::getenv("GYRE_ISA"); isa != nullptr) text_ = "GYRE_ISA=" + shell_word(isa) + " ";
  text_ += command;
}

void CommandLine::add_run(const RunOptions& run) {
  if (!run.loops.empty()) add("--loops", run.loops);
  if (!run.layer_loops.runs.empty()) {
    add("--loop", run.layer_loops.runs);
    add("--damping", run.layer_loops.damping);
  }
  if (!run.weights.empty()) add("--weights", run.weights);
  add("--kv", run.kv_policy);
  add("--kv-type", run.kv_type);
  add("--first-state", run.first_state);
  if (!run.test_noise.empty()) add("--test-noise", run.test_noise);
  if (run.arithmetic != RunOptions().arithmetic) add("--arithmetic", run.arithmetic);
  add("--threads", thread_count(run));
  add("--seed", run.seed);
}

}  // namespace gyre::cli
