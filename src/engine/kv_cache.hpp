#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/kv_rows.hpp"
#include "model/spec.hpp"

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

/// Keys and values of one sequence: [slot, kv head, entry] rows of kv_row_bytes() each, entries in the order of their
/// tokens, so that what a head reads is one stream. Pages that were never written take no memory.
class KvCache {
 public:
  /// Room for `context` positions at up to `loops` loops per group. Throws Error when that is more than memory can be
  /// addressed.
  KvCache(const ModelSpec& spec, std::vector<int> loops, int context, KvPolicy policy);

  /// The slot that loop `loop` (from 0) of layer `layer` in group `group` writes and reads. Layers are counted through
  /// the passes of one loop: a run of a fast stack has slots of its own.
  [[nodiscard]] std::size_t slot(std::size_t group, int layer, int loop) const;
  /// Of one kv head, from its first entry on.
  [[nodiscard]] KvRows rows(std::size_t slot, std::size_t head) const {
    return {policy_.type, keys_.get() + offset(slot, head, 0), values_.get() + offset(slot, head, 0)};
  }
  /// Rounds a key and a value of head_size numbers into an entry.
  void write(std::size_t slot, std::size_t head, int entry, const float* key, const float* value);

  /// The entry that the next token writes: the number of earlier tokens that this slot knows. Equals the position but
  /// under Lookup::full.
  [[nodiscard]] int next_entry(std::size_t slot) const { return entries_[slot]; }

  /// The token `offset` entries behind the next left `group` after `loops_done` loops. Under Lookup::latest the slots
  /// that it never wrote get its last one, which is what others read in deeper loops; under Lookup::all_or_last the
  /// slot of last loops does.
  void leave(std::size_t group, int offset, int loops_done);

  /// The next token has run so many loops a group and left them all: from now on it is there for later ones. What was
  /// written and is never committed is overwritten by whoever comes next.
  void commit(std::span<const int> loops_done);

  [[nodiscard]] const KvPolicy& policy() const { return policy_; }
  [[nodiscard]] int context() const { return context_; }
  [[nodiscard]] const std::vector<int>& loops() const { return loops_; }
  [[nodiscard]] std::size_t bytes_per_token() const { return slots_ * heads_ * row_bytes_ * 2; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }  // NOLINT(cppcoreguidelines-no-malloc)
  };
  using Buffer = std::unique_ptr<std::byte, Free>;

  [[nodiscard]] std::size_t offset(std::size_t slot, std::size_t head, int entry) const {
    const auto context = static_cast<std::size_t>(context_);
    return ((slot * heads_ + head) * context + static_cast<std::size_t>(entry)) * row_bytes_;
  }
  /// Slots of a layer that `loops_done` loops wrote.
  [[nodiscard]] int written_slots(std::size_t group, int loops_done) const;
  void copy(std::size_t from, std::size_t to, int entry);
  /// The first slot of a layer.
  [[nodiscard]] std::size_t first_slot(std::size_t group, int layer) const;
  static Buffer allocate(std::size_t bytes);

  std::vector<int> layers_;  ///< per group, passes of layers in one loop
  std::vector<int> loops_;   ///< per group, the most
  std::vector<int> copies_;  ///< per group, slots of each layer
  std::vector<int> shared_;  ///< per group, the loops that every token so far ran
  std::vector<std::size_t> first_slot_;
  std::size_t slots_ = 0;
  std::vector<int> entries_;  ///< per slot
  std::size_t heads_;
  std::size_t head_size_;
  std::size_t row_bytes_;
  int context_;
  KvPolicy policy_;
  Buffer keys_;
  Buffer values_;
};

}  // namespace gyre
