#include "engine/sampler.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/error.hpp"
#include "kernels/kernels.hpp"

namespace gyre {
namespace {

/// Exponentials that are added up at once, so that the block in which a draw falls is found without adding them one by
/// one.
constexpr std::size_t kBlock = 1024;

void require_finite(std::span<const float> logits) {
  constexpr std::uint32_t kExponent = 0x7f800000U;
  std::uint32_t wrong = 0;  // without a way out of the loop it is done by vectors
  for (const float logit : logits) {
    wrong |= (std::bit_cast<std::uint32_t>(logit) & kExponent) == kExponent ? 1U : 0U;
  }
  if (wrong == 0) return;
  const auto first = std::find_if(logits.begin(), logits.end(), [](float logit) { return !std::isfinite(logit); });
  throw Error("the logit of token {} is {}: the model's numbers are out of the range of floats; check its weights",
              first - logits.begin(), *first);
}

/// Places of the `count` largest values, the largest first, of equal ones the first.
std::vector<std::size_t> largest_places(std::span<const float> values, std::size_t count) {
  count = std::min(count, values.size());
  const auto before = [&](std::size_t a, std::size_t b) {
    return values[a] > values[b] || (values[a] == values[b] && a < b);
  };
  std::vector<std::size_t> places;
  constexpr std::size_t kFew = 256;
  if (count <= kFew) {  // a heap of the best so far, whose last is on top: nearly all values stop at it
    for (std::size_t i = 0; i < values.size() && count > 0; ++i) {
      if (places.size() == count && !before(i, places.front())) continue;
      if (places.size() == count) {
        std::pop_heap(places.begin(), places.end(), before);
        places.pop_back();
      }
      places.push_back(i);
      std::push_heap(places.begin(), places.end(), before);
    }
    std::sort_heap(places.begin(), places.end(), before);
    return places;
  }
  places.resize(values.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  std::nth_element(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(count - 1), places.end(), before);
  places.resize(count);
  std::sort(places.begin(), places.end(), before);
  return places;
}

}  // namespace

std::int32_t Sampler::draw(std::span<const float> logits, std::span<const std::int32_t> text,
                           std::span<const std::uint8_t> allowed) {
  filter(logits, text, allowed);
  return candidates_.empty() ? draw_from_all() : draw_from_likeliest();
}

std::vector<double> Sampler::probabilities(std::span<const float> logits, std::span<const std::int32_t> text,
                                           std::span<const std::uint8_t> allowed) {
  filter(logits, text, allowed);
  std::vector<double> found(logits.size());
  for (const Candidate& candidate : candidates_) {
    found[static_cast<std::size_t>(candidate.token)] = static_cast<double>(candidate.value);
  }
  for (std::size_t i = 0; i < shares_.size() && candidates_.empty(); ++i) {
    found[static_cast<std::size_t>(token_at(i))] = static_cast<double>(shares_[i]);
  }
  const double total = std::accumulate(found.begin(), found.end(), 0.0);
  for (double& probability : found) probability /= total;
  return found;
}

std::int32_t Sampler::draw(std::span<const double> probabilities) {
  double left = std::accumulate(probabilities.begin(), probabilities.end(), 0.0) * random_.uniform();
  std::size_t last = 0;
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    if (probabilities[i] <= 0) continue;
    last = i;
    left -= probabilities[i];
    if (left <= 0) break;
  }
  return static_cast<std::int32_t>(last);
}

void Sampler::filter(std::span<const float> logits, std::span<const std::int32_t> text,
                     std::span<const std::uint8_t> allowed) {
  require_finite(logits);
  values_.assign(logits.begin(), logits.end());
  tokens_.clear();
  candidates_.clear();
  shares_.clear();
  add_bias();
  penalise_repetition(text);
  penalise_drawn(text.subspan(std::min(options_.drawn_from, text.size())));
  keep_allowed(allowed);
  const float largest = kernels().largest(values_.data(), values_.size());
  if (options_.temperature <= 0) {
    const auto place = std::find(values_.begin(), values_.end(), largest) - values_.begin();
    candidates_.push_back({token_at(static_cast<std::size_t>(place)), 1});
  } else if (options_.top_k <= 0 && options_.top_p >= 1.0F) {
    share_among_all(largest);
  } else {
    share_among_likeliest(largest);
  }
}

void Sampler::add_bias() {
  for (const auto& [token, bias] : options_.bias) {
    if (token >= 0 && static_cast<std::size_t>(token) < values_.size())
      values_[static_cast<std::size_t>(token)] += bias;
  }
}

void Sampler::penalise_repetition(std::span<const std::int32_t> text) {
  if (options_.repetition_penalty == 1.0F) return;
  std::vector<std::int32_t> seen(text.begin(), text.end());
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  for (const std::int32_t token : seen) {
    if (token < 0 || static_cast<std::size_t>(token) >= values_.size()) continue;
    float& logit = values_[static_cast<std::size_t>(token)];
    logit = logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
  }
}

void Sampler::penalise_drawn(std::span<const std::int32_t> drawn) {
  if (options_.presence_penalty == 0 && options_.frequency_penalty == 0) return;
  std::vector<std::int32_t> sorted(drawn.begin(), drawn.end());
  std::sort(sorted.begin(), sorted.end());
  for (auto first = sorted.begin(); first != sorted.end();) {
    const auto end = std::upper_bound(first, sorted.end(), *first);
    if (*first >= 0 && static_cast<std::size_t>(*first) < values_.size()) {
      const auto times = static_cast<float>(end - first);
      values_[static_cast<std::size_t>(*first)] -= options_.presence_penalty + times * options_.frequency_penalty;
    }
    first = end;
  }
}

void Sampler::keep_allowed(std::span<const std::uint8_t> allowed) {
  if (allowed.empty()) return;
  if (allowed.size() < values_.size()) {
    throw Error("a mask of {} tokens for a vocabulary of {}; give every token a place", allowed.size(), values_.size());
  }
  for (std::size_t i = 0; i < values_.size(); ++i) {
    if (allowed[i] == 0) continue;
    values_[tokens_.size()] = values_[i];
    tokens_.push_back(static_cast<std::int32_t>(i));
  }
  if (tokens_.empty()) throw Error("no token may be drawn: the mask allows none");
  values_.resize(tokens_.size());
}

std::int32_t Sampler::token_at(std::size_t place) const {
  return tokens_.empty() ? static_cast<std::int32_t>(place) : tokens_[place];
}

void Sampler::share_among_all(float largest) {
  shares_.resize(values_.size());
  sums_.clear();
  for (std::size_t first = 0; first < values_.size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, values_.size() - first);
    float* const shares = shares_.data() + first;
    float sum = kernels().exponentials(values_.data() + first, count, largest, 1 / options_.temperature, shares);
    if (options_.min_p > 0) {  // the likeliest one's share is 1
      sum = 0;
      for (std::size_t i = 0; i < count; ++i) sum += shares[i] = shares[i] < options_.min_p ? 0.0F : shares[i];
    }
    sums_.push_back(static_cast<double>(sum));
  }
}

std::int32_t Sampler::draw_from_all() {
  double left = std::accumulate(sums_.begin(), sums_.end(), 0.0) * random_.uniform();
  std::size_t block = 0;
  while (block + 1 < sums_.size() && left > sums_[block]) left -= sums_[block++];
  const std::size_t first = block * kBlock;
  const std::size_t end = std::min(first + kBlock, shares_.size());
  std::size_t last = first;  // of those that may be drawn, if rounding leaves something over
  for (std::size_t i = first; i < end; ++i) {
    if (shares_[i] == 0) continue;
    last = i;
    left -= static_cast<double>(shares_[i]);
    if (left <= 0) break;
  }
  return token_at(last);
}

void Sampler::share_among_likeliest(float largest) {
  const float scale = 1 / options_.temperature;
  const bool top_k = options_.top_k > 0;
  std::size_t count = top_k ? static_cast<std::size_t>(options_.top_k) : 64;
  double whole = 0;
  if (!top_k) {
    std::vector<float>& room = shares_;
    room.resize(values_.size());
    whole = static_cast<double>(kernels().exponentials(values_.data(), values_.size(), largest, scale, room.data()));
    room.clear();
  }
  // Top-p alone: more and more of the likeliest, until they reach it.
  for (;; count *= 8) {
    candidates_.clear();
    double reached = 0;
    for (const std::size_t place : largest_places(values_, count)) {
      candidates_.push_back({token_at(place), std::exp((values_[place] - largest) * scale)});
      reached += static_cast<double>(candidates_.back().value);
    }
    if (top_k) whole = reached;
    if (candidates_.size() == values_.size() || reached >= whole * static_cast<double>(options_.top_p)) break;
  }
  if (options_.top_p < 1.0F) {
    const double wanted = whole * static_cast<double>(options_.top_p);
    double sum = 0;
    std::size_t kept = 0;
    while (kept < candidates_.size() && sum < wanted) sum += static_cast<double>(candidates_[kept++].value);
    keep(kept);
  }
  std::size_t kept = candidates_.size();
  while (kept > 1 && candidates_[kept - 1].value < options_.min_p * candidates_.front().value) --kept;
  keep(kept);
}

std::int32_t Sampler::draw_from_likeliest() {
  double total = 0;
  for (const Candidate& candidate : candidates_) total += static_cast<double>(candidate.value);
  if (candidates_.size() == 1) return candidates_.front().token;  // nothing is drawn
  double left = total * random_.uniform();
  for (const Candidate& candidate : candidates_) {
    left -= static_cast<double>(candidate.value);
    if (left <= 0) return candidate.token;
  }
  return candidates_.back().token;
}

void Sampler::keep(std::size_t count) { candidates_.resize(std::max<std::size_t>(1, count)); }

std::vector<TokenProbability> probabilities_of(std::span<const float> logits, std::int32_t token, int count) {
  const float largest = kernels().largest(logits.data(), logits.size());
  std::vector<float> shares(std::min(kBlock, logits.size()));
  double total = 0;
  for (std::size_t first = 0; first < logits.size(); first += kBlock) {
    const std::size_t some = std::min(kBlock, logits.size() - first);
    total += static_cast<double>(kernels().exponentials(logits.data() + first, some, largest, 1, shares.data()));
  }
  const auto logarithm = static_cast<float>(std::log(total)) + largest;
  const auto of = [&](std::size_t place) {
    return TokenProbability{static_cast<std::int32_t>(place), logits[place] - logarithm};
  };
  std::vector<TokenProbability> found = {of(static_cast<std::size_t>(token))};
  for (const std::size_t place : largest_places(logits, static_cast<std::size_t>(std::max(0, count)))) {
    found.push_back(of(place));
  }
  return found;
}

}  // namespace gyre
