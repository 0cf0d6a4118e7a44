#pragma once

#include <cstddef>
#include <vector>

#include "model/spec.hpp"

namespace gyre {

/// Cosines and sines by which the pairs of a head are turned at a position, [pairs] each.
struct Angles {
  const float* cosines = nullptr;
  const float* sines = nullptr;
};

/// Sequences with room for `context` positions that turn alike have one length: 0, unless the model turns long ones
/// otherwise.
int rotary_length(const ModelSpec& spec, int context);

/// The angles of a model with rotary positions: a table for each way in which its layers and sequences turn.
class Rotary {
 public:
  explicit Rotary(const ModelSpec& spec);

  [[nodiscard]] std::size_t pairs() const { return pairs_; }
  /// Makes room for `positions` positions of sequences of a rotary_length().
  void reserve(int length, int positions);
  /// Of a position below those of reserve(), in a layer that sees a window or all.
  [[nodiscard]] Angles at(int length, bool window, int position) const;

 private:
  struct Table {
    int length;   ///< rotary_length() of the sequences that it is for
    bool window;  ///< for layers that see a window, where these turn otherwise
    std::vector<double> frequencies;
    std::vector<float> cosines;
    std::vector<float> sines;
  };

  [[nodiscard]] bool is_of_window(bool window) const { return window && spec_.window_theta > 0; }
  [[nodiscard]] std::vector<double> frequencies(int length, bool window) const;
  void grow(int length, bool window, int positions);

  const ModelSpec& spec_;
  std::size_t pairs_;
  std::vector<Table> tables_;
};

}  // namespace gyre
