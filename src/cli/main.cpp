#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <new>
#include <stdexcept>
#include <system_error>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "cli/commands.hpp"

namespace {

constexpr int kMistake = 2;
constexpr int kInterrupted = 130;
constexpr int kInternal = 70;

int report_parse_error(const CLI::App& program, const CLI::ParseError& failure) {
  if (failure.get_exit_code() == 0) return program.exit(failure);  // --help and --version
  std::string message = failure.what();
  if (const std::vector<std::string> left = program.remaining(); !left.empty()) {
    message = fmt::format(
        "\"{}\" is no command; the commands are generate, eval, study, info, bench, train, convert, "
        "quantize, pull, tokenize",
        left.front());
  }
  for (char& c : message) {
    if (c == '\n') c = ' ';
  }
  fmt::print(stderr, "gyre: {}; see gyre --help\n", message);
  return kMistake;
}

int report_out_of_memory() {
  fmt::print(stderr, "gyre: out of memory; give a smaller context, batch or model\n");
  return kMistake;
}

/// A full disk behind a redirection shows only when the last bytes are handed over.
void require_output_written() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  throw gyre::Error("cannot write to standard output: {}", gyre::system_message(errno));
}

}  // namespace

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
  gyre::cli::add_study(program);
  gyre::cli::add_info(program);
  gyre::cli::add_bench(program);
  gyre::cli::add_train(program);
  gyre::cli::add_convert(program);
  gyre::cli::add_quantize(program);
  gyre::cli::add_pull(program);
  gyre::cli::add_tokenize(program);
  gyre::watch_for_interrupt();
  try {
    program.parse(argc, argv);
    require_output_written();
    return gyre::interrupted() ? kInterrupted : 0;
  } catch (const CLI::ParseError& failure) {
    return report_parse_error(program, failure);
  } catch (const gyre::Error& failure) {
    fmt::print(stderr, "gyre: {}\n", failure.what());
    return gyre::interrupted() ? kInterrupted : kMistake;
  } catch (const std::system_error& failure) {
    fmt::print(stderr, "gyre: {}\n", failure.what());
    return kMistake;
  } catch (const std::bad_alloc&) {
    return report_out_of_memory();
  } catch (const std::length_error&) {  // a size beyond what a container can have
    return report_out_of_memory();
  } catch (const std::exception& failure) {
    fmt::print(stderr, "gyre: internal error: {}\n", failure.what());
    return kInternal;
  }
}
