#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels/packed.hpp"
#include "model/tensor_source.hpp"

namespace gyre {

/// "f32", "bf16", "q8_0", "q4_k", "ternary", …: how matrices are held in memory, of those that numbers can be rounded
/// to. Throws Error naming `flag`.
WeightType parse_weight_type(const std::string& text, const std::string& flag);
/// "f32, bf16, …": what parse_weight_type takes, for help.
std::string weight_type_names();
std::string_view name_of(WeightType type);

/// Memory for weights that stay: large pieces, on huge pages where the system grants them, so that walking through a
/// looped group does not wait for address translation.
class WeightMemory {
 public:
  /// `bytes` bytes, 64-byte aligned, zeros.
  std::byte* allocate(std::size_t bytes);
  [[nodiscard]] std::size_t allocated() const { return allocated_; }
  /// Keeps the parts of a matrix beside its weights, at addresses that stay.
  std::span<const PackedMatrix> keep(std::vector<PackedMatrix> parts) { return parts_.emplace_back(std::move(parts)); }
  /// All that was allocated, a span for each piece.
  [[nodiscard]] std::span<const std::span<const std::byte>> spans() const { return spans_; }

 private:
  struct Unmap {
    std::size_t size = 0;
    void operator()(std::byte* memory) const;
  };
  std::vector<std::unique_ptr<std::byte, Unmap>> pieces_;
  std::vector<std::span<const std::byte>> spans_;
  std::deque<std::vector<PackedMatrix>> parts_;
  std::byte* free_ = nullptr;
  std::size_t left_ = 0;
  std::size_t allocated_ = 0;
};

/// Some rows of a matrix.
struct RowRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Rows of a matrix and the type they are held in.
struct HeldRows {
  RowRange rows;
  WeightType type = WeightType::f32;
};

/// How a matrix is held: all rows as `wanted`, or each as it is stored. Where that has no kernel (or the rows are no
/// whole number of blocks, or those of one type no whole number of panels) all are f32.
std::vector<HeldRows> held_rows(const TensorSource& source, const std::string& name, std::optional<WeightType> wanted);

/// Packs these rows of the matrix `name`, which is held so. Throws Error when `range` leaves a part of several without
/// whole panels.
PackedMatrix pack_matrix(const TensorSource& source, const std::string& name, RowRange range,
                         std::span<const HeldRows> held, WeightMemory& memory);

}  // namespace gyre
