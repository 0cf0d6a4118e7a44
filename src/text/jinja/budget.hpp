#pragma once

#include <cstddef>

#include "text/jinja/failure.hpp"

namespace gyre::jinja {

/// How deep statements and expressions of a source may lie in one another.
inline constexpr int kDeepestSource = 100;
/// How deep lists and dicts may lie in one another.
inline constexpr int kDeepestValue = 100;
/// The longest text that one expression or the whole output may be, in bytes.
inline constexpr std::size_t kLongestText = std::size_t{4} << 20U;
/// The most items of one list.
inline constexpr std::size_t kMostItems = 500'000;

/// What running a template may cost. Every limit is far from what published templates need; each throws LimitReached.
class Budget {
 public:
  /// Counts elementary steps: expressions, statements, elements compared or copied.
  void step(std::size_t count = 1) {
    constexpr std::size_t kMost = 4'000'000;
    steps_ += count;
    if (steps_ > kMost || count > kMost) throw LimitReached("it takes more than {} steps", kMost);
  }

  /// Counts a list of `count` items that is about to be made.
  void items(std::size_t count) {
    if (count > kMostItems) throw LimitReached("it makes a list of more than {} items", kMostItems);
    step(count);
  }

  /// Counts a text of `bytes` that is about to be made.
  void text(std::size_t bytes) {
    constexpr std::size_t kMost = std::size_t{192} << 20U;
    if (bytes > kLongestText) throw LimitReached("it makes a text of more than {} bytes", kLongestText);
    bytes_ += bytes;
    if (bytes_ > kMost) throw LimitReached("it makes more than {} bytes of text", kMost);
  }

  /// One more expression, statement or call inside another for as long as this lives.
  class Level {
   public:
    explicit Level(Budget& budget) : budget_(budget) {
      constexpr int kMost = 700;
      if (++budget_.depth_ > kMost) {
        --budget_.depth_;
        throw LimitReached("its calls lie more than {} levels deep in one another", kMost);
      }
    }
    ~Level() { --budget_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Budget& budget_;
  };

 private:
  std::size_t steps_ = 0;
  std::size_t bytes_ = 0;
  int depth_ = 0;
};

}  // namespace gyre::jinja
