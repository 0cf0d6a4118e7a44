#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "model/spec.hpp"

namespace gyre {

/// Which group of a stack runs next, and who may join. A schedule changes what a token costs, never what it says.
enum class Schedule {
  lockstep,  ///< everybody boards together and moves from group to group together; nobody joins on the way
  rows,      ///< whoever is ready boards; where most rows can share a pass over the weights, it is made
};
/// Throws Error naming `flag`.
Schedule parse_schedule(const std::string& text, const std::string& flag);
std::string_view name_of(Schedule schedule);

/// Tokens that wait before a group.
struct Waiting {
  std::size_t rows = 0;
  int patience = 0;  ///< how many runs in a row the longest waiting of them has been passed over
};

/// The group that runs next; some token waits before one of them.
///
/// Under `rows` that is the group with most rows, of equal ones the earliest, so that others can catch up. In a stack
/// of several looped groups waiting for company costs more than it gives (a row that joins one group late is late for
/// all that follow): there the earliest group goes first. Whoever was passed over for as many runs as a token makes at
/// full depth is waited for no longer.
std::size_t next_group(Schedule schedule, std::span<const Waiting> groups, const ModelSpec& spec);

/// Whether a token may board while others are in flight.
constexpr bool joins(Schedule schedule) { return schedule != Schedule::lockstep; }

}  // namespace gyre
