#include "cli/ranks.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "cli/checks.hpp"

namespace gyre::cli {
namespace {

constexpr int kMostRanks = 4096;
constexpr int kMostPorts = 65535;
constexpr int kLongestTimeout = 7 * 24 * 3600;

std::optional<std::string> variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

/// Throws Error, naming the variable, when it is no whole number in these bounds.
int number_in(const char* name, const std::string& text, int least, int most) {
  int value = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure == std::errc() && stop == text.data() + text.size() && value >= least && value <= most) return value;
  throw Error(
      "{} in the environment is \"{}\"; several processes that train together need a whole number from {} to {}", name,
      text, least, most);
}

std::string required(const char* name, const char* meaning) {
  const std::optional<std::string> value = variable(name);
  if (value && !value->empty()) return *value;
  throw Error("WORLD_SIZE is set, and {} is not; set it to {}, as torchrun does, or unset WORLD_SIZE to train alone",
              name, meaning);
}

}  // namespace

void read_rank_environment(Ranks& ranks) {
  const std::optional<std::string> world = variable("WORLD_SIZE");
  const std::optional<std::string> rank = variable("RANK");
  if (!world && rank) {
    throw Error("RANK is set, and WORLD_SIZE is not; set it to the number of processes, or unset RANK to train alone");
  }
  if (!world) return;
  ranks.world = number_in("WORLD_SIZE", *world, 1, kMostRanks);
  if (rank || ranks.world > 1) {
    ranks.rank = number_in("RANK", required("RANK", "the number of this process"), 0, ranks.world - 1);
  }
  if (ranks.world == 1) return;
  ranks.address = required("MASTER_ADDR", "the host of rank 0");
  ranks.port = number_in("MASTER_PORT", required("MASTER_PORT", "a free port of that host"), 1, kMostPorts);
  if (const auto local = variable("LOCAL_WORLD_SIZE")) {
    ranks.on_machine = number_in("LOCAL_WORLD_SIZE", *local, 1, ranks.world);
  }
  ranks.interface = variable("GLOO_SOCKET_IFNAME").value_or("");
}

CLI::Option* add_rank_timeout_option(CLI::App& command, Ranks& ranks) {
  return command
      .add_option_function<int>(
          "--rank-timeout", [&ranks](int seconds) { ranks.timeout = std::chrono::seconds(seconds); },
          "Of several processes (RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT in the environment, as torchrun sets "
          "them): the seconds that one waits for another, an evaluation of the first included (default: 1800)")
      ->check(whole_number(1, kLongestTimeout));
}

}  // namespace gyre::cli
