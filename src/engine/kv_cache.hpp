#pragma once

#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/spec.hpp"

namespace gyre {

/// Where the keys and values of a looped layer are kept.
enum class KvPolicy {
  /// Every loop has a slot of its own; loop k reads what earlier tokens wrote in loop k. For loops that an earlier
  /// token
  /// never ran, its last loop stands in.
  per_loop,
  /// One slot a layer: every loop overwrites it, and a token reads the last loop of earlier tokens. A prompt still runs
  /// as in per_loop and leaves its last loop behind.
  last,
};

KvPolicy parse_kv_policy(const std::string& text, const std::string& flag);
std::string_view name_of(KvPolicy policy);

/// Keys and values of one sequence: [slot, position, kv_size] each. Pages that were never written take no memory.
class KvCache {
 public:
  /// Room for `context` positions at up to `loops` loops per group.
  KvCache(const ModelSpec& spec, std::vector<int> loops, int context, KvPolicy policy);

  /// The slot that loop `loop` (from 0) of layer `layer` in group `group` writes.
  [[nodiscard]] std::size_t slot(std::size_t group, int layer, int loop) const;
  [[nodiscard]] float* keys(std::size_t slot, int position) { return keys_.get() + offset(slot, position); }
  [[nodiscard]] float* values(std::size_t slot, int position) { return values_.get() + offset(slot, position); }

  /// States that `position` left `group` after `loops_done` loops: the slots of the loops it never ran are filled with
  /// its last one, which is the answer a later, deeper token gets.
  void finish_group(std::size_t group, int position, int loops_done);

  [[nodiscard]] KvPolicy policy() const { return policy_; }
  [[nodiscard]] int context() const { return context_; }
  [[nodiscard]] const std::vector<int>& loops() const { return loops_; }
  [[nodiscard]] std::size_t bytes_per_token() const { return slots_ * kv_size_ * 2 * sizeof(float); }

 private:
  struct Free {
    void operator()(float* memory) const { std::free(memory); }  // NOLINT(cppcoreguidelines-no-malloc)
  };
  using Buffer = std::unique_ptr<float, Free>;

  [[nodiscard]] std::size_t offset(std::size_t slot, int position) const {
    return (slot * static_cast<std::size_t>(context_) + static_cast<std::size_t>(position)) * kv_size_;
  }
  static Buffer allocate(std::size_t floats);

  std::vector<int> layers_;  ///< per group
  std::vector<int> loops_;   ///< per group, the most
  std::vector<std::size_t> first_slot_;
  std::size_t slots_ = 0;
  std::size_t kv_size_;
  int context_;
  KvPolicy policy_;
  Buffer keys_;
  Buffer values_;
};

}  // namespace gyre
