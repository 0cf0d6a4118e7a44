#pragma once

#include <algorithm>
#include <chrono>
#include <string>

#include "base/processors.hpp"

namespace gyre {

/// Which of several processes that train one model together this one is, and where they meet.
struct Ranks {
  int rank = 0;                        ///< from 0; the first one reads and writes the run's folder
  int world = 1;                       ///< processes in all; 1: this one is alone and talks to nobody
  std::string address;                 ///< host of the first rank
  int port = 0;                        ///< on which the first rank waits for the others
  int on_machine = 1;                  ///< processes on this machine, which share its processors
  std::string interface = {};          ///< network interface to talk through; empty: that of this machine's name
  std::chrono::seconds timeout{1800};  ///< how long a rank waits for another, an evaluation of the first included
};

/// Threads of one rank: those asked for, or (0) its part of the processors that it may use.
inline int threads_of(int asked, const Ranks& ranks) {
  return asked > 0 ? asked : std::max(1, usable_processors() / ranks.on_machine);
}

/// Every world-th row of a batch, from row `rank` on.
struct RowShare {
  int rank = 0;
  int world = 1;
};

}  // namespace gyre
