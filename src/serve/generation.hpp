#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "engine/exits.hpp"
#include "engine/kv_policy.hpp"
#include "engine/sampler.hpp"
#include "engine/token_mask.hpp"
#include "serve/ticket.hpp"

namespace gyre::serve {

/// Texts that a request wants, ready to run.
struct Generation {
  std::size_t model = 0;  ///< which of the served ones
  std::string client;     ///< who asks: places are shared out fairly among clients
  std::vector<std::vector<std::int32_t>> prompts = {};
  int n = 1;  ///< texts a prompt
  SamplingOptions sampling = {};
  TextLimits limits = {};
  int logprobs = -1;         ///< 0 or more: of every generated token, and of so many of the likeliest
  int prompt_logprobs = -1;  ///< the same of the tokens of the prompt
  int lens = 0;              ///< so many words that the head would say after every loop of a token
  std::vector<int> loops = {};
  std::optional<ExitChoice> exit = {};  ///< nothing: full depth
  KvPolicy kv = {};
  std::uint64_t noise_seed = 1;
  std::shared_ptr<TokenMask> format = {};  ///< what the texts have to be; the engine's thread alone asks it

  [[nodiscard]] std::size_t choices() const { return prompts.size() * static_cast<std::size_t>(n); }
  /// Texts of one prompt stand side by side.
  [[nodiscard]] const std::vector<std::int32_t>& prompt_of(std::size_t choice) const {
    return prompts[choice / static_cast<std::size_t>(n)];
  }
  /// The first text of every prompt is what the seed alone gives.
  [[nodiscard]] SamplingOptions sampling_of(std::size_t choice) const {
    SamplingOptions options = sampling;
    options.drawn_from = prompt_of(choice).size();
    const std::size_t number = choice % static_cast<std::size_t>(n);
    if (number > 0) options.seed = combine_seeds(options.seed, number);
    return options;
  }
};

/// A request on its way through the engine.
struct Work {
  Generation wanted;
  std::shared_ptr<Ticket> ticket = std::make_shared<Ticket>();
  std::size_t started = 0;  ///< choices that have got a place
  std::size_t running = 0;  ///< those that have not ended
  std::chrono::steady_clock::time_point came = std::chrono::steady_clock::now();
};

}  // namespace gyre::serve
