#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "base/stop.hpp"
#include "base/thread_pool.hpp"
#include "engine/flight.hpp"
#include "engine/stack.hpp"
#include "model/checkpoint.hpp"
#include "model/embedding_config.hpp"

namespace gyre {

/// One text as a vector.
struct Embedding {
  std::vector<float> vector;  ///< [hidden]
  int tokens = 0;             ///< that were read, those around the text included
  bool truncated = false;     ///< the text had more
};

/// Texts to vectors: the states behind the last layer, pooled. Texts share passes over the weights, each with its own
/// tokens and none to fill up, and with exact arithmetic what one gets does not depend on the others. In an encoder a
/// token sees its whole text; in other models what came before it. One call at a time.
class Embedder {
 public:
  /// `checkpoint` has to outlive it; a config without most_tokens takes the model's. Throws Error when most_tokens is
  /// more than the model has positions, or leaves no room for a text.
  Embedder(const Checkpoint& checkpoint, const EmbeddingConfig& config, int threads, Stop stop = {});

  /// As the model's own files say it (load_embedding_config).
  Embedder(const Checkpoint& checkpoint, int threads, Stop stop = {});

  /// One a text, in their order. Throws Error when a text is not UTF-8, or comes to no token at all; ends with an Error
  /// once `stop` is requested.
  std::vector<Embedding> embed(std::span<const std::string> texts);

  [[nodiscard]] const EmbeddingConfig& config() const { return config_; }
  [[nodiscard]] int hidden_size() const { return checkpoint_.model.spec().hidden_size; }

 private:
  /// The tokens of a text, cut to what fits.
  [[nodiscard]] std::vector<std::int32_t> tokens_of(const std::string& text, bool& truncated) const;
  /// Texts that go through the layers together.
  void run(std::span<const std::vector<std::int32_t>> texts, std::span<Embedding> out);
  void pool(std::span<const float> states, std::span<float> out) const;

  const Checkpoint& checkpoint_;
  EmbeddingConfig config_;
  Stop stop_;
  ThreadPool pool_;
  Stack stack_;
  std::deque<Sequence> sequences_;  ///< of the texts of a pass: what is never committed, the next pass overwrites
  std::vector<float> states_;
};

/// a · b / (‖a‖ ‖b‖) of two vectors of one size; 0 where one of them has no length.
double cosine(std::span<const float> a, std::span<const float> b);

}  // namespace gyre
