#include "engine/layer.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "engine/low_rank_product.hpp"

namespace gyre {
namespace {

float gelu_tanh(float x) {
  const auto scale = static_cast<float>(std::numbers::sqrt2 * std::numbers::inv_sqrtpi);
  return 0.5F * x * (1.0F + std::tanh(scale * (x + 0.044715F * x * x * x)));
}

float relu_squared(float x) {
  const float positive = std::max(x, 0.0F);
  return positive * positive;
}

float leaky_relu_squared(float x) {
  const float leaky = x > 0.0F ? x : 0.5F * x;
  return leaky * leaky;
}

template <typename Function>
void map_in_place(float* values, std::size_t count, Function function) {
  std::transform(values, values + count, values, function);
}

template <typename Function>
void gate_in_place(const float* gate, float* values, std::size_t count, Function function) {
  for (std::size_t i = 0; i < count; ++i) values[i] *= function(gate[i]);
}

/// Whether `later` is the token `distance` positions behind `row` in the same sequence and loop.
bool follows(const TokenRow& later, const TokenRow& row, std::size_t distance) {
  return later.cache == row.cache && later.loop == row.loop &&
         later.offset == row.offset + static_cast<int>(distance) && later.attention == row.attention;
}

/// The rows of a matrix of `out` rows that panels hold.
Share rows_of(Share panels, std::size_t out) {
  return {std::min(out, panels.begin * kPanelRows), std::min(out, panels.end * kPanelRows)};
}

/// So many queries of one key head kernels take at once.
constexpr std::size_t kQueriesTogether = 8;

/// A piece of fewer panels gives kernels too few sums side by side.
constexpr std::size_t kPiecePanels = 8;

}  // namespace

LayerRunner::LayerRunner(const ModelSpec& spec, ThreadPool& pool)
    : spec_(spec),
      pool_(pool),
      kernels_(kernels()),
      hidden_(static_cast<std::size_t>(spec.hidden_size)),
      qkv_size_(static_cast<std::size_t>(spec.qkv_size())),
      scratch_(static_cast<std::size_t>(pool.size())),
      rotary_(spec),
      ones_(static_cast<std::size_t>(spec.head_size), 1.0F) {}

void LayerRunner::rest() {
  input_ = ActivationRows();
  for (std::vector<float>* rows : {&output_, &summed_, &qkv_, &mixed_, &first_, &gate_, &up_}) {
    *rows = std::vector<float>();
  }
}

void LayerRunner::reserve(std::size_t rows, int position) {
  const auto attention = static_cast<std::size_t>(spec_.attention_size());
  const auto ffn = static_cast<std::size_t>(spec_.ffn_size);
  const std::size_t widest = std::max({hidden_, attention, ffn});
  input_.reserve(rows, widest);
  for (Scratch& scratch : scratch_) {
    grow(scratch.scores, attend_scratch(static_cast<std::size_t>(position), static_cast<std::size_t>(spec_.head_size)));
    grow(scratch.gates, static_cast<std::size_t>(spec_.kv_heads));
  }
  grow(output_, rows * hidden_);
  grow(summed_, rows * hidden_);
  grow(qkv_, rows * qkv_size_);
  grow(mixed_, rows * attention);
  const bool twice = std::any_of(spec_.groups.begin(), spec_.groups.end(),
                                 [](const Group& group) { return group.first_loop_attention; });
  grow(first_, twice ? rows * attention : 0);
  grow(gate_, spec_.gated_mlp() ? rows * ffn : 0);
  grow(up_, rows * ffn);
}

Activations LayerRunner::prepare(const Norm& norm, const float* x, std::size_t n, const Linear& reader) {
  const std::size_t columns = reader.in();
  const WeightType type = reader.weight.type;
  const bool as_bf16 = kernels_.takes_bf16(type, n, columns);
  const float* const input = norm.weight != nullptr ? input_.floats() : x;
  if (norm.weight != nullptr || as_bf16 || is_coded(type)) {
    share_rows(n, [&](Share mine, int /*thread*/) {
      const std::size_t count = mine.end - mine.begin;
      const std::size_t first = mine.begin * columns;
      if (norm.weight != nullptr) apply(norm, x + first, count, input_.floats() + first);
      if (as_bf16) {
        kernels_.round_to_bf16(input, mine.begin, count, columns, input_.bf16());
      } else if (is_coded(type)) {
        kernels_.round_to_bytes(input + first, count, columns, input_.rounded(mine.begin, columns));
      }
    });
  }
  if (inputs_) inputs_({reader.tensor, {input, n * columns}, columns});
  return {n, columns, input, input_.rounded(0, columns), as_bf16 ? input_.bf16() : nullptr};
}

template <typename Work>
void LayerRunner::share_rows(std::size_t n, const Work& work) {
  pool_.share(n, 1, few(n) ? 1 : pool_.size(), work);
}

template <typename Work>
void LayerRunner::share_panels(const Linear& linear, const Work& work) {
  const std::size_t panels = linear.weight.panels();
  const auto threads = static_cast<std::size_t>(pool_.size());
  // An adapter's own product is made anew for every piece.
  const std::size_t pieces =
      linear.adapter != nullptr ? 1 : std::clamp<std::size_t>(panels / threads / kPiecePanels, 1, 4);
  pool_.share(panels, panels / threads < kPiecePanels ? 1 : 2, static_cast<int>(threads * pieces), work);
}

void LayerRunner::multiply(const Linear& linear, const Activations& x, Share panels, float* y, bool add) const {
  kernels_.multiply(linear.weight, x, panels.begin, panels.end, {y, linear.out(), linear.bias, add});
}

void LayerRunner::multiply(const Linear& linear, const Activations& x, Share panels, float* y, bool add, const Job& job,
                           int thread) {
  multiply(linear, x, panels, y, add);
  if (linear.adapter == nullptr) return;
  const Share rows = rows_of(panels, linear.out());
  add_low_rank(kernels_, linear, x, job.rows, {rows.begin, rows.end}, y,
               scratch_[static_cast<std::size_t>(thread)].low_rank);
}

void LayerRunner::apply(const Linear& linear, const float* x, std::size_t n, float* y) {
  input_.reserve(n, linear.in());
  const Activations input = prepare({}, x, n, linear);
  share_panels(linear, [&](Share panels, int /*thread*/) { multiply(linear, input, panels, y, false); });
}

void LayerRunner::apply(const Norm& norm, const float* x, std::size_t n, float* y) const {
  for (std::size_t t = 0; t < n; ++t) {
    if (spec_.norm == NormKind::rms) {
      kernels_.rms_norm(x + t * hidden_, norm.weight, spec_.norm_eps, hidden_, y + t * hidden_);
    } else {
      kernels_.layer_norm(x + t * hidden_, norm.weight, norm.bias, spec_.norm_eps, hidden_, y + t * hidden_);
    }
  }
}

void LayerRunner::run(const Layer& layer, const LayerPass& pass, std::span<const TokenRow> rows,
                      std::span<float> states) {
  const Job job{layer, pass, rows, states, better_by_heads(rows)};
  attention(job);
  mlp(job);
}

void LayerRunner::add_branch(const Linear& last, const float* x, const Norm& norm_out, const float* scale,
                             const Job& job) {
  const std::size_t n = job.rows.size();
  const Activations input = prepare({}, x, n, last);
  const bool at_once = adds_at_once(last, scale);
  float* const product = at_once ? job.states.data() : output_.data();
  share_panels(last, [&](Share panels, int thread) { multiply(last, input, panels, product, at_once, job, thread); });
  if (!at_once) share_rows(n, [&](Share mine, int /*thread*/) { add_output(mine, norm_out, scale, job); });
}

void LayerRunner::add_output(Share mine, const Norm& norm_out, const float* scale, const Job& job) {
  const NormPlacement placement = spec_.norm_placement;
  const std::size_t first = mine.begin * hidden_;
  const std::size_t count = (mine.end - mine.begin) * hidden_;
  const bool norm_of_branch = placement == NormPlacement::branch || placement == NormPlacement::post_branch;
  const bool norm_of_sum = placement == NormPlacement::post || placement == NormPlacement::sandwich;
  float* const states = job.states.data() + first;
  float* const output = output_.data() + first;
  float* const summed = summed_.data() + first;
  if (norm_of_branch) apply(norm_out, output, mine.end - mine.begin, summed);
  float* const added = norm_of_branch ? summed : output;
  for (std::size_t i = 0; scale != nullptr && i < count; ++i) added[i] *= scale[i % hidden_];
  if (norm_of_sum) {
    for (std::size_t i = 0; i < count; ++i) summed[i] = states[i] + added[i];
    apply(norm_out, summed, mine.end - mine.begin, states);
  } else {
    for (std::size_t i = 0; i < count; ++i) states[i] += added[i];
  }
}

void LayerRunner::attention(const Job& job) {
  const Layer& layer = job.layer;
  const std::size_t n = job.rows.size();
  const Activations input = prepare(layer.attention_in, job.states.data(), n, layer.qkv);
  if (const int pieces = pieces_by_head(job); pieces > 0) {
    const auto kv_heads = static_cast<std::size_t>(spec_.kv_heads);
    pool_.share(kv_heads, 1, pieces, [&](Share own, int thread) {
      project(job, input, own);
      store(job, own, input, thread);
      attend(job, {own.begin * heads_per_kv() * n, own.end * heads_per_kv() * n}, thread);
    });
  } else {
    share_panels(layer.qkv, [&](Share panels, int thread) {
      multiply(layer.qkv, input, panels, qkv_.data(), false, job, thread);
    });
    store(job, input);
    const std::size_t count = n * static_cast<std::size_t>(spec_.heads);
    pool_.share(count, 1, few(n) ? pool_.size() : 4 * pool_.size(),
                [&](Share mine, int thread) { attend(job, mine, thread); });
  }
  add_branch(layer.out, mixed_.data(), layer.attention_out, layer.attention_scale, job);
}

int LayerRunner::pieces_by_head(const Job& job) const {
  const bool whole_panels = static_cast<std::size_t>(spec_.head_size) % kPanelRows == 0;
  if (!whole_panels || spec_.qk_norm == QkNorm::full || job.layer.qkv.adapter != nullptr) return 0;
  const bool evenly = spec_.kv_heads % pool_.size() == 0;
  if (!evenly && spec_.kv_heads < 4 * pool_.size()) return 0;
  return evenly && few(job.rows.size()) ? pool_.size() : spec_.kv_heads;
}

void LayerRunner::project(const Job& job, const Activations& input, Share kv_heads) {
  const std::size_t panels = static_cast<std::size_t>(spec_.head_size) / kPanelRows;
  const auto q_heads = static_cast<std::size_t>(spec_.heads);
  const auto all_kv = static_cast<std::size_t>(spec_.kv_heads);
  const auto take = [&](std::size_t first, Share heads) {
    multiply(job.layer.qkv, input, {(first + heads.begin) * panels, (first + heads.end) * panels}, qkv_.data(), false);
  };
  const Share queries{kv_heads.begin * heads_per_kv(), kv_heads.end * heads_per_kv()};
  take(0, queries);
  take(q_heads, kv_heads);
  take(q_heads + all_kv, kv_heads);
  if (spec_.attention_gate) take(q_heads + 2 * all_kv, queries);
}

void LayerRunner::mlp(const Job& job) {
  const Layer& layer = job.layer;
  const std::size_t n = job.rows.size();
  const std::size_t ffn = layer.up.out();
  const Activations input = prepare(layer.mlp_in, job.states.data(), n, layer.up);
  share_panels(layer.up, [&](Share panels, int thread) {
    if (layer.gate.there()) multiply(layer.gate, input, panels, gate_.data(), false, job, thread);
    multiply(layer.up, input, panels, up_.data(), false, job, thread);
    activate(rows_of(panels, ffn), n);
  });
  add_branch(layer.down, up_.data(), layer.mlp_out, layer.mlp_scale, job);
}

void LayerRunner::store(const Job& job, const Activations& input) {
  const std::size_t n = job.rows.size();
  const auto all = static_cast<std::size_t>(spec_.kv_heads);
  if (!few(n)) {
    pool_.share(n, [&](Share mine, int thread) {
      for (std::size_t t = mine.begin; t < mine.end; ++t) store(job, t, {0, all}, input.floats + t * hidden_, thread);
    });
    return;
  }
  // A norm over all heads of a row is not to be shared out.
  const int pieces = spec_.qk_norm == QkNorm::full ? 1 : pool_.size();
  pool_.share(all, 1, pieces, [&](Share own, int thread) { store(job, own, input, thread); });
}

void LayerRunner::store(const Job& job, Share kv_heads, const Activations& input, int thread) {
  for (std::size_t t = 0; t < job.rows.size(); ++t) store(job, t, kv_heads, input.floats + t * hidden_, thread);
}

void LayerRunner::store(const Job& job, std::size_t row, Share kv_heads, const float* input, int thread) {
  const auto q_heads = static_cast<std::size_t>(spec_.heads);
  const auto all = static_cast<std::size_t>(spec_.kv_heads);
  if (kv_heads.end - kv_heads.begin == all) return store_heads(job, row, {0, q_heads + all}, input, thread);
  store_heads(job, row, {kv_heads.begin * heads_per_kv(), kv_heads.end * heads_per_kv()}, input, thread);
  store_heads(job, row, {q_heads + kv_heads.begin, q_heads + kv_heads.end}, input, thread);
}

void LayerRunner::store_heads(const Job& job, std::size_t row, Share heads, const float* input, int thread) {
  const TokenRow& token = job.rows[row];
  const auto head_size = static_cast<std::size_t>(spec_.head_size);
  const auto q_heads = static_cast<std::size_t>(spec_.heads);
  const auto kv_heads = static_cast<std::size_t>(spec_.kv_heads);
  float* const first = qkv_.data() + row * qkv_size_;
  float* const values = first + (q_heads + kv_heads) * head_size;
  if (heads.begin == heads.end) return;
  if (spec_.qk_norm == QkNorm::full) {
    kernels_.rms_norm(first, job.layer.q_norm, spec_.qk_norm_eps, q_heads * head_size, first);
    float* const keys = first + q_heads * head_size;
    kernels_.rms_norm(keys, job.layer.k_norm, spec_.qk_norm_eps, kv_heads * head_size, keys);
  }
  const Angles angles = rotary_.at(token.cache->rotary_length(), job.layer.window, token.position);
  const std::size_t slot = token.cache->slot(job.pass.group, job.pass.layer, token.loop);
  const int entry = token.cache->next_entry(slot) + token.offset;
  const std::size_t first_kv = std::max(heads.begin, q_heads) - q_heads;
  if (job.layer.value_embed != nullptr && heads.end > q_heads) {
    embed_values(job, token, {first_kv, heads.end - q_heads}, input, values, thread);
  }
  for (std::size_t h = heads.begin; h < heads.end; ++h) {
    float* const head = first + h * head_size;
    if (spec_.qk_norm == QkNorm::head) {
      kernels_.rms_norm(head, h < q_heads ? job.layer.q_norm : job.layer.k_norm, spec_.qk_norm_eps, head_size, head);
    }
    if (spec_.position != PositionKind::learned) {
      kernels_.rotate(head, angles.cosines, angles.sines, rotary_.pairs(),
                      spec_.position == PositionKind::rotary_adjacent);
    }
    if (spec_.qk_norm == QkNorm::after_rotary) {
      kernels_.rms_norm(head, ones_.data(), spec_.qk_norm_eps, head_size, head);
    }
    if (h < q_heads && job.layer.query_gain != nullptr) {
      const float gain = job.layer.query_gain[h];
      std::for_each(head, head + head_size, [gain](float& number) { number *= gain; });
    }
    if (h < q_heads) continue;
    token.cache->write(slot, h - q_heads, entry, head, values + (h - q_heads) * head_size);
  }
}

void LayerRunner::embed_values(const Job& job, const TokenRow& row, Share kv_heads, const float* input, float* values,
                               int thread) {
  const Linear& gate = job.layer.value_gate;
  const auto head_size = static_cast<std::size_t>(spec_.head_size);
  std::vector<float>& gates = scratch_[static_cast<std::size_t>(thread)].gates;
  kernels_.multiply(gate.weight, {1, gate.in(), input, {}}, 0, gate.weight.panels(), {gates.data(), gate.out()});
  const float* embedding = job.layer.value_embed + static_cast<std::size_t>(row.token) * gate.out() * head_size;
  for (std::size_t i = kv_heads.begin * head_size; i < kv_heads.end * head_size; ++i) {
    values[i] += 2.0F / (1.0F + std::exp(-gates[i / head_size])) * embedding[i];
  }
}

void LayerRunner::attend(const Job& job, Share mine, int thread) {
  const Layer& layer = job.layer;
  const std::size_t window = layer.window ? static_cast<std::size_t>(spec_.window) : 0;
  const std::size_t loop_window = layer.loop_window > 0 ? static_cast<std::size_t>(layer.loop_window) : window;
  for (std::size_t index = mine.begin; index < mine.end;) {
    const HeadRows all = job.by_heads ? heads_of_row(job, {index, mine.end}) : rows_of_head(job, {index, mine.end});
    const TokenRow& row = job.rows[all.first];
    const bool twice = layer.loop_gate != nullptr && row.loop > 0;
    attend_to(job, all, row.loop, twice ? loop_window : window, mixed_, thread);
    if (twice) attend_to(job, all, 0, window, first_, thread);
    for (HeadRows rows = all; rows.head < all.head + all.heads; ++rows.head) {
      rows.heads = 1;
      if (row.attention != nullptr) trace_scores(job, rows, twice ? loop_window : window);
      if (twice) blend_first_loop(layer, rows);
      if (spec_.attention_gate) gate_head(rows);
    }
    index += all.count * all.heads;
  }
}

LayerRunner::HeadRows LayerRunner::rows_of_head(const Job& job, Share mine) {
  const std::size_t n = job.rows.size();
  HeadRows rows{mine.begin / n, mine.begin % n};
  const TokenRow& row = job.rows[rows.first];
  const auto next_sees = [&](std::size_t growth) {
    const std::size_t next = rows.first + rows.count;
    return next < n && mine.begin + rows.count < mine.end && follows(job.rows[next], row, rows.count) &&
           job.rows[next].reach == row.reach + static_cast<int>(growth * rows.count);
  };
  if (next_sees(0)) rows.growth = 0;  // they see one another whole
  while (next_sees(rows.growth)) ++rows.count;
  return rows;
}

LayerRunner::HeadRows LayerRunner::heads_of_row(const Job& job, Share mine) const {
  const std::size_t cell = mine.begin / heads_per_kv();
  const std::size_t begin = mine.begin % heads_per_kv();
  const std::size_t end = std::min({heads_per_kv(), begin + mine.end - mine.begin, begin + kQueriesTogether});
  return {cell / job.rows.size() * heads_per_kv() + begin, cell % job.rows.size(), 1, 0, end - begin};
}

bool LayerRunner::better_by_heads(std::span<const TokenRow> rows) const {
  if (heads_per_kv() == 1) return false;
  std::size_t run = 1;
  for (std::size_t r = 1; r < rows.size() && run < kQueriesTogether; ++r) {
    run = follows(rows[r], rows[r - run], run) ? run + 1 : 1;
  }
  return run < kQueriesTogether;
}

float LayerRunner::attention_scale() const {
  return spec_.attention_scale > 0 ? spec_.attention_scale : 1.0F / std::sqrt(static_cast<float>(spec_.head_size));
}

LayerRunner::Seen LayerRunner::seen_by(const Job& job, const HeadRows& rows, int loop, std::size_t window) const {
  const TokenRow& row = job.rows[rows.first];
  const std::size_t slot = row.cache->slot(job.pass.group, job.pass.layer, loop);
  const auto count = static_cast<std::size_t>(row.cache->next_entry(slot)) + static_cast<std::size_t>(row.reach);
  KvPages pages = row.cache->head(slot, rows.head / heads_per_kv());
  pages.growth = rows.growth;
  if (window > 0 && count + rows.growth * (rows.count - 1) > window) pages.window = window;
  return {pages, count};
}

void LayerRunner::attend_to(const Job& job, const HeadRows& rows, int loop, std::size_t window,
                            std::vector<float>& mixed, int thread) {
  const auto head_size = static_cast<std::size_t>(spec_.head_size);
  const auto heads = static_cast<std::size_t>(spec_.heads);
  const auto [pages, count] = seen_by(job, rows, loop, window);
  const bool by_heads = rows.heads > 1;
  kernels_.attend(qkv_.data() + rows.first * qkv_size_ + rows.head * head_size, by_heads ? head_size : qkv_size_,
                  by_heads ? rows.heads : rows.count, pages, count, head_size, attention_scale(),
                  scratch_[static_cast<std::size_t>(thread)].scores.data(),
                  mixed.data() + (rows.first * heads + rows.head) * head_size,
                  by_heads ? head_size : heads * head_size);
}

void LayerRunner::trace_scores(const Job& job, const HeadRows& rows, std::size_t window) const {
  const auto head_size = static_cast<std::size_t>(spec_.head_size);
  const auto [pages, count] = seen_by(job, rows, job.rows[rows.first].loop, window);
  const HeadQueries queries{qkv_.data() + rows.first * qkv_size_ + rows.head * head_size, qkv_size_, rows.count,
                            head_size, static_cast<double>(attention_scale())};
  attention_scores(queries, pages, count, [&](std::size_t r, std::span<const double> scores) {
    const TokenRow& row = job.rows[rows.first + r];
    (*row.attention)({job.pass.group, job.pass.layer, row.loop, rows.head, row.position, scores});
  });
}

void LayerRunner::blend_first_loop(const Layer& layer, const HeadRows& rows) {
  const auto head_size = static_cast<std::size_t>(spec_.head_size);
  const auto heads = static_cast<std::size_t>(spec_.heads);
  const float* const weight = layer.loop_gate + rows.head * head_size;
  for (std::size_t t = rows.first; t < rows.first + rows.count; ++t) {
    const float* const query = qkv_.data() + t * qkv_size_ + rows.head * head_size;
    const float gate = std::inner_product(query, query + head_size, weight, layer.loop_gate_bias[rows.head]);
    const float share = 1.0F / (1.0F + std::exp(-gate));
    const std::size_t at = (t * heads + rows.head) * head_size;
    for (std::size_t i = at; i < at + head_size; ++i) mixed_[i] += share * (first_[i] - mixed_[i]);
  }
}

void LayerRunner::gate_head(const HeadRows& rows) {
  const auto head_size = static_cast<std::size_t>(spec_.head_size);
  const auto heads = static_cast<std::size_t>(spec_.heads);
  const std::size_t gates = qkv_size_ - heads * head_size;
  for (std::size_t t = rows.first; t < rows.first + rows.count; ++t) {
    const float* const gate = qkv_.data() + t * qkv_size_ + gates + rows.head * head_size;
    float* const mixed = mixed_.data() + (t * heads + rows.head) * head_size;
    for (std::size_t i = 0; i < head_size; ++i) mixed[i] /= 1.0F + std::exp(-gate[i]);
  }
}

void LayerRunner::activate(Share channels, std::size_t n) {
  const auto ffn = static_cast<std::size_t>(spec_.ffn_size);
  const std::size_t count = channels.end - channels.begin;
  for (std::size_t t = 0; t < n; ++t) {
    float* const up = up_.data() + t * ffn + channels.begin;
    switch (spec_.mlp) {
      case MlpKind::silu_gated:
        kernels_.silu_gated(gate_.data() + t * ffn + channels.begin, up, count, up);
        break;
      case MlpKind::gelu_gated:
        kernels_.gelu(gate_.data() + t * ffn + channels.begin, count, gate_.data() + t * ffn + channels.begin);
        gate_in_place(gate_.data() + t * ffn + channels.begin, up, count, [](float gate) { return gate; });
        break;
      case MlpKind::gelu_tanh_gated:
        gate_in_place(gate_.data() + t * ffn + channels.begin, up, count, gelu_tanh);
        break;
      case MlpKind::gelu:
        kernels_.gelu(up, count, up);
        break;
      case MlpKind::gelu_tanh:
        map_in_place(up, count, gelu_tanh);
        break;
      case MlpKind::relu_squared:
        map_in_place(up, count, relu_squared);
        break;
      case MlpKind::leaky_relu_squared:
        map_in_place(up, count, leaky_relu_squared);
        break;
    }
  }
}

}  // namespace gyre
