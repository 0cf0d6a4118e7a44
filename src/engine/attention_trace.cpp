#include "engine/attention_trace.hpp"

#include <algorithm>
#include <vector>

namespace gyre {

void attention_scores(const HeadQueries& queries, const KvPages& cache, std::size_t count,
                      const std::function<void(std::size_t row, std::span<const double> scores)>& hear) {
  if (queries.rows == 0) return;
  const std::size_t size = queries.head_size;
  const std::size_t begin = cache.first_seen(count);
  const std::size_t keys = count + cache.growth * (queries.rows - 1) - begin;
  // Number by number, so that a score is summed beside those of other keys.
  std::vector<double> numbers(size * keys);
  std::vector<float> key(size);
  for (std::size_t t = 0; t < keys; ++t) {
    const std::size_t entry = begin + t;
    read_kv_key(cache.type, cache.keys_of(entry / kKvPage), entry % kKvPage, key);
    for (std::size_t i = 0; i < size; ++i) numbers[i * keys + t] = static_cast<double>(key[i]);
  }
  std::vector<double> scores(keys);
  for (std::size_t r = 0; r < queries.rows; ++r) {
    const std::size_t end = count + cache.growth * r;
    const std::size_t first = cache.first_seen(end) - begin;
    const std::span<double> seen = std::span(scores).first(end - begin - first);
    std::fill(seen.begin(), seen.end(), 0.0);
    for (std::size_t i = 0; i < size; ++i) {
      const double number = queries.scale * static_cast<double>(queries.first[r * queries.stride + i]);
      const double* const row = numbers.data() + i * keys + first;
      for (std::size_t t = 0; t < seen.size(); ++t) seen[t] += number * row[t];
    }
    hear(r, seen);
  }
}

}  // namespace gyre
