#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <new>
#include <system_error>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "raman/commands/commands.hpp"

namespace {

constexpr int kMistake = 2;
constexpr int kInterrupted = 130;
constexpr int kInternal = 70;

int report_parse_error(const CLI::App& program, const CLI::ParseError& failure) {
  if (failure.get_exit_code() == 0) return program.exit(failure);  // --help and --version
  std::string message = failure.what();
  for (char& c : message) {
    if (c == '\n') c = ' ';
  }
  fmt::print(stderr, "gyre-raman: {}; see gyre-raman --help\n", message);
  return kMistake;
}

/// A full disk behind a redirection shows only when the last bytes are handed over.
void require_output_written() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  throw gyre::Error("cannot write to standard output: {}", gyre::system_message(errno));
}

}  // namespace

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
  gyre::watch_for_interrupt();
  try {
    program.parse(argc, argv);
    require_output_written();
    return gyre::interrupted() ? kInterrupted : 0;
  } catch (const CLI::ParseError& failure) {
    return report_parse_error(program, failure);
  } catch (const gyre::Error& failure) {
    fmt::print(stderr, "gyre-raman: {}\n", failure.what());
    return gyre::interrupted() ? kInterrupted : kMistake;
  } catch (const std::system_error& failure) {
    fmt::print(stderr, "gyre-raman: {}\n", failure.what());
    return kMistake;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "gyre-raman: out of memory; give fewer spectra or a smaller model\n");
    return kMistake;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "gyre-raman: internal error: {}\n", failure.what());
    return kInternal;
  }
}
