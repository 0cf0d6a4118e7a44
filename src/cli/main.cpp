#include "cli/commands.hpp"
#include "cli/program.hpp"

int main(int argc, char** argv) {
  CLI::App program("gyre trains, runs and studies recurrent-depth (looped) transformers on CPUs.", "gyre");
  program.set_version_flag("--version", "gyre " GYRE_VERSION);
  program.require_subcommand(1);
  program.footer(
      "Start here:\n"
      "  gyre info -m models/shakespeare\n"
      "  gyre generate -m models/shakespeare -p \"ROMEO:\" --exit accel:tau=0.05,form=relative\n"
      "  gyre COMMAND --help");
  gyre::cli::add_generate(program);
  gyre::cli::add_eval(program);
  gyre::cli::add_calibrate(program);
  gyre::cli::add_train_exit(program);
  gyre::cli::add_study(program);
  gyre::cli::add_info(program);
  gyre::cli::add_bench(program);
  gyre::cli::add_train(program);
  gyre::cli::add_grpo(program);
  gyre::cli::add_judge(program);
  gyre::cli::add_convert(program);
  gyre::cli::add_quantize(program);
  gyre::cli::add_pull(program);
  gyre::cli::add_tokenize(program);
  gyre::cli::add_embed(program);
  gyre::cli::add_serve(program);
  return gyre::cli::run_program(program, argc, argv, "a smaller context, batch or model");
}
