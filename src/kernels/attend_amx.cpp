#include "kernels/tables.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <numbers>

namespace gyre::amx {
namespace {

#include "kernels/amx_tiles.inl"

constexpr std::size_t kQueries = kTile;
constexpr std::size_t kMostHead = 128;  // whose queries stay in four tiles

/// Row i of the result is column i.
void transpose(__m512i (&rows)[16]) {
  __m512i t[16];
  for (std::size_t i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (std::size_t i = 0; i < 16; i += 4) {
    rows[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    rows[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    rows[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    rows[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (std::size_t i = 0; i < 16; i += 8) {
    for (std::size_t j = 0; j < 4; ++j) {
      t[i + j] = _mm512_shuffle_i32x4(rows[i + j], rows[i + j + 4], 0x88);
      t[i + j + 4] = _mm512_shuffle_i32x4(rows[i + j], rows[i + j + 4], 0xdd);
    }
  }
  for (std::size_t j = 0; j < 4; ++j) {
    rows[j] = _mm512_shuffle_i32x4(t[j], t[j + 8], 0x88);
    rows[j + 8] = _mm512_shuffle_i32x4(t[j], t[j + 8], 0xdd);
    rows[j + 4] = _mm512_shuffle_i32x4(t[j + 4], t[j + 12], 0x88);
    rows[j + 12] = _mm512_shuffle_i32x4(t[j + 4], t[j + 12], 0xdd);
  }
}

/// 16 numbers in bfloat16, one in each word.
inline __m512i words(const std::byte* halves) {
  return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(halves)));
}

/// What stays the same for all queries of a head.
struct Head {
  const KvPages& cache;
  std::size_t size;       ///< numbers of a row
  std::size_t positions;  ///< that the last query sees

  [[nodiscard]] std::size_t row_bytes() const { return kv_row_bytes(KvType::bf16, size); }
  [[nodiscard]] std::size_t channel_tiles() const { return size / kTile; }
};

/// Where the parts of `scratch` lie; `count` positions in whole tiles.
struct Scratch {
  std::byte* keys;     ///< tiles [count / 16, size / 32] of 16 positions by 32 channels
  std::byte* values;   ///< tiles [count / 32, size / 16] of 16 channels by 32 positions
  std::byte* shares;   ///< [count / 2] pairs of positions by 16 queries
  std::byte* queries;  ///< tiles [size / 32] of 16 pairs of channels by 16 queries
  float* scores;       ///< [count, 16 queries]
};

Scratch divide(float* scratch, const Head& head) {
  const std::size_t count = (head.positions + kTileColumns - 1) / kTileColumns * kTileColumns;
  const auto address = reinterpret_cast<std::uintptr_t>(scratch);
  auto* const first = reinterpret_cast<std::byte*>(scratch) + (64 - address % 64) % 64;
  std::byte* const values = first + count * head.size * 2;
  std::byte* const shares = values + count * head.size * 2;
  std::byte* const queries = shares + count * kQueries * 2;
  std::byte* const scores = queries + kQueries * head.size * 2;
  return {first, values, shares, queries, reinterpret_cast<float*>(scores)};
}

/// Number by number in a page; key by key in a tile.
void pack_keys(const Head& head, std::byte* out) {
  constexpr std::size_t kNumber = kKvPage * 2;
  static_assert(kKvPage == kTile);
  for (std::size_t page = 0; page * kKvPage < head.positions; ++page) {
    for (std::size_t channel = 0; channel < head.size; channel += kTileColumns) {
      const std::byte* const numbers = head.cache.keys_of(page) + channel * kNumber;
      __m512i pairs[16];
      for (std::size_t i = 0; i < 16; ++i) {
        const __m512i second = words(numbers + (2 * i + 1) * kNumber);
        pairs[i] = _mm512_or_si512(words(numbers + 2 * i * kNumber), _mm512_slli_epi32(second, 16));
      }
      transpose(pairs);
      for (const __m512i& row : pairs) {
        _mm512_store_si512(out, row);
        out += 64;
      }
    }
  }
}

void pack_values(const Head& head, std::byte* out) {
  const std::size_t bytes = head.row_bytes();
  for (std::size_t t = 0; t < head.positions; t += kTileColumns) {
    for (std::size_t channel = 0; channel < head.size; channel += kTile) {
      __m512i pairs[16];
      for (std::size_t i = 0; i < 16; ++i) {
        const std::size_t even = t + 2 * i;
        const auto value = [&](std::size_t entry) { return words(head.cache.value(entry, bytes) + channel * 2); };
        pairs[i] = even < head.positions ? value(even) : _mm512_setzero_si512();
        if (even + 1 < head.positions) {
          pairs[i] = _mm512_or_si512(pairs[i], _mm512_slli_epi32(value(even + 1), 16));
        }
      }
      transpose(pairs);
      for (const __m512i& row : pairs) {
        _mm512_store_si512(out, row);
        out += 64;
      }
    }
  }
}

void pack_queries(const float* queries, std::size_t stride, std::size_t head_size, std::byte* out) {
  for (std::size_t channel = 0; channel < head_size; channel += kTileColumns) {
    __m512i rows[kQueries];
    for (std::size_t n = 0; n < kQueries; ++n) {
      const float* const from = queries + n * stride + channel;
      const __m512bh halves = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + 16), _mm512_loadu_ps(from));
      rows[n] = __builtin_bit_cast(__m512i, halves);
    }
    transpose(rows);
    for (const __m512i& row : rows) {
      _mm512_store_si512(out, row);
      out += 64;
    }
  }
}

/// 16 keys by 16 queries, which lie in tiles 4 to 7.
void score_tile(const std::byte* keys, std::size_t head_size, float* scores) {
  _tile_zero(0);
  _tile_loadd(2, keys, 64);
  _tile_dpbf16ps(0, 2, 4);
  if (head_size > 32) {
    _tile_loadd(3, keys + kTileBytes, 64);
    _tile_dpbf16ps(0, 3, 5);
  }
  if (head_size > 64) {
    _tile_loadd(2, keys + 2 * kTileBytes, 64);
    _tile_dpbf16ps(0, 2, 6);
  }
  if (head_size > 96) {
    _tile_loadd(3, keys + 3 * kTileBytes, 64);
    _tile_dpbf16ps(0, 3, 7);
  }
  _tile_stored(0, scores, 64);
}

/// Products of the first `seen` keys with the queries: [seen, 16].
void score(const Head& head, const Scratch& scratch, std::size_t seen) {
  memory_barrier();
  _tile_loadd(4, scratch.queries, 64);
  if (head.size > 32) _tile_loadd(5, scratch.queries + kTileBytes, 64);
  if (head.size > 64) _tile_loadd(6, scratch.queries + 2 * kTileBytes, 64);
  if (head.size > 96) _tile_loadd(7, scratch.queries + 3 * kTileBytes, 64);
  for (std::size_t t = 0; t < seen; t += kTile) {
    score_tile(scratch.keys + t * head.size * 2, head.size, scratch.scores + t * kQueries);
  }
  memory_barrier();
}

/// 2^x for x up to about 0, to about 3e-6 relative.
inline __m512 exp2_of(__m512 x) {
  x = _mm512_max_ps(x, _mm512_set1_ps(-126.0F));
  const __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 r = _mm512_sub_ps(x, n);
  constexpr float kFactors[] = {1.3333558e-3F, 9.6181291e-3F, 5.5504109e-2F, 0.24022651F, 0.69314718F, 1.0F};
  __m512 p = _mm512_setzero_ps();
  for (const float factor : kFactors) p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(factor));
  return _mm512_scalef_ps(p, n);
}

/// Scores become shares in pairs of bfloat16 numbers; returns one over the sum of each query's. The first query sees
/// `own` positions, each further one more, all of them together `seen`. A score counts `unit` to the base 2.
__m512 share_out(const Scratch& scratch, std::size_t own, std::size_t seen, float unit) {
  const auto seeing = [own](std::size_t t) {
    return static_cast<__mmask16>(t < own ? 0xffffU : 0xffffU << (t + 1 - own));
  };
  const auto scores = [&](std::size_t t) { return _mm512_load_ps(scratch.scores + t * kQueries); };
  __m512 most = scores(0);
  for (std::size_t t = 1; t < seen; ++t) most = _mm512_mask_max_ps(most, seeing(t), most, scores(t));
  const __m512 units = _mm512_set1_ps(unit);
  const __m512 bottom = _mm512_mul_ps(most, units);
  __m512 sum = _mm512_setzero_ps();
  const auto share = [&](std::size_t t) {
    if (t >= seen) return _mm512_setzero_ps();
    const __m512 value = _mm512_maskz_mov_ps(seeing(t), exp2_of(_mm512_fmsub_ps(scores(t), units, bottom)));
    sum = _mm512_add_ps(sum, value);
    return value;
  };
  const std::size_t padded = (seen + kTileColumns - 1) / kTileColumns * kTileColumns;
  for (std::size_t t = 0; t < padded; t += 2) {
    const __m512 even = share(t);
    _mm512_store_si512(scratch.shares + t * kQueries * 2, pair_of(even, share(t + 1)));
  }
  return _mm512_div_ps(_mm512_set1_ps(1.0F), sum);
}

/// Values of `Count` tiles of channels from `first` on, mixed by shares: sums [channel, 16 queries].
template <std::size_t Count>
void mix_tiles(const Head& head, const Scratch& scratch, std::size_t first, std::size_t seen, float* sums) {
  static_assert(Count == 2 || Count == 4);
  memory_barrier();
  zero_sums();
  for (std::size_t step = 0; step * kTileColumns < seen; ++step) {
    const std::byte* const values = scratch.values + (step * head.channel_tiles() + first) * kTileBytes;
    _tile_loadd(4, scratch.shares + step * kTileBytes, 64);
    _tile_loadd(5, values, 64);
    _tile_dpbf16ps(0, 5, 4);
    _tile_loadd(6, values + kTileBytes, 64);
    _tile_dpbf16ps(1, 6, 4);
    if constexpr (Count == 4) {
      _tile_loadd(7, values + 2 * kTileBytes, 64);
      _tile_dpbf16ps(2, 7, 4);
      _tile_loadd(5, values + 3 * kTileBytes, 64);
      _tile_dpbf16ps(3, 5, 4);
    }
  }
  store_sums(sums);
  memory_barrier();
}

/// Where the mixed values of 16 queries go.
struct Mixed {
  float* out;
  std::size_t stride;
  __m512 factors;  ///< one a query
};

void put_tile(const float* sums, std::size_t channel, const Mixed& mixed) {
  __m512i rows[16];
  for (std::size_t i = 0; i < 16; ++i) {
    rows[i] = _mm512_castps_si512(_mm512_mul_ps(_mm512_load_ps(sums + i * kQueries), mixed.factors));
  }
  transpose(rows);
  for (std::size_t n = 0; n < kQueries; ++n) {
    _mm512_storeu_ps(mixed.out + n * mixed.stride + channel, _mm512_castsi512_ps(rows[n]));
  }
}

void mix(const Head& head, const Scratch& scratch, std::size_t seen, const Mixed& mixed) {
  alignas(64) float sums[4 * 256];
  std::size_t tile = 0;
  for (; tile + 4 <= head.channel_tiles(); tile += 4) {
    mix_tiles<4>(head, scratch, tile, seen, sums);
    for (std::size_t i = 0; i < 4; ++i) put_tile(sums + i * 256, (tile + i) * kTile, mixed);
  }
  if (tile == head.channel_tiles()) return;
  mix_tiles<2>(head, scratch, tile, seen, sums);
  for (std::size_t i = 0; i < 2; ++i) put_tile(sums + i * 256, (tile + i) * kTile, mixed);
}

}  // namespace

bool attends(const KvPages& cache, std::size_t rows, std::size_t head_size) {
  return cache.type == KvType::bf16 && cache.window == 0 && cache.growth == 1 && rows >= kQueries &&
         head_size % kTileColumns == 0 && head_size <= kMostHead;
}

void attend(const float* queries, std::size_t query_stride, std::size_t rows, const KvPages& cache, std::size_t count,
            std::size_t head_size, float scale, float* scratch, float* out, std::size_t out_stride) {
  const Tiles tiles;
  const Head head{cache, head_size, count + rows - 1};
  const Scratch parts = divide(scratch, head);
  pack_keys(head, parts.keys);
  pack_values(head, parts.values);
  for (std::size_t r = 0; r < rows; r += kQueries) {
    const std::size_t first = r + kQueries <= rows ? r : rows - kQueries;  // the last ones overlap those before
    const std::size_t own = count + first;
    const std::size_t seen = own + kQueries - 1;
    pack_queries(queries + first * query_stride, query_stride, head_size, parts.queries);
    score(head, parts, seen);
    const __m512 factors = share_out(parts, own, seen, scale * std::numbers::log2e_v<float>);
    mix(head, parts, seen, {out + first * out_stride, out_stride, factors});
  }
}

}  // namespace gyre::amx
#endif
