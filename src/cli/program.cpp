#include "cli/program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <new>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
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

/// Edits of a letter, put in, left out or changed, that make one word of the other.
std::size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::size_t> edits(b.size() + 1);  // from the letters of `a` so far to the first j of `b`
  std::iota(edits.begin(), edits.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(edits[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = edits[j + 1];
      edits[j + 1] = std::min({changed, edits[j] + 1, diagonal + 1});
    }
  }
  return edits.back();
}

/// The flag of `command` that `word` was likely meant for, "" if none is near: a slip of the fingers, or one name in
/// the other, as in --max-tokens and --tokens.
std::string flag_near(const CLI::App& command, const std::string& word) {
  std::string nearest;
  std::size_t fewest = word.size();
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      const std::string flag = "--" + name;
      const std::size_t edits = edits_between(word, flag);
      const bool inside = word.ends_with("-" + name) || flag.ends_with(word.substr(1));
      if ((inside || edits <= 2) && edits < fewest) {
        nearest = flag;
        fewest = edits;
      }
    }
  }
  return nearest;
}

std::string unexpected(const CLI::App& command, const std::string& called, const std::vector<std::string>& words) {
  const auto is_flag = [](const std::string& word) { return word.size() > 2 && word.starts_with("--"); };
  const auto flag = std::find_if(words.begin(), words.end(), is_flag);
  if (flag == words.end()) return fmt::format("\"{}\" is not expected", words.front());
  const std::string name = flag->substr(0, flag->find('='));
  const std::string near = flag_near(command, name);
  return fmt::format("{} is no flag of {}{}", name, called, near.empty() ? "" : "; there is " + near);
}

int report_parse_error(CLI::App& program, const CLI::ParseError& failure) {
  if (failure.get_exit_code() == 0) return program.exit(failure);  // --help and --version
  std::string called = program.get_name();
  const CLI::App* command = &program;
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    called += " " + command->get_name();
  }
  std::string message = failure.what();
  if (const std::vector<std::string> left = program.remaining(); !left.empty() && !left.front().starts_with("--")) {
    message = fmt::format("\"{}\" is no command; the commands are {}", left.front(), command_names(program));
  } else if (const std::vector<std::string> words = command->remaining(); !words.empty()) {
    message = unexpected(*command, called, words);
  }
  fmt::print(stderr, "{}: {}; see {} --help\n", program.get_name(), on_one_line(message), called);
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
