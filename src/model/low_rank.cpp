#include "model/low_rank.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace gyre {
namespace {

/// Row r of scale · B A, added to `row`.
void add_row(const LowRank& part, std::size_t r, std::span<float> row) {
  for (std::size_t k = 0; k < part.rank; ++k) {
    const float factor = part.scale * part.up[r * part.rank + k];
    const float* const down = part.down.data() + k * row.size();
    for (std::size_t i = 0; i < row.size(); ++i) row[i] += factor * down[i];
  }
}

float length_of(std::span<const float> row) {
  double sum = 0;
  for (const float value : row) sum += static_cast<double>(value) * static_cast<double>(value);
  return static_cast<float>(std::sqrt(sum));
}

/// m / ‖row‖, the row being one of W + scale · B A. A row of zeros stays one.
float gain_of(float magnitude, std::span<const float> row) {
  const float length = length_of(row);
  return length > 0 ? magnitude / length : 0.0F;
}

LowRankRows packed(const LowRank& part, std::size_t skipped, RowRange rows, std::size_t in) {
  LowRankRows change;
  change.rows = rows;
  const std::size_t bytes = packed_bytes(WeightType::f32, part.rank, in);
  change.data.resize(bytes + kPanelVector);
  const auto address = reinterpret_cast<std::uintptr_t>(change.data.data());
  std::byte* const data = change.data.data() + (kPanelVector - address % kPanelVector) % kPanelVector;
  change.down = {WeightType::f32, part.rank, in, data};
  for (std::size_t p = 0; p < change.down.panels(); ++p) {
    std::array<const std::byte*, kPanelRows> panel{};
    for (std::size_t r = 0; r < kPanelRows && p * kPanelRows + r < part.rank; ++r) {
      panel[r] = std::as_bytes(std::span(part.down).subspan((p * kPanelRows + r) * in, in)).data();
    }
    pack_panel(WeightType::f32, panel, in, data + p * panel_bytes(WeightType::f32, in));
  }
  const std::size_t count = rows.end - rows.begin;
  change.up.resize(part.rank * count);
  for (std::size_t k = 0; k < part.rank; ++k) {
    for (std::size_t r = 0; r < count; ++r) {
      change.up[k * count + r] = part.scale * part.up[(skipped + r) * part.rank + k];
    }
  }
  return change;
}

}  // namespace

LinearAdapter linear_adapter(std::span<const PlacedLowRank> parts, RowRange range, std::size_t in,
                             std::span<const float> weights) {
  LinearAdapter adapter;
  for (const PlacedLowRank& placed : parts) {
    const LowRank& part = placed.part;
    const RowRange shared{std::max(placed.rows.begin, range.begin), std::min(placed.rows.end, range.end)};
    if (shared.begin >= shared.end) continue;
    const auto set = static_cast<std::size_t>(std::max(part.loop, 0));
    if (adapter.sets.size() <= set) adapter.sets.resize(set + 1);
    AdaptedRows& rows = adapter.sets[set];
    const RowRange own{shared.begin - range.begin, shared.end - range.begin};
    rows.changes.push_back(packed(part, shared.begin - placed.rows.begin, own, in));
    if (part.magnitude.empty()) continue;
    rows.gains.resize(range.end - range.begin, 1.0F);
    std::vector<float> row(in);
    for (std::size_t r = shared.begin; r < shared.end; ++r) {
      const std::span<const float> stored = weights.subspan(r * in, in);
      std::copy(stored.begin(), stored.end(), row.begin());
      add_row(part, r - placed.rows.begin, row);
      rows.gains[r - range.begin] = gain_of(part.magnitude[r - placed.rows.begin], row);
    }
  }
  return adapter;
}

void merge(std::span<const PlacedLowRank> parts, std::size_t in, std::span<float> weights) {
  for (const PlacedLowRank& placed : parts) {
    for (std::size_t r = placed.rows.begin; r < placed.rows.end; ++r) {
      const std::span<float> row = weights.subspan(r * in, in);
      const std::size_t own = r - placed.rows.begin;
      add_row(placed.part, own, row);
      if (placed.part.magnitude.empty()) continue;
      const float gain = gain_of(placed.part.magnitude[own], row);
      for (float& value : row) value *= gain;
    }
  }
}

}  // namespace gyre
