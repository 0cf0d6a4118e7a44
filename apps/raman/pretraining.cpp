#include "raman/pretraining.hpp"

#include <set>
#include <span>

#include "base/random.hpp"

namespace gyre::raman {
namespace {

std::uint64_t hash_of(std::span<const float> input) {
  std::uint64_t hash = input.size();
  for (const float value : input) hash = combine_seeds(hash, std::hash<float>{}(value));
  return hash;
}

}  // namespace

std::vector<std::size_t> may_pretrain(const Examples& more, const Examples& asked, Protocol protocol) {
  const std::set<int> specimens(asked.specimen.begin(), asked.specimen.end());
  const std::set<int> minerals(asked.mineral.begin(), asked.mineral.end());
  std::set<std::uint64_t> inputs;
  for (std::size_t i = 0; i < asked.size(); ++i) inputs.insert(hash_of(asked.input(i)));
  const auto shares = [](const std::set<int>& numbers, int number) { return number >= 0 && numbers.contains(number); };
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < more.size(); ++i) {
    if (protocol == Protocol::specimen && shares(specimens, more.specimen[i])) continue;
    if (protocol == Protocol::mineral && shares(minerals, more.mineral[i])) continue;
    if (inputs.contains(hash_of(more.input(i)))) continue;
    kept.push_back(i);
  }
  return kept;
}

Examples pretraining_examples(const Examples& training, const Examples* more) {
  Examples all = training;
  all.measurements.clear();
  if (more == nullptr) return all;
  if (!more->infrared.empty()) all.infrared.assign(training.size(), 0);
  const auto add = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
  add(all.inputs, more->inputs);
  add(all.labels, more->labels);
  add(all.mineral, more->mineral);
  add(all.specimen, more->specimen);
  add(all.infrared, more->infrared);
  return all;
}

}  // namespace gyre::raman
