#pragma once

#include <CLI/CLI.hpp>
#include <string_view>

namespace gyre::cli {

/// Parses the flags and runs the command that they name. Every mistake ends in one line on standard error. Returns the
/// exit status: 0, 2 for a mistake, 70 for a fault of the program, 130 behind Ctrl-C. `smaller` is what to give less of
/// when memory is out.
int run_program(CLI::App& program, int argc, char** argv, std::string_view smaller);

}  // namespace gyre::cli
