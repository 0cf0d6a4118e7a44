#include "raman/torch/batches.hpp"

#include <ATen/Parallel.h>
#include <torch/utils.h>

#include <algorithm>
#include <numeric>

#include "base/random.hpp"

namespace gyre::raman {

EpochOrder::EpochOrder(std::size_t examples, int batch, std::uint64_t seed, PlaceOf place_of)
    : batch_(static_cast<std::size_t>(batch)),
      seed_(seed),
      place_of_(std::move(place_of)),
      steps_per_epoch_(static_cast<int>((examples + batch_ - 1) / batch_)),
      order_(examples) {}

std::vector<std::size_t> EpochOrder::rows_of_step(int step) {
  const int epoch = (step - 1) / steps_per_epoch_;
  if (epoch != epoch_) {
    std::iota(order_.begin(), order_.end(), 0U);
    const std::uint64_t seed = combine_seeds(seed_, static_cast<std::uint64_t>(epoch));
    std::vector<Place> places;
    for (std::size_t i = 0; i < order_.size(); ++i) places.push_back(place_of_(i, seed));
    std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) { return places[a] < places[b]; });
    epoch_ = epoch;
  }
  const std::size_t begin = static_cast<std::size_t>((step - 1) % steps_per_epoch_) * batch_;
  const std::size_t end = std::min(order_.size(), begin + batch_);
  return {order_.begin() + static_cast<std::ptrdiff_t>(begin), order_.begin() + static_cast<std::ptrdiff_t>(end)};
}

std::uint64_t seed_of_group(int number, std::uint64_t epoch_seed, std::uint64_t stream, std::uint64_t own) {
  return number < 0 ? own : combine_seeds(epoch_seed ^ stream, static_cast<std::uint64_t>(number));
}

torch::Tensor augmented_inputs(const Examples& examples, const std::vector<std::size_t>& rows,
                               const Augmentation& augmentation, std::uint64_t seed) {
  torch::Tensor x = torch::empty({static_cast<std::int64_t>(rows.size()), examples.points});
  auto* out = x.data_ptr<float>();
  const auto width = static_cast<std::size_t>(examples.points);
  at::parallel_for(0, x.size(0), 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto row = static_cast<std::size_t>(i);
      const auto from = examples.input(rows[row]);
      const std::span<float> to(out + row * width, width);
      std::copy(from.begin(), from.end(), to.begin());
      augment(to, examples.grid_step, augmentation, combine_seeds(seed, row));
    }
  });
  return x;
}

}  // namespace gyre::raman
