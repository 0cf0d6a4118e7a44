#pragma once

#include <cstdint>

#include "engine/attention_trace.hpp"
#include "engine/kv_cache.hpp"

namespace gyre {

/// A token that is being run: one row of the states.
struct TokenRow {
  std::int32_t token = 0;
  int position = 0;
  int offset = 0;  ///< rows of the same sequence before this one
  int reach = 1;   ///< rows of the same sequence that it attends to, from the first: offset + 1 in causal attention
  int loop = 0;    ///< loops done in the group; this one uses other slots than the next
  KvCache* cache = nullptr;
  const AttentionSink* attention = nullptr;  ///< hears of its scores; may be null
};

}  // namespace gyre
