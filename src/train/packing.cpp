#include "train/packing.hpp"

#include <algorithm>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include "base/random.hpp"

namespace gyre {

std::vector<RowItems> pack_best_fit(std::span<const std::size_t> lengths, std::size_t columns) {
  std::vector<std::size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return lengths[a] > lengths[b]; });
  std::vector<RowItems> rows;
  std::set<std::pair<std::size_t, std::size_t>> room;  // places left, row
  for (const std::size_t item : order) {
    const auto fullest = room.lower_bound({lengths[item], 0});
    std::size_t left = columns;
    std::size_t row = rows.size();
    if (fullest == room.end()) {
      rows.emplace_back();
    } else {
      std::tie(left, row) = *fullest;
      room.erase(fullest);
    }
    rows[row].push_back(item);
    room.emplace(left - lengths[item], row);
  }
  return rows;
}

std::vector<RowItems> pack_shuffled(std::span<const std::size_t> lengths, std::size_t columns, std::uint64_t seed,
                                    std::size_t buffer) {
  const std::vector<std::size_t> order = shuffled(lengths.size(), seed);
  std::vector<RowItems> rows;
  for (std::size_t first = 0; first < order.size(); first += buffer) {
    const std::span<const std::size_t> taken = std::span(order).subspan(first, std::min(buffer, order.size() - first));
    std::vector<std::size_t> of_taken;
    of_taken.reserve(taken.size());
    for (const std::size_t item : taken) of_taken.push_back(lengths[item]);
    for (RowItems& row : pack_best_fit(of_taken, columns)) {
      for (std::size_t& item : row) item = taken[item];
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::vector<std::size_t> shuffled(std::size_t count, std::uint64_t seed) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  Random random(seed);
  for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

}  // namespace gyre
