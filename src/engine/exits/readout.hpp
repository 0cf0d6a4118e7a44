#pragma once

#include <array>
#include <string_view>

#include "engine/exit_rule.hpp"

namespace gyre {

/// What rules that read logits say of their option `decode`.
inline constexpr std::array<std::string_view, 2> kReadoutNames = {"coda", "lens"};
inline constexpr ExitOptionHelp kReadoutHelp = {
    "decode", "coda (every later group once, then the head; default) or lens (the head alone)"};

inline LoopStep::Readout read_readout(ExitOptions& options) {
  return static_cast<LoopStep::Readout>(options.choice("decode", kReadoutNames, std::size_t{0}));
}

}  // namespace gyre
