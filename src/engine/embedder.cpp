#include "engine/embedder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/at_place.hpp"
#include "base/error.hpp"
#include "engine/engine.hpp"

namespace gyre {
namespace {

/// Tokens of a pass: many enough to read the weights seldom, few enough that states of a layer stay in the caches.
constexpr std::size_t kPassTokens = 512;

EmbeddingConfig completed(EmbeddingConfig config, const Checkpoint& checkpoint) {
  const ModelSpec& spec = checkpoint.model.spec();
  const Tokenizer& tokenizer = checkpoint.language.tokenizer;
  const std::string where = checkpoint.model.path().string();
  if (config.most_tokens == 0) config.most_tokens = default_context(spec);
  if (config.most_tokens > spec.context) {
    throw Error("{}: texts of {} tokens are asked for, but the model has {} positions", where, config.most_tokens,
                spec.context);
  }
  const std::size_t around = tokenizer.prefix_tokens().size() + tokenizer.suffix_tokens().size();
  if (static_cast<std::size_t>(config.most_tokens) <= around) {
    throw Error("{}: texts of {} tokens leave no room for a text between the {} tokens around it", where,
                config.most_tokens, around);
  }
  return config;
}

double length_of(std::span<const float> vector) {
  return std::sqrt(std::inner_product(vector.begin(), vector.end(), vector.begin(), 0.0));
}

}  // namespace

Embedder::Embedder(const Checkpoint& checkpoint, const EmbeddingConfig& config, int threads, Stop stop)
    : checkpoint_(checkpoint),
      config_(completed(config, checkpoint)),
      stop_(stop),
      pool_(threads),
      stack_(checkpoint.model, pool_) {}

Embedder::Embedder(const Checkpoint& checkpoint, int threads, Stop stop)
    : Embedder(checkpoint, load_embedding_config(checkpoint.model.path()), threads, stop) {}

std::vector<std::int32_t> Embedder::tokens_of(const std::string& text, bool& truncated) const {
  const Tokenizer& tokenizer = checkpoint_.language.tokenizer;
  const std::vector<std::int32_t>& before = tokenizer.prefix_tokens();
  const std::vector<std::int32_t>& behind = tokenizer.suffix_tokens();
  std::vector<std::int32_t> tokens = tokenizer.encode(text);
  const std::size_t room = static_cast<std::size_t>(config_.most_tokens) - before.size() - behind.size();
  truncated = tokens.size() > room;
  if (truncated) tokens.resize(room);
  tokens.insert(tokens.begin(), before.begin(), before.end());
  tokens.insert(tokens.end(), behind.begin(), behind.end());
  require_in_vocabulary(tokens, checkpoint_.model.spec());
  return tokens;
}

std::vector<Embedding> Embedder::embed(std::span<const std::string> texts) {
  std::vector<Embedding> embeddings(texts.size());
  std::vector<std::vector<std::int32_t>> together;
  std::size_t first = 0;
  std::size_t tokens = 0;
  const auto run_together = [&] {
    run(together, std::span(embeddings).subspan(first, together.size()));
    first += together.size();
    together.clear();
    tokens = 0;
  };
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::vector<std::int32_t> text = at_place(fmt::format("text {} of {}", i + 1, texts.size()),
                                              [&] { return tokens_of(texts[i], embeddings[i].truncated); });
    if (text.empty()) throw Error("text {} of {} comes to no token; leave it out", i + 1, texts.size());
    embeddings[i].tokens = static_cast<int>(text.size());
    if (!together.empty() && tokens + text.size() > kPassTokens) run_together();
    tokens += text.size();
    together.push_back(std::move(text));
  }
  if (!together.empty()) run_together();
  return embeddings;
}

void Embedder::run(std::span<const std::vector<std::int32_t>> texts, std::span<Embedding> out) {
  const ModelSpec& spec = checkpoint_.model.spec();
  while (sequences_.size() < texts.size()) {
    sequences_.push_back({KvCache(spec, spec.default_loops(), config_.most_tokens, {})});
  }
  std::vector<Flight> flights;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const int count = static_cast<int>(texts[i].size());
    for (int t = 0; t < count; ++t) {
      Flight& flight = flights.emplace_back();
      flight.sequence = &sequences_[i];
      flight.token = texts[i][static_cast<std::size_t>(t)];
      flight.offset = t;
      flight.reach = spec.encoder ? count : t + 1;
    }
  }
  stack_.fly(flights, stop_);
  const auto hidden = static_cast<std::size_t>(spec.hidden_size);
  states_.clear();
  for (const Flight& flight : flights) {
    const std::span<const float> state = stack_.state(flight);
    states_.insert(states_.end(), state.begin(), state.end());
  }
  std::span<const float> states = stack_.final_states(states_);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::size_t size = texts[i].size() * hidden;
    out[i].vector.resize(hidden);
    pool(states.first(size), out[i].vector);
    states = states.subspan(size);
  }
}

void Embedder::pool(std::span<const float> states, std::span<float> out) const {
  const std::size_t hidden = out.size();
  if (config_.pooling == Pooling::mean) {
    std::vector<double> sums(hidden);
    for (std::size_t i = 0; i < states.size(); ++i) sums[i % hidden] += static_cast<double>(states[i]);
    const std::size_t tokens = states.size() / hidden;
    const auto count = static_cast<double>(tokens);
    std::transform(sums.begin(), sums.end(), out.begin(),
                   [count](double sum) { return static_cast<float>(sum / count); });
  } else {
    const std::span<const float> chosen = config_.pooling == Pooling::cls ? states.first(hidden) : states.last(hidden);
    std::copy(chosen.begin(), chosen.end(), out.begin());
  }
  if (!config_.normalize) return;
  const double length = length_of(out);
  if (length == 0) return;
  for (float& number : out) number = static_cast<float>(number / length);
}

double cosine(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size())
    throw Error("a cosine of vectors of {} and {} numbers; take two of one size", a.size(), b.size());
  const double lengths = length_of(a) * length_of(b);
  double product = 0;
  for (std::size_t i = 0; i < a.size(); ++i) product += static_cast<double>(a[i]) * b[i];
  return lengths == 0 ? 0 : product / lengths;
}

}  // namespace gyre
