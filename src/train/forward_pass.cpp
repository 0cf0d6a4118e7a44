#include "train/forward_pass.hpp"

#include <fmt/format.h>
#include <torch/utils.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/random.hpp"
#include "train/dropout.hpp"
#include "train/fused_ops.hpp"

namespace gyre {

using torch::Tensor;

ForwardPass::ForwardPass(const TorchModel& model, const ForwardOptions& options)
    : model_(model),
      spec_(model.spec()),
      options_(options),
      type_(options.precision == Precision::bf16 ? torch::kBFloat16 : torch::kFloat) {}

Tensor ForwardPass::states(const Tensor& tokens) {
  tokens_ = tokens;
  places_.emplace(spec_, tokens, options_.documents, options_.prompt);
  Tensor x = embed();
  for (place_.group = 0; place_.group < spec_.groups.size(); ++place_.group) x = run_group(x);
  return x;
}

LoopStates ForwardPass::states_by_loop(const Tensor& tokens, bool with_gates) {
  const std::vector<int> looped = spec_.looped_groups();
  if (looped.size() != 1) {
    throw Error("a loss on every loop is for models with one looped group; this one has {}", looped.size());
  }
  const auto group = static_cast<std::size_t>(looped.front());
  if (with_gates && !spec_.groups[group].exit_gate) {
    throw Error("credit by the exit's probability needs a group with an exit gate; choose uniform or progressive");
  }
  with_gates_ = with_gates;
  tokens_ = tokens;
  places_.emplace(spec_, tokens, options_.documents, options_.prompt);
  Tensor x = embed();
  for (place_.group = 0; place_.group < group; ++place_.group) x = run_group(x);
  LoopStates behind;
  behind_loops_ = &behind;
  run_group(x);
  behind_loops_ = nullptr;
  for (Tensor& state : behind.states) {
    for (place_.group = group + 1; place_.group < spec_.groups.size(); ++place_.group) state = run_group(state);
  }
  return behind;
}

Tensor ForwardPass::logits(const Tensor& states) {
  const Tensor h = spec_.final_norm ? norm("final_norm", states, type_) : states.to(type_);
  const Tensor read = spec_.tied_head ? torch::linear(h, weight("embed.weight")) : linear("head", h);
  const Tensor raw = read.to(torch::kFloat);
  const double cap = spec_.logit_softcap;
  return cap > 0 ? cap * torch::tanh(raw / cap) : raw;
}

Tensor ForwardPass::linear(const std::string& name, const Tensor& x) {
  const Tensor bias = model_.has(name + ".bias") ? weight(name + ".bias") : Tensor();
  const Tensor y = torch::linear(x, weight(name + ".weight"), bias);
  if (options_.adapter == nullptr) return y;
  return options_.adapter->adapted(name, place_.loop, x, y, weight(name + ".weight"), bias, options_.training,
                                   options_.share);
}

Tensor ForwardPass::mapped(const std::string& name, const Tensor& state) {
  return linear(name, state.to(type_)).to(torch::kFloat);
}

Tensor ForwardPass::norm(const std::string& name, const Tensor& x, torch::ScalarType out) {
  const Tensor bias = spec_.norm == NormKind::layer ? parameter(name + ".bias") : Tensor();
  const Tensor weight = spec_.norm_weights ? parameter(name + ".weight") : torch::ones({x.size(-1)}, x.options());
  return fused_norm(x, weight, bias, spec_.norm, spec_.norm_eps, out);
}

Tensor ForwardPass::weight(const std::string& name) {
  auto [found, fresh] = cast_.try_emplace(name);
  if (fresh) found->second = parameter(name).to(type_);
  return found->second;
}

Tensor ForwardPass::dropout(const Tensor& x) const {
  // Loops without gradient drop too: they are the same network.
  return options_.dropout > 0 ? dropped(x, options_.dropout, options_.share) : x;
}

std::string ForwardPass::of_group(const char* name) const { return fmt::format("groups.{}.{}", place_.group, name); }

Tensor ForwardPass::embed() {
  Tensor x = torch::embedding(parameter("embed.weight"), tokens_);
  if (spec_.embedding_scale != 1.0F) x = x * spec_.embedding_scale;
  if (spec_.position == PositionKind::learned) {
    x = x + torch::embedding(parameter("position.weight"), places_->positions());
  }
  if (spec_.embedding_norm) x = norm("embed_norm", x, torch::kFloat);
  embedded_ = dropout(x);
  return embedded_;
}

Tensor ForwardPass::run_group(const Tensor& handed) {
  Tensor x = first_state(handed);
  first_loop_.assign(static_cast<std::size_t>(group().runs()), {});
  if (group().fast.there()) fast_ = parameter(of_group("fast.first_state")).expand_as(handed);
  const int loops = options_.loops.at(place_.group);
  const int kept = options_.backprop_loops == 0 ? loops : std::min(loops, options_.backprop_loops);
  place_.loop = 0;
  if (kept < loops) {
    const torch::NoGradGuard no_gradient;
    Tensor ahead = x;
    // Weights cast here would carry no gradient; the loops below cast their own.
    for (; place_.loop < loops - kept; ++place_.loop) ahead = one_loop(ahead, handed);
    cast_.clear();
    x = ahead.detach();
  }
  if (kept < loops && group().injection == Injection::none) {
    // Without injection the state is the only way back to earlier groups: the loops that were cut count as an
    // identity in the gradient, which is what a residual stream is to first order.
    x = handed + (x - handed.detach());
  }
  for (; place_.loop < loops; ++place_.loop) {
    x = one_loop(x, handed);
    if (behind_loops_ == nullptr) continue;
    if (with_gates_) behind_loops_->gates.push_back(exit_gate(x));
    behind_loops_->states.push_back(leave(x));
  }
  return leave(x);
}

Tensor ForwardPass::first_state(const Tensor& handed) const {
  switch (group().first_state) {
    case FirstState::carried:
      return handed;
    case FirstState::zero:
      return torch::zeros_like(handed);
    case FirstState::noise:
      return noise(handed.sizes()).to(handed.device());
  }
  return handed;
}

Tensor ForwardPass::noise(at::IntArrayRef shape) const {
  TORCH_CHECK(static_cast<std::int64_t>(options_.noise_seeds.size()) == shape[0], "one noise seed a row");
  const Tensor positions = places_->counted_positions().expand({shape[0], shape[1]}).contiguous();
  const auto* const position = positions.data_ptr<int64_t>();
  Tensor field = torch::empty(shape);
  auto* out = field.data_ptr<float>();
  const auto width = static_cast<std::uint64_t>(shape[2]);
  for (std::int64_t token = 0; token < shape[0] * shape[1]; ++token) {
    const std::uint64_t row_seed = options_.noise_seeds[static_cast<std::size_t>(token / shape[1])];
    const std::uint64_t seed = combine_seeds(row_seed, place_.group);
    const std::uint64_t counted = static_cast<std::uint64_t>(position[token]) * width;
    for (std::uint64_t c = 0; c < width; ++c) *out++ = group().noise_std * normal_at(seed, counted + c);
  }
  return field;
}

/// The logit of the group's exit gate, [rows, positions].
Tensor ForwardPass::exit_gate(const Tensor& state) {
  Tensor x = state;
  if (group().exit_gate_norm) {
    constexpr float kEps = 1e-5F;
    x = fused_norm(x, parameter(of_group("gate_norm.weight")), parameter(of_group("gate_norm.bias")), NormKind::layer,
                   kEps, torch::kFloat);
  }
  return mapped(of_group("gate"), x).squeeze(-1);
}

/// What the group hands to the next.
Tensor ForwardPass::leave(const Tensor& state) {
  Tensor x = state;
  if (group().exit_norm) x = norm(of_group("exit_norm"), x, torch::kFloat);
  if (group().exit_linear) x = mapped(of_group("exit"), x);
  return x;
}

Tensor ForwardPass::one_loop(const Tensor& state, const Tensor& handed) {
  const bool bare = group().bare_first_loop && place_.loop == 0;
  Tensor x = bare ? state : injected(state, handed);
  if (group().fast.there()) x = with_fast_stack(x);
  x = run_layers(x);
  if (group().loop_norm) x = norm(of_group("loop_norm"), x, torch::kFloat);
  return settled(x, state);
}

Tensor ForwardPass::injected(const Tensor& state, const Tensor& handed) {
  switch (group().injection) {
    case Injection::none:
      return state;
    case Injection::add:
      return state + handed;
    case Injection::linear:
      return linear(of_group("inject"), torch::cat({state.to(type_), handed.to(type_)}, -1)).to(torch::kFloat);
    case Injection::decay:
      return parameter(of_group("inject.decay")) * state + mapped(of_group("inject"), handed);
  }
  return state;
}

/// x + z, z being the state of the fast stack after its runs over x.
Tensor ForwardPass::with_fast_stack(const Tensor& state) {
  const FastStack& fast = group().fast;
  for (int run = 0; run < fast.runs; ++run) {
    Tensor z = fast_ + state;
    for (int l = 0; l < fast.layers; ++l) {
      z = layer({fmt::format("groups.{}.fast.layers.{}", place_.group, l), /*own=*/false}, z);
    }
    fast_ = norm(of_group("fast.norm"), z, torch::kFloat);
  }
  return state + fast_;
}

Tensor ForwardPass::run_layers(const Tensor& state) {
  const Group& group = this->group();
  Tensor x = state;
  std::vector<Tensor> behind(static_cast<std::size_t>(group.runs()));  // the state behind each run
  for (place_.run = 0; place_.run < group.runs(); ++place_.run) {
    const int l = group.layer_of(place_.run);
    x = taken_back(place_.run, x, behind);
    x = layer({fmt::format("groups.{}.layers.{}", place_.group, l), /*own=*/true, sees_window(group, l),
               has_value_embedding(group, l)},
              x);
    behind[static_cast<std::size_t>(place_.run)] = x;
  }
  return x;
}

/// x ← w ⊙ s + σ(g) ⊙ (x − w ⊙ s), where a skip leads to this run.
Tensor ForwardPass::taken_back(int run, const Tensor& x, const std::vector<Tensor>& behind) const {
  const std::vector<Skip>& skips = group().skips;
  for (std::size_t s = 0; s < skips.size(); ++s) {
    if (skips[s].to != run) continue;
    const std::string name = fmt::format("groups.{}.skips.{}", place_.group, s);
    const Tensor back = behind[static_cast<std::size_t>(skips[s].from)] * parameter(name + ".weight");
    return torch::lerp(back, x, torch::sigmoid(parameter(name + ".gate")));
  }
  return x;
}

/// What becomes of a loop's result beside the state that entered it.
Tensor ForwardPass::settled(const Tensor& after, const Tensor& before) {
  const Group& group = this->group();
  const Tensor x = group.minus_state ? after - before : after;
  if (group.update_rank > 0) {
    const Tensor change = x - before;
    const Tensor rate = torch::softplus(mapped(of_group("update.up"), mapped(of_group("update.down"), change)));
    return before + torch::exp(-rate * parameter(of_group("update.decay"))) * change;
  }
  if (group.damping == 1.0F || place_.loop == 0) return x;  // in the first there is nothing to be damped towards yet
  return before + group.damping * (x - before);
}

}  // namespace gyre
