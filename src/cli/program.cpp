#include "cli/program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.hpp"
#include "cli/interrupt.hpp"

namespace gyre::cli {
namespace {

constexpr int kMistake = 2;
constexpr int kInterrupted = 130;
constexpr int kInternal = 70;

std::string command_names(CLI::App& program) {
  std::string names;
  for (const CLI::App* command : program.get_subcommands({})) {
    names += (names.empty() ? "" : ", ") + command->get_name();
  }
  return names;
}

/// What a message quotes of files and programs may hold line ends, and signs that a terminal obeys.
std::string on_one_line(std::string_view message) {
  std::string line(message);
  const auto control = [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; };
  std::replace_if(line.begin(), line.end(), control, ' ');
  return line;
}

int report_parse_error(CLI::App& program, const CLI::ParseError& failure) {
  if (failure.get_exit_code() == 0) return program.exit(failure);  // --help and --version
  std::string message = failure.what();
  if (const std::vector<std::string> left = program.remaining(); !left.empty()) {
    message = fmt::format("\"{}\" is no command; the commands are {}", left.front(), command_names(program));
  }
  std::string asked = program.get_name();
  for (const CLI::App* command = &program; !command->get_subcommands().empty();) {
    command = command->get_subcommands().front();
    asked += " " + command->get_name();
  }
  fmt::print(stderr, "{}: {}; see {} --help\n", program.get_name(), on_one_line(message), asked);
  return kMistake;
}

/// A full disk behind a redirection shows only when the last bytes are handed over.
void require_output_written() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  throw Error("cannot write to standard output: {}", system_message(errno));
}

}  // namespace

int run_program(CLI::App& program, int argc, char** argv, std::string_view smaller) {
  const auto report = [&](std::string_view message) {
    fmt::print(stderr, "{}: {}\n", program.get_name(), on_one_line(message));
  };
  const auto report_out_of_memory = [&] { report(fmt::format("out of memory; give {}", smaller)); };
  watch_for_interrupt();
  try {
    program.parse(argc, argv);
    require_output_written();
    return interrupt().requested() ? kInterrupted : 0;
  } catch (const CLI::ParseError& failure) {
    return report_parse_error(program, failure);
  } catch (const Error& failure) {
    report(failure.what());
    return interrupt().requested() ? kInterrupted : kMistake;
  } catch (const std::system_error& failure) {
    report(failure.what());
    return kMistake;
  } catch (const std::bad_alloc&) {
    report_out_of_memory();
    return kMistake;
  } catch (const std::length_error&) {  // a size beyond what a container can have
    report_out_of_memory();
    return kMistake;
  } catch (const std::exception& failure) {
    report(fmt::format("internal error: {}", failure.what()));
    return kInternal;
  }
}

}  // namespace gyre::cli
