#include "cli/program.hpp"
#include "raman/commands/commands.hpp"

int main(int argc, char** argv) {
  CLI::App program("gyre-raman tells where a mineral may have been found from its Raman spectrum.", "gyre-raman");
  program.set_version_flag("--version", "gyre-raman " GYRE_VERSION);
  program.require_subcommand(1);
  program.footer(
      "Start here:\n"
      "  gyre-raman cv --config configs/raman.json --data excellent_unoriented.zip --out runs/cv\n"
      "  gyre-raman train --config configs/raman.json --data excellent_unoriented.zip --out runs/raman\n"
      "  gyre-raman predict -m runs/raman/model my_spectrum.txt");
  gyre::raman::add_train(program);
  gyre::raman::add_cv(program);
  gyre::raman::add_predict(program);
  gyre::raman::add_report(program);
  gyre::raman::add_labels(program);
  return gyre::cli::run_program(program, argc, argv, "fewer spectra or a smaller model");
}
