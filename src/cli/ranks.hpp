#pragma once

#include <CLI/CLI.hpp>

#include "train/ranks.hpp"

namespace gyre::cli {

/// Reads which of several processes this one is into `ranks`, from the environment that torchrun sets: RANK,
/// WORLD_SIZE, MASTER_ADDR, MASTER_PORT and LOCAL_WORLD_SIZE; GLOO_SOCKET_IFNAME names the network interface. Without
/// WORLD_SIZE, or with one of 1, this process is alone. Throws Error naming the variable that is missing or wrong.
void read_rank_environment(Ranks& ranks);

/// --rank-timeout.
CLI::Option* add_rank_timeout_option(CLI::App& command, Ranks& ranks);

}  // namespace gyre::cli
