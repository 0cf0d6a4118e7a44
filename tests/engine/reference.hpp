#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <numbers>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/kv_cache.hpp"
#include "engine/test_noise.hpp"
#include "model_folder.hpp"

namespace gyre {

/// Whether sequences of any depth may be started under a policy.
inline bool allows(const ModelSpec& spec, const KvPolicy& policy) {
  return std::none_of(spec.groups.begin(), spec.groups.end(), [&](const Group& group) {
    const bool windows = !group.window_layers.empty() || group.loop_window > 0;
    const bool overwritten = policy.slots == KvPolicy::Slots::ring || policy.slots == KvPolicy::Slots::run;
    return (policy.lookup == KvPolicy::Lookup::full && windows) || (overwritten && group.first_loop_attention);
  });
}

/// The model written down from its definitions, in double precision and without any thought of speed: one sequence,
/// token after token, every key and value of every loop kept.
class Reference {
 public:
  using Vector = std::vector<double>;

  Reference(const ModelSpec& spec, const Weights& weights, KvPolicy policy, std::uint64_t noise_seed)
      : spec_(spec), weights_(weights), policy_(policy), noise_seed_(noise_seed) {}

  /// Positions that its sequence has room for: long ones may turn otherwise.
  int context = 8;
  TestNoise noise = {};
  /// Of the tokens from here on, per group: the share of the state after each loop in what leaves the group. Empty: the
  /// last state does.
  std::vector<Vector> shares = {};

  /// The state of a token after `loop` loops of a group, or as it enters (0), when it last ran.
  [[nodiscard]] const Vector& state(int group, int loop, int position) const {
    return states_.at({group, loop, position});
  }

  /// Σ −a log a of the weights of a head of a layer's pass on the keys of its own loop (from 0), likewise.
  [[nodiscard]] double attention_entropy(int group, int pass, int loop, int position, int head) const {
    return entropies_.at({group, pass, loop, position, head});
  }

  /// Runs a token `depth[g]` loops through group g and returns its logits. Under every policy a token of the same
  /// prompt (positions from `prompt_begin`) reads the loop of its own number.
  Vector next(int token, const std::vector<int>& depth, int prompt_begin = 1 << 30) {
    const int position = static_cast<int>(depths_.size());
    depths_.push_back(depth);
    token_ = token;
    Vector x = row("embed.weight", token);
    for (double& value : x) value *= static_cast<double>(spec_.embedding_scale);
    if (spec_.position == PositionKind::learned) add(x, row("position.weight", position));
    if (spec_.embedding_norm) x = norm("embed_norm", x);
    embedded_ = x;
    for (std::size_t g = 0; g < spec_.groups.size(); ++g) x = run_group(g, x, position, prompt_begin);
    if (spec_.final_norm) x = norm("final_norm", x);
    Vector logits = linear(spec_.tied_head ? "embed" : "head", x);
    const auto cap = static_cast<double>(spec_.logit_softcap);
    for (double& logit : logits) logit = cap > 0 ? cap * std::tanh(logit / cap) : logit;
    return logits;
  }

 private:
  struct Entry {
    Vector key;
    Vector value;
  };

  static void add(Vector& x, const Vector& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }

  [[nodiscard]] Vector row(const std::string& name, int index) const {
    const auto size = static_cast<std::size_t>(spec_.hidden_size);
    const auto* begin = weights_.at(name).data() + static_cast<std::size_t>(index) * size;
    return Vector(begin, begin + size);
  }

  /// W x + b; the bias is used when there is one.
  [[nodiscard]] Vector linear(const std::string& name, const Vector& x) const {
    const std::vector<float>& weight = weights_.at(name + ".weight");
    Vector y(weight.size() / x.size());
    for (std::size_t r = 0; r < y.size(); ++r) {
      for (std::size_t i = 0; i < x.size(); ++i) y[r] += static_cast<double>(weight[r * x.size() + i]) * x[i];
    }
    const auto bias = weights_.find(name + ".bias");
    if (bias != weights_.end()) add(y, Vector(bias->second.begin(), bias->second.end()));
    return y;
  }

  [[nodiscard]] Vector norm(const std::string& name, const Vector& x) const {
    const auto n = static_cast<double>(x.size());
    const std::vector<float> weight = spec_.norm_weights ? weights_.at(name + ".weight") : std::vector(x.size(), 1.0F);
    double mean = 0;
    if (spec_.norm == NormKind::layer) {
      for (const double value : x) mean += value / n;
    }
    double variance = 0;
    for (const double value : x) variance += (value - mean) * (value - mean) / n;
    Vector y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      y[i] = (x[i] - mean) / std::sqrt(variance + static_cast<double>(spec_.norm_eps)) * static_cast<double>(weight[i]);
      if (spec_.norm == NormKind::layer) y[i] += static_cast<double>(weights_.at(name + ".bias")[i]);
    }
    return y;
  }

  Vector run_group(std::size_t g, const Vector& handed, int position, int prompt_begin) {
    const Group& group = spec_.groups[g];
    const std::string name = "groups." + std::to_string(g);
    Vector x = handed;
    if (group.first_state == FirstState::zero) x.assign(x.size(), 0.0);
    if (group.first_state == FirstState::noise) {
      for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = static_cast<double>(group.noise_std * normal_at(combine_seeds(noise_seed_, g),
                                                               static_cast<std::size_t>(position) * x.size() + i));
      }
    }
    Vector fast;
    if (group.fast.there()) {
      const std::vector<float>& first = weights_.at(name + ".fast.first_state");
      fast.assign(first.begin(), first.end());
    }
    const Place place{static_cast<int>(g), position, prompt_begin};
    states_[{place.group, 0, position}] = x;
    Vector out(x.size());
    for (int loop = 0; loop < depths_.back()[g]; ++loop) {
      const Vector before = x;
      add_noise(g, loop, position, x);
      if (group.injection == Injection::add) add(x, handed);
      if (group.injection == Injection::decay) {
        const Vector entering = linear(name + ".inject", handed);
        const std::vector<float>& decay = weights_.at(name + ".inject.decay");
        for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(decay[i]) * x[i] + entering[i];
      }
      if (group.injection == Injection::linear) {
        Vector joined = x;
        joined.insert(joined.end(), handed.begin(), handed.end());
        x = linear(name + ".inject", joined);
      }
      if (group.bare_first_loop && loop == 0) x = before;
      for (int run = 0; group.fast.there() && run < group.fast.runs; ++run) {
        add(fast, x);
        const int pass = static_cast<int>(order_of(group).size()) + run * group.fast.layers;
        for (int l = 0; l < group.fast.layers; ++l) run_layer(name + ".fast", l, pass + l, loop, place, fast);
        fast = norm(name + ".fast.norm", fast);
      }
      if (group.fast.there()) add(x, fast);
      run_in_order(name, group, loop, place, x);
      if (group.loop_norm) x = norm(name + ".loop_norm", x);
      blend(name, group, before, loop, x);
      states_[{place.group, loop + 1, position}] = x;
      if (shares.empty() || shares[g].empty()) continue;
      for (std::size_t i = 0; i < x.size(); ++i) out[i] += shares[g][static_cast<std::size_t>(loop)] * x[i];
    }
    if (!shares.empty() && !shares[g].empty()) x = out;
    if (group.exit_norm) x = norm(name + ".exit_norm", x);
    if (group.exit_linear) x = linear(name + ".exit", x);
    return x;
  }

  /// What a loop that gave x makes of the state `before` it.
  void blend(const std::string& name, const Group& group, const Vector& before, int loop, Vector& x) const {
    for (std::size_t i = 0; group.minus_state && i < x.size(); ++i) x[i] -= before[i];
    if (group.update_rank > 0) {
      Vector step = x;
      for (std::size_t i = 0; i < x.size(); ++i) step[i] -= before[i];
      const Vector up = linear(name + ".update.up", linear(name + ".update.down", step));
      const std::vector<float>& decay = weights_.at(name + ".update.decay");
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double softplus = std::log(1 + std::exp(up[i]));
        x[i] = before[i] + std::exp(-softplus * static_cast<double>(decay[i])) * step[i];
      }
    }
    for (std::size_t i = 0; loop > 0 && i < x.size(); ++i) {
      x[i] = before[i] + static_cast<double>(group.damping) * (x[i] - before[i]);
    }
  }

  /// x ← (1 − b) x + b ε, then the norm on the sum of the last layer's MLP, where there is one.
  void add_noise(std::size_t g, int loop, int position, Vector& x) const {
    const Group& group = spec_.groups[g];
    if (noise.kind == TestNoise::Kind::none || noise.amount == 0 || group.first_state != FirstState::noise ||
        group.injection == Injection::none) {
      return;
    }
    const auto a = static_cast<double>(noise.amount) * static_cast<double>(group.noise_std);
    const std::uint64_t seed =
        combine_seeds(combine_seeds(combine_seeds(noise_seed_, 0x74657374206e6f69), g), static_cast<unsigned>(loop));
    double b = a;
    if (noise.kind == TestNoise::Kind::geom) b = a / (loop + 1);
    if (noise.kind == TestNoise::Kind::sqrt) b = a / std::sqrt(loop + 1.0);
    if (noise.kind == TestNoise::Kind::line) b = std::max(a, (group.loops - loop) / static_cast<double>(group.loops));
    if (noise.kind == TestNoise::Kind::chi) b = 2 * a * unit_interval(mix_bits(seed));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float epsilon = normal_at(seed, static_cast<std::size_t>(position) * x.size() + i);
      x[i] = (1 - b) * x[i] + b * static_cast<double>(epsilon);
    }
    if (spec_.norm_placement != NormPlacement::sandwich && spec_.norm_placement != NormPlacement::post) return;
    const std::string last = std::to_string(order_of(group).back());
    x = norm("groups." + std::to_string(g) + ".layers." + last + ".mlp.norm_out", x);
  }

  /// The layers of a group as a loop runs them.
  static std::vector<int> order_of(const Group& group) {
    std::vector<int> order = group.order;
    for (int l = 0; group.order.empty() && l < group.layers; ++l) order.push_back(l);
    return order;
  }

  /// Where a pass of layers happens.
  struct Place {
    int group = 0;
    int position = 0;
    int prompt_begin = 0;
  };

  /// One loop of a group's own layers.
  void run_in_order(const std::string& name, const Group& group, int loop, const Place& place, Vector& x) {
    const std::vector<int> order = order_of(group);
    std::map<int, Vector> behind;  // by runs
    for (int run = 0; run < static_cast<int>(order.size()); ++run) {
      for (std::size_t s = 0; s < group.skips.size(); ++s) {
        if (group.skips[s].to != run) continue;
        const std::string skip = name + ".skips." + std::to_string(s);
        for (std::size_t i = 0; i < x.size(); ++i) {
          const double share = 1 / (1 + std::exp(-static_cast<double>(weights_.at(skip + ".gate")[i])));
          const double back = static_cast<double>(weights_.at(skip + ".weight")[i]) * behind.at(group.skips[s].from)[i];
          x[i] = (1 - share) * back + share * x[i];
        }
      }
      run_layer(name, order[static_cast<std::size_t>(run)], run, loop, place, x);
      behind[run] = x;
    }
  }

  /// A layer of a stack, which remembers keys and values as pass `pass` of its loop.
  void run_layer(const std::string& stack, int l, int pass, int loop, const Place& place, Vector& x) {
    const std::string layer = stack + ".layers." + std::to_string(l);
    for (std::size_t i = 0; spec_.embedding_mix && i < x.size(); ++i) {
      x[i] = static_cast<double>(weights_.at(layer + ".mix.state")[i]) * x[i] +
             static_cast<double>(weights_.at(layer + ".mix.embedding")[i]) * embedded_[i];
    }
    branch(layer + ".attn", x, [&](const Vector& input) {
      return attention(layer, place.group, pass, loop, input, place.position, place.prompt_begin);
    });
    branch(layer + ".mlp", x, [&](const Vector& input) { return mlp(layer, input); });
  }

  template <typename Branch>
  void branch(const std::string& name, Vector& x, const Branch& f) const {
    const auto in = [&](const Vector& y) { return norm(name + ".norm_in", y); };
    const auto out = [&](const Vector& y) { return norm(name + ".norm_out", y); };
    const auto scaled = [&](Vector y) {
      for (std::size_t i = 0; spec_.branch_scales && i < y.size(); ++i) {
        y[i] *= static_cast<double>(weights_.at(name + ".scale")[i]);
      }
      return y;
    };
    switch (spec_.norm_placement) {
      case NormPlacement::pre:
        return add(x, scaled(f(in(x))));
      case NormPlacement::post:
        add(x, scaled(f(x)));
        x = out(x);
        return;
      case NormPlacement::sandwich:
        add(x, scaled(f(in(x))));
        x = out(x);
        return;
      case NormPlacement::branch:
        return add(x, scaled(out(f(in(x)))));
      case NormPlacement::post_branch:
        return add(x, scaled(out(f(x))));
    }
  }

  /// The frequency of pair i, and what cosines and sines are multiplied by.
  [[nodiscard]] std::pair<double, double> turn_of(int i, bool window) const {
    const auto channels = static_cast<double>(spec_.rotary_channels > 0 ? spec_.rotary_channels : spec_.head_size);
    if (window && spec_.window_theta > 0) {
      return {std::pow(static_cast<double>(spec_.window_theta), -2.0 * i / channels), 1.0};
    }
    auto theta = static_cast<double>(spec_.rotary_theta);
    const bool is_long = spec_.rotary_context > 0 && context > spec_.rotary_context;
    if (is_long && spec_.rotary_growth > 0) {
      const auto growth = static_cast<double>(spec_.rotary_growth);
      theta *= std::pow(growth * context / spec_.rotary_context - (growth - 1), channels / (channels - 2));
    }
    const auto& divisors =
        is_long && !spec_.rotary_long_divisors.empty() ? spec_.rotary_long_divisors : spec_.rotary_divisors;
    const double divisor = divisors.empty() ? 1.0 : static_cast<double>(divisors[static_cast<std::size_t>(i)]);
    return {std::pow(theta, -2.0 * i / channels) / divisor, static_cast<double>(spec_.rotary_scale)};
  }

  /// A number of the tables of the rotation.
  [[nodiscard]] double table(double value) const {
    if (!spec_.rotary_bf16) return value;
    int exponent = 0;
    const double fraction = std::frexp(static_cast<double>(static_cast<float>(value)), &exponent);
    return std::ldexp(std::nearbyint(fraction * 256), exponent - 8);  // eight bits, ties to even
  }

  void rotate(double* head, int position, bool window) const {
    if (spec_.position == PositionKind::learned) return;
    const int half = (spec_.rotary_channels > 0 ? spec_.rotary_channels : spec_.head_size) / 2;
    for (int i = 0; i < half; ++i) {
      const auto [frequency, scale] = turn_of(i, window);
      const double angle = spec_.rotary_bf16
                               ? static_cast<double>(static_cast<float>(position) * static_cast<float>(frequency))
                               : position * frequency;
      const double cosine = table(scale * std::cos(angle));
      const double sine = table(scale * std::sin(angle));
      const bool adjacent = spec_.position == PositionKind::rotary_adjacent;
      double& a = head[adjacent ? 2 * i : i];
      double& b = head[adjacent ? 2 * i + 1 : i + half];
      const double turned = a * cosine - b * sine;
      b = a * sine + b * cosine;
      a = turned;
    }
  }

  /// The loop (from 0) of an earlier token that loop `loop` of this one reads, or nothing where it sees none of it.
  [[nodiscard]] std::optional<int> loop_read(std::size_t g, int earlier, int position, int loop,
                                             int prompt_begin) const {
    const int last = depths_[static_cast<std::size_t>(earlier)][g] - 1;
    if (earlier == position || earlier >= prompt_begin) return std::min(loop, last);
    if (policy_.lookup == KvPolicy::Lookup::full) return loop <= last ? std::optional(loop) : std::nullopt;
    if (policy_.lookup == KvPolicy::Lookup::all_or_last) {
      for (int p = 0; p < position && p < prompt_begin; ++p) {
        if (depths_[static_cast<std::size_t>(p)][g] - 1 < loop) return last;
      }
      return loop;
    }
    switch (policy_.slots) {
      case KvPolicy::Slots::ring: {
        // The deepest loop it ran that shares the slot; where there is none, its deepest.
        const int slot = loop % policy_.count;
        return slot > last ? last : last - (last - slot) % policy_.count;
      }
      case KvPolicy::Slots::run:
        return std::min(last, loop / policy_.count * policy_.count + policy_.count - 1);
      case KvPolicy::Slots::anchor:
        return loop < policy_.count ? std::min(loop, last) : last;
      case KvPolicy::Slots::loop:
        break;
    }
    return std::min(loop, last);
  }

  /// Whether the layer of this name, "groups.G.layers.L", sees a window.
  [[nodiscard]] bool in_window(const std::string& layer) const {
    int group = 0;
    int number = 0;
    if (std::sscanf(layer.c_str(), "groups.%d.layers.%d", &group, &number) != 2) return false;
    const std::vector<int>& layers = spec_.groups[static_cast<std::size_t>(group)].window_layers;
    return std::find(layers.begin(), layers.end(), number) != layers.end();
  }

  /// Divides by the root mean square; `weight` may be empty.
  void scale_to_unit(double* x, std::size_t count, const std::vector<float>& weight) const {
    double square = 0;
    for (std::size_t i = 0; i < count; ++i) square += x[i] * x[i] / static_cast<double>(count);
    for (std::size_t i = 0; i < count; ++i) {
      x[i] /= std::sqrt(square + static_cast<double>(spec_.qk_norm_eps));
      if (!weight.empty()) x[i] *= static_cast<double>(weight[i]);
    }
  }

  /// Queries and keys: norms and rotation.
  void place_heads(const std::string& layer, int position, bool window, Vector& qkv) const {
    const auto size = static_cast<std::size_t>(spec_.head_size);
    const auto heads = static_cast<std::size_t>(spec_.heads);
    const auto kv_heads = static_cast<std::size_t>(spec_.kv_heads);
    if (spec_.qk_norm == QkNorm::full) {
      scale_to_unit(qkv.data(), heads * size, weights_.at(layer + ".attn.q_norm.weight"));
      scale_to_unit(qkv.data() + heads * size, kv_heads * size, weights_.at(layer + ".attn.k_norm.weight"));
    }
    for (std::size_t h = 0; h < heads + kv_heads; ++h) {
      double* const head = qkv.data() + h * size;
      if (spec_.qk_norm == QkNorm::head) {
        scale_to_unit(head, size, weights_.at(layer + (h < heads ? ".attn.q_norm.weight" : ".attn.k_norm.weight")));
      }
      rotate(head, position, window);
      if (spec_.qk_norm == QkNorm::after_rotary) scale_to_unit(head, size, {});
      for (std::size_t i = 0; spec_.query_gain && h < heads && i < size; ++i) {
        head[i] *= static_cast<double>(weights_.at(layer + ".attn.query_gain")[h]);
      }
    }
  }

  /// v + 2 σ(G h) ⊙ E[token], h being the first channels of the branch's input.
  void embed_values(const std::string& layer, const Vector& input, double* values) const {
    const auto embedding = weights_.find(layer + ".attn.value_embed.weight");
    if (embedding == weights_.end()) return;
    const auto size = static_cast<std::size_t>(spec_.head_size);
    const auto kv_size = static_cast<std::size_t>(spec_.kv_size());
    const Vector gates = linear(layer + ".attn.value_gate", Vector(input.begin(), input.begin() + kValueGateWidth));
    for (std::size_t i = 0; i < kv_size; ++i) {
      values[i] += 2 / (1 + std::exp(-gates[i / size])) *
                   static_cast<double>(embedding->second[static_cast<std::size_t>(token_) * kv_size + i]);
    }
  }

  /// Whose keys are read: a pass of layers of a group, up to a position.
  struct Reader {
    int group = 0;
    int pass = 0;
    int position = 0;
  };

  /// What a query, a head's, gets of the last `sees` positions: of each, in the loop that `loop_of` tells.
  template <typename LoopOf>
  [[nodiscard]] Vector look(const Reader& reader, const double* query, std::size_t kv, int sees, const LoopOf& loop_of,
                            double& entropy) const {
    const auto size = static_cast<std::size_t>(spec_.head_size);
    Vector scores;
    std::vector<const Entry*> seen;
    double total = 0;
    for (int p = std::max(0, reader.position + 1 - sees); p <= reader.position; ++p) {
      const std::optional<int> read = loop_of(p);
      if (!read) continue;
      const Entry& entry = memory_.at({reader.group, reader.pass, *read, p});
      seen.push_back(&entry);
      double score = 0;
      for (std::size_t i = 0; i < size; ++i) score += query[i] * entry.key[kv + i];
      const auto scale = static_cast<double>(spec_.attention_scale);
      scores.push_back(scale > 0 ? scale * score : score / std::sqrt(static_cast<double>(size)));
    }
    const double largest = *std::max_element(scores.begin(), scores.end());  // states may be large without norms
    for (double& score : scores) {
      score = std::exp(score - largest);
      total += score;
    }
    Vector head(size);
    entropy = 0;
    for (std::size_t p = 0; p < seen.size(); ++p) {
      const double share = scores[p] / total;
      if (share > 0) entropy -= share * std::log(share);
      for (std::size_t i = 0; i < size; ++i) head[i] += share * seen[p]->value[kv + i];
    }
    return head;
  }

  Vector attention(const std::string& layer, int g, int l, int loop, const Vector& input, int position,
                   int prompt_begin) {
    const auto size = static_cast<std::size_t>(spec_.head_size);
    const auto heads = static_cast<std::size_t>(spec_.heads);
    const auto kv_heads = static_cast<std::size_t>(spec_.kv_heads);
    Vector qkv = linear(layer + ".attn.qkv", input);
    const bool window = in_window(layer);
    place_heads(layer, position, window, qkv);
    embed_values(layer, input, qkv.data() + (heads + kv_heads) * size);
    const auto keys = qkv.begin() + static_cast<std::ptrdiff_t>(heads * size);
    const auto values = keys + static_cast<std::ptrdiff_t>(kv_heads * size);
    const auto gates = values + static_cast<std::ptrdiff_t>(kv_heads * size);
    memory_[{g, l, loop, position}] = {Vector(keys, values), Vector(values, gates)};
    const Group& group = spec_.groups[static_cast<std::size_t>(g)];
    const auto gate = weights_.find(layer + ".attn.loop_gate.weight");
    const bool twice = loop > 0 && gate != weights_.end();
    const int sees = window ? spec_.window : position + 1;
    Vector mixed(heads * size);
    for (std::size_t h = 0; h < heads; ++h) {
      const double* const query = qkv.data() + h * size;
      const std::size_t kv = h / (heads / kv_heads) * size;
      const auto of_their_own = [&](int p) {
        return loop_read(static_cast<std::size_t>(g), p, position, loop, prompt_begin);
      };
      Vector head = look({g, l, position}, query, kv, twice && group.loop_window > 0 ? group.loop_window : sees,
                         of_their_own, entropies_[{g, l, loop, position, static_cast<int>(h)}]);
      if (twice) {
        double of_first = 0;
        const Vector first = look(
            {g, l, position}, query, kv, sees, [](int) { return std::optional(0); }, of_first);
        double score = static_cast<double>(weights_.at(layer + ".attn.loop_gate.bias")[h]);
        for (std::size_t i = 0; i < size; ++i) score += query[i] * static_cast<double>(gate->second[h * size + i]);
        const double share = 1 / (1 + std::exp(-score));
        for (std::size_t i = 0; i < size; ++i) head[i] = share * first[i] + (1 - share) * head[i];
      }
      std::copy(head.begin(), head.end(), mixed.begin() + static_cast<std::ptrdiff_t>(h * size));
    }
    for (std::size_t i = 0; spec_.attention_gate && i < mixed.size(); ++i) {
      mixed[i] /= 1 + std::exp(-gates[static_cast<std::ptrdiff_t>(i)]);
    }
    return linear(layer + ".attn.out", mixed);
  }

  [[nodiscard]] Vector mlp(const std::string& layer, const Vector& input) const {
    const Vector up = linear(layer + ".mlp.up", input);
    Vector y(static_cast<std::size_t>(spec_.ffn_size));
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double x = up[i];
      switch (spec_.mlp) {
        case MlpKind::gelu:
          y[i] = x * 0.5 * std::erfc(-x / std::numbers::sqrt2);
          break;
        case MlpKind::gelu_tanh:
          y[i] = 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
          break;
        case MlpKind::silu_gated:
          y[i] = x / (1 + std::exp(-x)) * up[i + y.size()];
          break;
        case MlpKind::gelu_gated:
          y[i] = x * 0.5 * std::erfc(-x / std::numbers::sqrt2) * up[i + y.size()];
          break;
        case MlpKind::gelu_tanh_gated:
          y[i] = 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x))) *
                 up[i + y.size()];
          break;
        case MlpKind::relu_squared:
          y[i] = x > 0 ? x * x : 0;
          break;
        case MlpKind::leaky_relu_squared:
          y[i] = x > 0 ? x * x : x * x / 4;
          break;
      }
    }
    return linear(layer + ".mlp.down", y);
  }

  const ModelSpec& spec_;
  const Weights& weights_;
  KvPolicy policy_;
  std::uint64_t noise_seed_;
  int token_ = 0;
  Vector embedded_;
  std::vector<std::vector<int>> depths_;
  std::map<std::tuple<int, int, int, int>, Entry> memory_;
  std::map<std::tuple<int, int, int>, Vector> states_;
  std::map<std::tuple<int, int, int, int, int>, double> entropies_;
};

}  // namespace gyre
