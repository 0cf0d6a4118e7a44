#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace gyre {

/// Rows of `hidden` numbers that stay where they are while others come and go.
class RowBlocks {
 public:
  explicit RowBlocks(std::size_t hidden) : hidden_(hidden) {}

  /// Makes the row if it is not there yet.
  std::span<float> operator[](std::size_t row) {
    while (blocks_.size() <= row / kRows) blocks_.push_back(std::make_unique<float[]>(kRows * hidden_));  // NOLINT
    return {blocks_[row / kRows].get() + row % kRows * hidden_, hidden_};
  }

 private:
  static constexpr std::size_t kRows = 16;

  std::size_t hidden_;
  std::vector<std::unique_ptr<float[]>> blocks_;  // NOLINT(modernize-avoid-c-arrays)
};

/// The states of tokens in flight, and what else a token carries from loop to loop. A kind of row takes no memory
/// before somebody uses it.
class StatePool {
 public:
  explicit StatePool(std::size_t hidden)
      : states(hidden), embedded(hidden), handed(hidden), fast(hidden), steps(hidden), checked(hidden), kept(hidden) {}

  [[nodiscard]] std::size_t take() {
    if (free_.empty()) return count_++;
    const std::size_t row = free_.back();
    free_.pop_back();
    return row;
  }
  void give_back(std::size_t row) { free_.push_back(row); }
  [[nodiscard]] bool unused() const { return free_.size() == count_; }

  RowBlocks states;    ///< after the last loop
  RowBlocks embedded;  ///< as it boarded, for layers that mix it in
  RowBlocks handed;    ///< what the group was handed
  RowBlocks fast;      ///< the states of the group's fast stack
  RowBlocks steps;     ///< the last step, for rules that read norms
  RowBlocks checked;   ///< at the last check, for rules that compare with it
  RowBlocks kept;      ///< what a token takes out of the group, where that is not its last state

 private:
  std::vector<std::size_t> free_;
  std::size_t count_ = 0;
};

/// A row of a pool, until it goes out of scope.
class StateRow {
 public:
  StateRow() = default;
  explicit StateRow(StatePool& pool) : pool_(&pool), index_(pool.take()) {}
  StateRow(StateRow&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), index_(other.index_) {}
  StateRow& operator=(StateRow&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(index_, other.index_);
    return *this;
  }
  StateRow(const StateRow&) = delete;
  StateRow& operator=(const StateRow&) = delete;
  ~StateRow() {
    if (pool_ != nullptr) pool_->give_back(index_);
  }

  [[nodiscard]] std::size_t index() const { return index_; }

 private:
  StatePool* pool_ = nullptr;
  std::size_t index_ = 0;
};

}  // namespace gyre
