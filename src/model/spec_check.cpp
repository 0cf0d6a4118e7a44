#include <algorithm>
#include <cmath>
#include <set>
#include <span>
#include <tuple>
#include <utility>

#include "base/error.hpp"
#include "model/spec.hpp"

namespace gyre {
namespace {

void require_size(const char* key, int size, int most, const std::string& where) {
  if (size >= 1 && size <= most) return;
  throw Error("{}: {} is {}; it must lie between 1 and {}", where, key, size, most);
}

void require_finite(const char* key, float number, const std::string& where) {
  if (!std::isfinite(number)) throw Error("{}: {} is {}; it must be a finite number", where, key, number);
}

void check_sizes(const ModelSpec& spec, const std::string& where) {
  if (spec.head_size < 1) {
    throw Error("{}: head_size is {}; give it, or no more heads than hidden_size", where, spec.head_size);
  }
  require_size("vocab_size", spec.vocab_size, kMostVocab, where);
  require_size("context", spec.context, kMostContext, where);
  require_size("hidden_size", spec.hidden_size, kMostWidth, where);
  require_size("heads", spec.heads, kMostWidth, where);
  require_size("kv_heads", spec.kv_heads, kMostWidth, where);
  require_size("ffn_size", spec.ffn_size, kMostFfn, where);
  if (std::int64_t{spec.heads} * spec.head_size > kMostWidth) {
    throw Error("{}: heads ({}) times head_size ({}) is more than {}", where, spec.heads, spec.head_size, kMostWidth);
  }
  if (spec.heads % spec.kv_heads != 0) {
    throw Error("{}: kv_heads ({}) must divide heads ({})", where, spec.kv_heads, spec.heads);
  }
}

void check_divisors(const char* key, std::span<const float> divisors, int pairs, const std::string& where) {
  if (!divisors.empty() && divisors.size() != static_cast<std::size_t>(pairs)) {
    throw Error("{}: {} has {} numbers; give half the channels that turn, {}", where, key, divisors.size(), pairs);
  }
  for (const float divisor : divisors) {
    if (divisor > 0 && std::isfinite(divisor)) continue;
    throw Error("{}: {} holds {}; each must be a positive number", where, key, divisor);
  }
}

/// Keys by which long sequences turn otherwise.
void check_length(const ModelSpec& spec, const std::string& where) {
  require_finite("rotary_scale", spec.rotary_scale, where);
  const bool other = !spec.rotary_long_divisors.empty() || spec.rotary_growth > 0;
  if (other && spec.rotary_context == 0) {
    throw Error("{}: {} is given without rotary_context; give the positions from which on it holds", where,
                spec.rotary_growth > 0 ? "rotary_growth" : "rotary_long_divisors");
  }
  if (!other && spec.rotary_context > 0) {
    throw Error("{}: rotary_context is given without rotary_long_divisors or rotary_growth; nothing would read it",
                where);
  }
  if (spec.rotary_growth > 0 && spec.turned_channels() < 4) {
    throw Error("{}: rotary_growth is given, but {} channels turn; it takes 4 or more", where, spec.turned_channels());
  }
  if (spec.rotary_growth > 0 && spec.rotary_growth < 1) {
    throw Error("{}: rotary_growth is {}; it must be 1 or more", where, spec.rotary_growth);
  }
}

void check_rotation(const ModelSpec& spec, const std::string& where) {
  require_finite("rotary_theta", spec.rotary_theta, where);
  if (spec.position == PositionKind::learned) {
    for (const auto& [key, given] :
         {std::pair{"rotary_divisors", !spec.rotary_divisors.empty()}, std::pair{"rotary_bf16", spec.rotary_bf16},
          std::pair{"rotary_long_divisors", !spec.rotary_long_divisors.empty()},
          std::pair{"rotary_channels", spec.rotary_channels > 0}, std::pair{"rotary_context", spec.rotary_context > 0},
          std::pair{"window_theta", spec.window_theta > 0}}) {
      if (given) throw Error("{}: {} is given, but position is \"learned\", which rotates nothing", where, key);
    }
    return;
  }
  if (spec.rotary_channels == 0 && spec.head_size % 2 != 0) {
    throw Error("{}: head_size ({}) must be even for rotary positions", where, spec.head_size);
  }
  if (spec.rotary_channels % 2 != 0 || spec.rotary_channels > spec.head_size) {
    throw Error("{}: rotary_channels is {}; give an even number up to head_size ({})", where, spec.rotary_channels,
                spec.head_size);
  }
  check_divisors("rotary_divisors", spec.rotary_divisors, spec.turned_channels() / 2, where);
  check_divisors("rotary_long_divisors", spec.rotary_long_divisors, spec.turned_channels() / 2, where);
  check_length(spec, where);
}

void check_window(const ModelSpec& spec, const std::string& where) {
  require_finite("attention_scale", spec.attention_scale, where);
  const auto any = [&](const auto& has) { return std::any_of(spec.groups.begin(), spec.groups.end(), has); };
  const bool seen = any([](const Group& group) { return !group.window_layers.empty(); });
  const bool of_loops = any([](const Group& group) { return group.loop_window > 0; });
  if (seen && spec.window == 0) {
    throw Error("{}: window_layers are given without window; give the positions that they see", where);
  }
  if (!seen && (spec.window > 0 || spec.window_theta > 0)) {
    throw Error("{}: {} is given, but no group has window_layers; nothing would read it", where,
                spec.window > 0 ? "window" : "window_theta");
  }
  if ((seen || of_loops) && spec.prefix_lm) {
    throw Error("{}: {} and prefix_lm are given; a prompt that sees itself whole has no windows", where,
                seen ? "window_layers" : "loop_window");
  }
}

/// An encoder has no head, and no order in which its tokens come.
void check_encoder(const ModelSpec& spec, const std::string& where) {
  if (!spec.encoder) return;
  const auto any = [&](const auto& has) { return std::any_of(spec.groups.begin(), spec.groups.end(), has); };
  for (const auto& [key, given, why] :
       {std::tuple{"tied_head false", !spec.tied_head, "it has no head"},
        std::tuple{"logit_softcap", spec.logit_softcap > 0, "it has no head"},
        std::tuple{"prefix_lm", spec.prefix_lm, "its texts see themselves whole anyway"},
        std::tuple{"window_layers", any([](const Group& group) { return !group.window_layers.empty(); }),
                   "its texts see themselves whole"},
        std::tuple{"loop_window", any([](const Group& group) { return group.loop_window > 0; }),
                   "its texts see themselves whole"},
        std::tuple{"exit_gate", any([](const Group& group) { return group.exit_gate; }), "it runs all its loops"}}) {
    if (given) throw Error("{}: {} is given, but the model is an encoder: {}", where, key, why);
  }
}

void check_norms(const ModelSpec& spec, const std::string& where) {
  require_finite("norm_eps", spec.norm_eps, where);
  require_finite("qk_norm_eps", spec.qk_norm_eps, where);
  require_finite("logit_softcap", spec.logit_softcap, where);
  require_finite("embedding_scale", spec.embedding_scale, where);
  if (spec.norm != NormKind::layer || spec.norm_weights) return;
  throw Error("{}: norm_weights is false, but norm is \"layer\"; leave the weights out of norms of kind \"rms\" only",
              where);
}

/// The order of a group's layers, and what skips from run to run of it.
void check_runs(const Group& group, const std::string& where) {
  std::set<int> used;
  for (const int layer : group.order) {
    if (layer < 0 || layer >= group.layers) {
      throw Error("{}: order names layer {} of {}", where, layer, group.layers);
    }
    used.insert(layer);
  }
  for (int layer = 0; layer < group.layers && !group.order.empty(); ++layer) {
    if (used.contains(layer)) continue;
    throw Error("{}: order leaves layer {} of {} out; name every layer, or have fewer", where, layer, group.layers);
  }
  std::set<int> ends;
  for (const Skip& skip : group.skips) {
    if (skip.from < 0 || skip.from >= skip.to || skip.to >= group.runs()) {
      throw Error("{}: skips holds [{}, {}]; give an earlier and a later one of its runs, 0 to {}", where, skip.from,
                  skip.to, group.runs() - 1);
    }
    if (!ends.insert(skip.to).second) {
      throw Error("{}: two skips lead to run {}; a run takes one state back", where, skip.to);
    }
  }
}

void check_group(const ModelSpec& spec, const Group& group, const std::string& where) {
  require_size("layers", group.layers, kMostLoops, where);
  require_size("loops", group.loops, kMostLoops, where);
  if (!(group.noise_std >= 0 && group.noise_std <= 1e6F)) {
    throw Error("{}: noise_std is {}; it must lie between 0 and 1000000", where, group.noise_std);
  }
  require_finite("damping", group.damping, where);
  check_runs(group, where);
  for (const int layer : group.value_layers) {
    if (layer >= 0 && layer < group.layers && spec.hidden_size >= kValueGateWidth) continue;
    throw Error("{}: value_layers names layer {} of {}, or hidden_size is below {}", where, layer, group.layers,
                kValueGateWidth);
  }
  for (const int layer : group.window_layers) {
    if (layer >= 0 && layer < group.layers) continue;
    throw Error("{}: window_layers names layer {} of {}", where, layer, group.layers);
  }
  if (group.first_state != FirstState::carried && group.injection == Injection::none) {
    throw Error(
        "{}: first_state is \"{}\" without injection, so the group would forget its input; set injection to \"add\" or "
        "\"linear\"",
        where, group.first_state == FirstState::zero ? "zero" : "noise");
  }
  if (group.first_state != FirstState::noise && group.noise_std != Group().noise_std) {
    throw Error("{}: noise_std is given, but first_state is not \"noise\"; nothing would read it", where);
  }
}

/// Switches that others have to stand beside.
void check_loop(const Group& group, const std::string& where) {
  if (group.bare_first_loop && (group.injection == Injection::none || group.first_state != FirstState::carried)) {
    throw Error("{}: bare_first_loop is given, which takes an injection and first_state \"carried\"", where);
  }
  if (group.update_rank > 0 && group.damping != 1) {
    throw Error("{}: update_rank and damping are given; a loop has one way to blend its state", where);
  }
  if (group.loop_window > 0 && !group.first_loop_attention) {
    throw Error("{}: loop_window is given without first_loop_attention; nothing would read it", where);
  }
  if (group.exit_gate_norm && !group.exit_gate) {
    throw Error("{}: exit_gate_norm is given without exit_gate; nothing would read it", where);
  }
}

/// Layers, those of fast stacks included as often as they run; and once more times the loops of their groups.
void check_depth(const ModelSpec& spec, const std::string& where) {
  std::int64_t layers = 0;
  std::int64_t passes = 0;
  for (std::size_t g = 0; g < spec.groups.size(); ++g) {
    layers += spec.groups[g].passes();
    passes += std::int64_t{spec.groups[g].passes()} * spec.groups[g].loops;
    if (layers > kMostLoops) {
      throw Error("{}: the groups pass through more than {} layers, groups[{}].fast included as often as it runs",
                  where, kMostLoops, g);
    }
  }
  if (passes > kMostPasses) {
    throw Error("{}: layers times loops of the groups come to {}; at most {}", where, passes, kMostPasses);
  }
  // Each pass keeps keys and values of every position, in numbers of four bytes.
  const double bytes = 8.0 * static_cast<double>(passes) * spec.kv_size() * spec.context;
  if (bytes <= 0x1p62) return;
  throw Error(
      "{}: context ({}) times kv_heads ({}) times head_size ({}) times layers and loops ({}) is more than any "
      "memory holds",
      where, spec.context, spec.kv_heads, spec.head_size, passes);
}

/// Parts of a model are named by their groups, beside the embedding and the head.
void check_names(const ModelSpec& spec, const std::string& where) {
  std::set<std::string> names = {"embed", "head"};
  for (std::size_t g = 0; g < spec.groups.size(); ++g) {
    const std::string& name = spec.groups[g].name;
    if (names.insert(name).second) continue;
    const bool reserved = name == "embed" || name == "head";
    throw Error("{}: groups[{}].name is \"{}\", {}; give each group a name of its own", where, g, name,
                reserved ? "which is the name of another part of every model" : "as is another group's");
  }
}

}  // namespace

void validate(const ModelSpec& spec, const std::string& where) {
  check_sizes(spec, where);
  if (spec.groups.empty()) throw Error("{}: groups is empty; name at least one group of layers", where);
  check_rotation(spec, where);
  check_norms(spec, where);
  check_window(spec, where);
  check_encoder(spec, where);
  for (std::size_t g = 0; g < spec.groups.size(); ++g) {
    const std::string group = fmt::format("{}: groups[{}]", where, g);
    check_group(spec, spec.groups[g], group);
    check_loop(spec.groups[g], group);
  }
  check_depth(spec, where);
  check_names(spec, where);
}

}  // namespace gyre
