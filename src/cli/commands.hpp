#pragma once

#include <CLI/CLI.hpp>

namespace gyre::cli {

// Each adds one subcommand: its flags, its help with examples, and the call that runs it.
void add_train(CLI::App& program);

}  // namespace gyre::cli
