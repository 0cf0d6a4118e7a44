#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/spec.hpp"

namespace gyre {

/// What a learned exit says of a token after a loop.
enum class HeadKind : std::uint8_t {
  drop,  ///< nats of the loss that all further loops of the group save: leaving is right where that is little
  gate,  ///< the logit of λ_k, the share of what is left that leaves (Ouro, arXiv 2510.25741)
};

/// How the loss of leaving at a depth was read, which a head was trained on.
enum class HeadReadout : std::uint8_t {
  coda,  ///< every later group once, then norm and head, as rules read logits
  lens,  ///< norm and head at once
  full,  ///< every later group at its full depth: what leaving there does to the model's own output
};

/// Throw Error naming `flag`.
HeadKind parse_head_kind(const std::string& text, const std::string& flag);
HeadReadout parse_head_readout(const std::string& text, const std::string& flag);
std::string_view name_of(HeadKind kind);
std::string_view name_of(HeadReadout readout);

/// A read-out of one group's states, linear in them: s_k = w · x^(k) / rms(x^(k)) + a ‖Δ^(k)‖ / ‖x^(k)‖ + b_k, where
/// rms(x) = ‖x‖ / √hidden. A state of zeros says nothing but b_k.
struct GroupHead {
  int group = 0;
  std::vector<float> state;  ///< w [hidden]
  float relative_step = 0;   ///< a
  std::vector<float> loops;  ///< b_k, of loops 1 … K − 1: nobody is asked after the last

  /// Of loop `loop`, from 1. `state_norm` and `step_norm` are those of LoopStep.
  [[nodiscard]] double score(std::span<const float> x, float state_norm, float step_norm, int loop) const;
};

/// What `gyre train-exit` learned of a frozen model, and which model that was.
struct ExitHead {
  HeadKind kind = HeadKind::drop;
  HeadReadout readout = HeadReadout::coda;
  std::string model_sha256;  ///< of its weights
  nlohmann::json weights;    ///< the types they were computed with, a list of names
  nlohmann::json stack;      ///< its groups as config.json has them
  std::vector<GroupHead> groups;
  std::string file = {};    ///< it was read from
  std::string sha256 = {};  ///< of that file

  /// Null: nothing was learned of it.
  [[nodiscard]] const GroupHead* of_group(int group) const;
};

/// What tells such a file from others: this key, and the version of what it holds.
inline constexpr std::string_view kExitHeadKey = "gyre_exit_head";
inline constexpr int kExitHeadVersion = 1;

/// Reads a file of `gyre train-exit`. Throws Error naming the file, the key and what would be right.
ExitHead read_exit_head(const std::filesystem::path& file);
/// What it reads of one.
nlohmann::json to_json(const ExitHead& head);

/// Throws Error where the model cannot be the one it was trained on: other looped groups, another size of states, or
/// more loops. `only` is the one group that it is for; without, it is for all.
void require_shape(const ExitHead& head, const ModelSpec& spec, std::span<const int> loops, std::optional<int> only);

}  // namespace gyre
