#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "engine/sampler.hpp"

namespace gyre {

/// The diffusion-forcing sampler of Geiping et al. (arXiv 2510.14961): positions do not wait until those before them
/// are done. A wavefront of positions loops together, a few loops a step; after each step every position says which
/// token follows, those whose states have settled are frozen, and the wavefront grows.
struct Diffusion {
  /// When a position is frozen, with all before it.
  enum class Freeze {
    latent_diff,   ///< ‖s − s'‖ / ‖s‖ below tau, s' the state a step before
    acceleration,  ///< ‖(s − s') − (s' − s'')‖ / ‖s‖ below tau
    stable,        ///< the same token for as many steps as `steps` loops take
    fixed,         ///< after `steps` loops
  };
  int inner = 4;        ///< loops a step
  int steps = 32;       ///< loops of a prompt, and of a position under `fixed`
  int headway = 1;      ///< positions by which the wavefront grows a step
  int wavefront = 128;  ///< its most positions
  float tau = 0.03F;
  float ema = 0.1F;    ///< share of the last step's input in what the core is handed
  float noise = 0.5F;  ///< share of fresh noise in a state, divided by 1 + the loops it has run
  Freeze freeze = Freeze::latent_diff;
};

/// "inner=4,wavefront=16,freeze=latent-diff,tau=0.03", every key optional. Throws Error naming `flag`.
Diffusion parse_diffusion(const std::string& text, const std::string& flag);

/// The index of the group that such a sampler loops: the only looped one, which takes part of its input anew in every
/// loop. Throws Error naming `flag` where there is none.
std::size_t diffusion_group(const ModelSpec& spec, const std::string& flag);

class Diffuser {
 public:
  struct Frozen {
    std::int32_t token = 0;
    int loops = 0;  ///< that the position before it ran in the core
  };
  struct Count {
    int steps = 0;
    std::int64_t positions = 0;  ///< that took part in them, summed
  };

  /// `sequence` runs diffusion.inner loops of the core. Throws Error when it cannot.
  Diffuser(Engine& engine, Sequence& sequence, Diffusion diffusion, std::size_t vocabulary);

  /// Appends tokens of a prompt to the sequence, at diffusion.steps loops.
  void prefill(std::span<const std::int32_t> tokens);
  /// The next tokens of a text that has one token more than the sequence, at least one.
  std::vector<Frozen> next(const std::vector<std::int32_t>& text, Sampler& sampler);
  /// The group whose loops a token's depth counts.
  [[nodiscard]] std::size_t group() const { return core_; }
  [[nodiscard]] const Count& count() const { return count_; }

 private:
  /// A position of the wavefront.
  struct Position {
    std::int32_t token = 0;
    int loops = 0;        ///< done
    int steps_alike = 0;  ///< steps for which the token it predicts has been the same
    std::int32_t predicted = -1;
    std::vector<float> input = {};   ///< what the core was handed
    std::vector<float> state = {};   ///< after the last step
    std::vector<float> before = {};  ///< after the one before
    std::vector<float> long_before = {};
  };

  std::span<const float> step(bool mixes_noise);
  void hear(const TracePoint& point, bool mixes_noise);
  [[nodiscard]] bool settled(const Position& position) const;
  void freeze(std::size_t count);

  Engine& engine_;
  Sequence& sequence_;
  Diffusion diffusion_;
  std::size_t vocabulary_;
  std::size_t core_;
  std::vector<Position> wave_;
  std::vector<Flight> flights_;
  Count count_;
};

}  // namespace gyre
