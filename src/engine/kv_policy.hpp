#pragma once

#include <string>

#include "kernels/kv_rows.hpp"

namespace gyre {

/// Where the keys and values of a looped layer are kept, and what a token reads of earlier ones that ran other loops.
struct KvPolicy {
  /// The slot that loop t (from 0) writes. A slot holds one entry a token; a later loop replaces it.
  enum class Slots {
    loop,    ///< t: every loop keeps its own
    ring,    ///< t mod count: the last `count` loops of a token survive
    run,     ///< t div count: of every `count` loops in a row the last one survives
    anchor,  ///< min(t, count): the first `count` loops keep their own, later ones share one
  };
  /// What a token in loop t reads of an earlier token, s being the slot of t.
  enum class Lookup {
    latest,  ///< the largest slot up to s that the earlier token wrote
    full,    ///< slot s; earlier tokens that never wrote it are not there for this loop
    /// Slot s where every earlier token wrote it, else of each its last loop, be it deeper than t. With Slots::loop.
    all_or_last,
  };

  Slots slots = Slots::loop;
  int count = 0;
  Lookup lookup = Lookup::latest;
  KvType type = KvType::f32;  ///< how they are kept

  [[nodiscard]] int slot(int loop) const;
  /// Slots of a layer that runs up to `loops` loops.
  [[nodiscard]] int slot_count(int loops) const;
  bool operator==(const KvPolicy&) const = default;
};

/// "latest", "full", "last" (the ring of one slot), with ":ring=K", ":run=K" or ":anchor=A" behind "latest".
/// "available" (the very loop where an earlier token ran it, else its latest) is another name of "latest";
/// "all_or_last" is Huginn's "always last" to the letter. Throws Error naming `flag`.
KvPolicy parse_kv_policy(const std::string& text, const std::string& flag);
std::string name_of(const KvPolicy& policy);

}  // namespace gyre
