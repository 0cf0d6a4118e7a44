#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/kv_policy.hpp"
#include "kernels/kv_rows.hpp"
#include "model/spec.hpp"

namespace gyre {

/// Keys and values of one sequence, in pages of kKvPage entries of one layer's slot, all its heads. Pages are counted:
/// forks share them, and slots of loops that no token of a page ran share that of the last loop that one ran, so that
/// depth which is not used takes no memory. What is written is not there for later tokens before it is committed; what
/// never is, is overwritten by whoever comes next. One thread at a time, but for write() to different entries.
class KvCache {
 public:
  /// Room for `context` positions at up to `loops` loops per group. Throws Error when that is more than memory can be
  /// addressed, when layers see windows and under the policy a slot does not know every token, or when later loops
  /// attend to the first one's keys and under the policy overwrite them.
  KvCache(const ModelSpec& spec, std::vector<int> loops, int context, KvPolicy policy);
  KvCache(KvCache&&) = default;
  KvCache& operator=(KvCache&&) = default;
  KvCache& operator=(const KvCache&) = delete;
  ~KvCache() = default;

  /// Another that goes on from here. What both have is stored once.
  [[nodiscard]] KvCache fork() const { return KvCache(*this); }

  /// The slot that loop `loop` (from 0) of layer `layer` in group `group` writes and reads. Layers are counted through
  /// the passes of one loop: a run of a fast stack has slots of its own.
  [[nodiscard]] std::size_t slot(std::size_t group, int layer, int loop) const;
  /// The entry that the next token writes: the number of earlier tokens that this slot knows. Equals the position but
  /// under Lookup::full.
  [[nodiscard]] int next_entry(std::size_t slot) const { return slots_[slot].entries; }
  /// Of one kv head, from its first entry on; valid until open(), leave() or truncate().
  [[nodiscard]] KvPages head(std::size_t slot, std::size_t head) const {
    const std::size_t keys = 2 * head * head_bytes_;
    return {policy_.type, slots_[slot].table.data(), keys, keys + head_bytes_};
  }

  /// Makes room in all layers of a group for what the token `offset` entries behind the next writes in a loop.
  void open(std::size_t group, int loop, int offset);
  /// Rounds a key and a value of head_size numbers into an entry that is open.
  void write(std::size_t slot, std::size_t head, int entry, const float* key, const float* value);
  /// The token `offset` entries behind the next left `group` after `loops_done` loops. Under Lookup::latest the slots
  /// that it never wrote get its last one, which is what others read in deeper loops; under Lookup::all_or_last the
  /// slot of last loops does.
  void leave(std::size_t group, int offset, int loops_done);
  /// The next token has run so many loops a group and left them all: from now on it is there for later ones.
  void commit(std::span<const int> loops_done);
  /// Only the first `tokens` committed tokens are left.
  void truncate(int tokens);

  [[nodiscard]] const KvPolicy& policy() const { return policy_; }
  [[nodiscard]] int context() const { return context_; }
  /// The length by which its keys were turned, which a change of context does not change: see rotary.hpp.
  [[nodiscard]] int rotary_length() const { return rotary_length_; }
  /// Tokens committed.
  [[nodiscard]] int size() const { return static_cast<int>(depths_.size() / loops_.size()); }
  /// How many of its first tokens ran all loops.
  [[nodiscard]] int full_depth() const;
  /// Makes it take more positions, or fewer. Pages are made as they are wanted.
  void set_context(int context) { context_ = context; }
  /// The most loops of each group.
  [[nodiscard]] const std::vector<int>& loops() const { return loops_; }
  /// Bytes of the pages there are, those that it shares with forks included.
  [[nodiscard]] std::size_t bytes() const;
  /// Those pages.
  [[nodiscard]] std::size_t pages() const { return bytes() / page_bytes(); }
  /// What a token takes that runs all loops.
  [[nodiscard]] std::size_t bytes_per_token() const { return slots_.size() * page_bytes() / kKvPage; }

 private:
  using Page = std::shared_ptr<std::byte>;
  struct Slot {
    int entries = 0;
    std::vector<Page> pages;
    std::vector<std::byte*> table;  ///< where the pages are
  };
  struct Layers {
    int count = 0;   ///< passes of layers in one loop
    int slots = 0;   ///< of each layer
    int shared = 0;  ///< the loops that every token so far ran
    std::size_t first_slot = 0;
  };

  KvCache(const KvCache&) = default;  // fork()

  [[nodiscard]] std::size_t page_bytes() const { return 2 * heads_ * head_bytes_; }
  [[nodiscard]] std::size_t first_slot(std::size_t group, int layer) const;
  /// Slots of a layer that `loops_done` loops wrote.
  [[nodiscard]] int written_slots(std::size_t group, int loops_done) const;
  /// `tokens` more that ran so many loops; below 0 fewer.
  void count(std::span<const int> loops_done, int tokens);
  /// Makes a page of `slot` one that no earlier slot and no fork has; slots up to `end` that had the same go with it.
  void own(std::size_t slot, std::size_t end, std::size_t page);
  void share(std::size_t slot, std::size_t page, const Page& with);
  [[nodiscard]] Page new_page() const;
  void copy_entry(std::size_t from, std::size_t to, int entry);

  std::vector<int> loops_;  ///< per group, the most
  std::vector<Layers> groups_;
  std::vector<Slot> slots_;
  int left_ = 0;  ///< entries before this may hold tokens in flight that have left a group; more than that does no harm
  std::vector<std::uint16_t> depths_;  ///< [tokens, groups]: loops that each token ran
  std::size_t heads_;
  std::size_t head_size_;
  std::size_t row_bytes_;
  std::size_t head_bytes_;  ///< of the keys of a head in a page, or of its values
  int context_;
  int rotary_length_ = 0;
  KvPolicy policy_;
};

}  // namespace gyre
