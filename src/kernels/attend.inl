// Attention by vectors of the width that kernels/vector.inl was included with.
//
// A few queries read keys and values as they are stored. For more, on AVX2, a tile of positions is widened to floats
// once and stays in the first cache while all of them go over it: the multipliers are what bounds them then. Whichever
// way a query goes, its sums are added in the same order, so that it gets the same to the bit.

namespace gyre {
namespace {

// Keys and values of one head in a page, of each type: a register of number i of the keys from `place` on, the scales
// that those of a run share, and numbers of one value from i on (a multiple of kLanes), or one.

struct FloatPage {
  static constexpr KvType kType = KvType::f32;
  static constexpr bool kScaled = false;
  static Register keys(const std::byte* keys, std::size_t i, std::size_t place) {
    return load(reinterpret_cast<const float*>(keys) + i * kKvPage + place);
  }
  static Register lanes(const std::byte* row, std::size_t i, std::size_t /*head_size*/) {
    return load(reinterpret_cast<const float*>(row) + i);
  }
  static float one(const std::byte* row, std::size_t i, std::size_t /*head_size*/) {
    return reinterpret_cast<const float*>(row)[i];
  }
};

struct Bf16Page {
  static constexpr KvType kType = KvType::bf16;
  static constexpr bool kScaled = false;
  using Halves = std::uint16_t __attribute__((vector_size(2 * kLanes)));
  using Words = std::uint32_t __attribute__((vector_size(GYRE_VECTOR_BYTES)));
  static Register widened(const std::byte* from) {
    Halves halves;
    __builtin_memcpy(&halves, from, sizeof(halves));
    return __builtin_bit_cast(Register, __builtin_convertvector(halves, Words) << 16);
  }
  static Register keys(const std::byte* keys, std::size_t i, std::size_t place) {
    return widened(keys + 2 * (i * kKvPage + place));
  }
  static Register lanes(const std::byte* row, std::size_t i, std::size_t /*head_size*/) { return widened(row + 2 * i); }
  static float one(const std::byte* row, std::size_t i, std::size_t /*head_size*/) {
    std::uint16_t half = 0;
    __builtin_memcpy(&half, row + 2 * i, sizeof(half));
    return __builtin_bit_cast(float, static_cast<std::uint32_t>(half) << 16);
  }
};

struct BytePage {
  static constexpr KvType kType = KvType::q8_0;
  static constexpr bool kScaled = true;
  static_assert(kKvRun % kLanes == 0);
  using Codes = signed char __attribute__((vector_size(kLanes)));
  using Shorts = short __attribute__((vector_size(2 * kLanes)));
  static Register widened(const std::byte* from) {
    Codes bytes;
    __builtin_memcpy(&bytes, from, sizeof(bytes));
    // In two steps, each of which is one instruction.
    const auto words = __builtin_convertvector(__builtin_convertvector(bytes, Shorts), IntVector);
    return __builtin_convertvector(words, Register);
  }
  static Register keys(const std::byte* keys, std::size_t i, std::size_t place) {
    return widened(keys + i * kKvPage + place);
  }
  static Register key_scales(const std::byte* keys, std::size_t run, std::size_t place, std::size_t head_size) {
    return load(reinterpret_cast<const float*>(keys + kKvPage * kv_code_bytes(head_size)) + run * kKvPage + place);
  }
  static const float* scales(const std::byte* row, std::size_t head_size) {
    return reinterpret_cast<const float*>(row + kv_code_bytes(head_size));
  }
  static Register lanes(const std::byte* row, std::size_t i, std::size_t head_size) {
    return widened(row + i) * scales(row, head_size)[i / kKvRun];
  }
  static float one(const std::byte* row, std::size_t i, std::size_t head_size) {
    return static_cast<float>(static_cast<signed char>(row[i])) * scales(row, head_size)[i / kKvRun];
  }
};

/// What attention to one head reads, and how.
struct HeadView {
  const KvPages& cache;
  std::size_t size;  ///< numbers of a key
  float scale;
  std::size_t row_bytes;
};

/// Several queries of a head and their scores.
struct QueryRows {
  const float* queries;
  std::size_t query_stride;
  float* scores;
  std::size_t score_stride;
};

/// Where keys are read as they are stored.
template <typename Page>
struct StoredKeys {
  const KvPages& cache;
  [[nodiscard]] const std::byte* of(std::size_t page) const { return cache.keys_of(page); }
  static Register read(const std::byte* keys, std::size_t i, std::size_t place) { return Page::keys(keys, i, place); }
};

/// Positions of a tile: keys and values that have been widened to floats (without the scales of keys).
constexpr std::size_t kTile = 64;
static_assert(kTile % kKvPage == 0 && kTile % (2 * kLanes) == 0);

/// Where they are read from a tile, laid out there as in pages of floats.
struct TileKeys {
  const float* tile;
  std::size_t first_page;
  std::size_t page_floats;
  [[nodiscard]] const std::byte* of(std::size_t page) const {
    return reinterpret_cast<const std::byte*>(tile + (page - first_page) * page_floats);
  }
  static Register read(const std::byte* keys, std::size_t i, std::size_t place) {
    return FloatPage::keys(keys, i, place);
  }
};

/// Adds to the scores of N queries the numbers [first, last) of B registers of keys.
template <typename Source, std::size_t N, std::size_t B>
inline void add_scores(const QueryRows& rows, const std::byte* const (&keys)[B], const std::size_t (&places)[B],
                       std::size_t first, std::size_t last, Register (&sums)[B][N]) {
#pragma GCC unroll 2
  for (std::size_t i = first; i < last; ++i) {
    Register numbers[B];
    for (std::size_t b = 0; b < B; ++b) numbers[b] = Source::read(keys[b], i, places[b]);
    for (std::size_t n = 0; n < N; ++n) {
      const float number = rows.queries[n * rows.query_stride + i];
      for (std::size_t b = 0; b < B; ++b) sums[b][n] += numbers[b] * number;
    }
  }
}

/// Scores of N queries against B registers of keys, from position t on; those of positions that do not exist are
/// whatever they are. Every score is a sum in the order of the numbers, whatever N and B are.
template <typename Page, std::size_t N, std::size_t B, typename Source>
inline void score_registers(const HeadView& head, const Source& source, const QueryRows& rows, std::size_t t) {
  const std::byte* keys[B];
  std::size_t places[B];
  for (std::size_t b = 0; b < B; ++b) {
    keys[b] = source.of((t + b * kLanes) / kKvPage);
    places[b] = (t + b * kLanes) % kKvPage;
  }
  Register sums[B][N] = {};
  if constexpr (Page::kScaled) {
    for (std::size_t run = 0; run * kKvRun < head.size; ++run) {
      const std::size_t last = head.size < (run + 1) * kKvRun ? head.size : (run + 1) * kKvRun;
      Register codes[B][N] = {};
      add_scores<Source>(rows, keys, places, run * kKvRun, last, codes);
      for (std::size_t b = 0; b < B; ++b) {
        const std::byte* const stored = head.cache.keys_of((t + b * kLanes) / kKvPage);
        const Register scales = Page::key_scales(stored, run, places[b], head.size);
        for (std::size_t n = 0; n < N; ++n) sums[b][n] += codes[b][n] * scales;
      }
    }
  } else {
    add_scores<Source>(rows, keys, places, 0, head.size, sums);
  }
  for (std::size_t b = 0; b < B; ++b) {
    for (std::size_t n = 0; n < N; ++n) {
      store(rows.scores + n * rows.score_stride + t + b * kLanes, sums[b][n] * head.scale);
    }
  }
}

constexpr std::size_t kCacheLine = 64;

/// Asks for keys or values (`part`, their place in a page) of `number` positions from t on before they are needed: each
/// page begins a stream that the processor cannot foresee.
inline void prefetch(const HeadView& head, std::size_t part, std::size_t t, std::size_t number) {
  for (std::size_t page = t / kKvPage; page * kKvPage < t + number; ++page) {
    const std::byte* const rows = head.cache.pages[page] + part;
    for (std::size_t line = 0; line < kKvPage * head.row_bytes; line += kCacheLine) __builtin_prefetch(rows + line);
  }
}

/// Scores of N queries against `count` positions, as many registers at a time as keep the multipliers busy.
template <typename Page, std::size_t N>
inline void score(const HeadView& head, const QueryRows& rows, std::size_t count) {
  constexpr std::size_t kRegisters = N == 1 ? 8 : (kLanes >= 16 ? 20 : 10) / N;  // of 32 or 16, for sums
  constexpr std::size_t kStep = kRegisters * kLanes;
  const StoredKeys<Page> keys{head.cache};
  std::size_t t = 0;
  for (; t + kStep <= count; t += kStep) {
    prefetch(head, head.cache.values, t, kStep);
    // One query takes so many keys at a time that those ahead would drive out its own.
    if (N > 1 && t + 2 * kStep <= count) prefetch(head, head.cache.keys, t + kStep, kStep);
    score_registers<Page, N, kRegisters>(head, keys, rows, t);
  }
  if (t < count) prefetch(head, head.cache.values, t, count - t);
  if constexpr (kRegisters > 2) {
    for (; t + 2 * kLanes <= count; t += 2 * kLanes) score_registers<Page, N, 2>(head, keys, rows, t);
  }
  for (; t < count; t += kLanes) score_registers<Page, N, 1>(head, keys, rows, t);
}

/// Where the mixed values of several queries go: each times a factor of its own.
struct MixedRows {
  const float* factors;
  float* out;
  std::size_t stride;
};

/// Sums of values weighted by the scores of N queries, for channels i … i + B · kLanes, in the order of the positions.
/// The first query sees `count` of them, each further KvPages::growth more, or of them the last of its window.
template <typename Page, std::size_t N, std::size_t B>
inline void mix_channels(const HeadView& head, const QueryRows& rows, std::size_t count, std::size_t i,
                         const MixedRows& mixed) {
  Register sums[B][N] = {};
  const std::size_t growth = head.cache.growth;
  const std::size_t last_begin = head.cache.first_seen(count + growth * (N - 1));
  const std::size_t common = last_begin < count ? last_begin : count;  // from here on all see them
  // What a query does not see counts nothing, not even nothing times infinity.
  const auto add_where_seen = [&](std::size_t t) {
    const std::byte* const row = head.cache.value(t, head.row_bytes);
    for (std::size_t n = 0; n < N; ++n) {
      if (t >= count + growth * n || t < head.cache.first_seen(count + growth * n)) continue;
      const float score = rows.scores[n * rows.score_stride + t];
      for (std::size_t b = 0; b < B; ++b) sums[b][n] += Page::lanes(row, i + b * kLanes, head.size) * score;
    }
  };
  for (std::size_t t = head.cache.first_seen(count); t < common; ++t) add_where_seen(t);
  for (std::size_t begin = common; begin < count;) {
    const std::byte* row = head.cache.value(begin, head.row_bytes);
    const std::size_t page_end = (begin / kKvPage + 1) * kKvPage;
    const std::size_t end = count < page_end ? count : page_end;
    for (std::size_t t = begin; t < end; ++t, row += head.row_bytes) {
      for (std::size_t b = 0; b < B; ++b) {
        const Register numbers = Page::lanes(row, i + b * kLanes, head.size);
        for (std::size_t n = 0; n < N; ++n) sums[b][n] += numbers * rows.scores[n * rows.score_stride + t];
      }
    }
    begin = end;
  }
  for (std::size_t t = count; t < count + growth * (N - 1); ++t) add_where_seen(t);
  for (std::size_t b = 0; b < B; ++b) {
    for (std::size_t n = 0; n < N; ++n) {
      store(mixed.out + n * mixed.stride + i + b * kLanes, sums[b][n] * mixed.factors[n]);
    }
  }
}

template <typename Page, std::size_t N>
inline void mix(const HeadView& head, const QueryRows& rows, std::size_t count, const MixedRows& mixed) {
  constexpr std::size_t kSums = kLanes >= 16 ? 16 : 12;
  constexpr std::size_t kSideBySide = N * 4 <= kSums ? 4 : (N * 2 <= kSums ? 2 : 1);
  std::size_t i = 0;
  if constexpr (N == 1) {
    for (; i + 8 * kLanes <= head.size; i += 8 * kLanes) mix_channels<Page, N, 8>(head, rows, count, i, mixed);
  }
  for (; i + kSideBySide * kLanes <= head.size; i += kSideBySide * kLanes) {
    mix_channels<Page, N, kSideBySide>(head, rows, count, i, mixed);
  }
  for (; i + kLanes <= head.size; i += kLanes) mix_channels<Page, N, 1>(head, rows, count, i, mixed);
  for (; i < head.size; ++i) {
    for (std::size_t n = 0; n < N; ++n) {
      float sum = 0;
      const std::size_t end = count + head.cache.growth * n;
      for (std::size_t t = head.cache.first_seen(end); t < end; ++t) {
        sum += rows.scores[n * rows.score_stride + t] * Page::one(head.cache.value(t, head.row_bytes), i, head.size);
      }
      mixed.out[n * mixed.stride + i] = sum * mixed.factors[n];
    }
  }
}

/// N queries, the first of which sees `count` positions.
template <typename Page, std::size_t N>
inline void attend_together(const HeadView& head, const QueryRows& rows, std::size_t count, float* out,
                            std::size_t out_stride) {
  const std::size_t growth = head.cache.growth;
  score<Page, N>(head, rows, count + growth * (N - 1));
  float inverses[N];
  for (std::size_t n = 0; n < N; ++n) {
    const std::size_t end = count + growth * n;
    const std::size_t first = head.cache.first_seen(end);
    inverses[n] = 1.0F / exponentiate(rows.scores + n * rows.score_stride + first, end - first);
  }
  mix<Page, N>(head, rows, count, {inverses, out, out_stride});
}

/// Queries that go over a tile side by side, and registers of its keys or values beside each: as many sums as keep the
/// multipliers busy, and fewer loads than multiplications.
constexpr std::size_t kBeside = 6;
constexpr std::size_t kTileRegisters = 2;

/// Most queries that share a tile.
constexpr std::size_t kMostTiled = 24;
static_assert(kMostTiled % kBeside == 0);

/// Several queries, kBeside or a multiple of it, the first of which sees `count` positions.
struct TiledQueries {
  QueryRows rows;
  std::size_t number;
  std::size_t count;

  /// Those of kBeside queries from `first` on.
  [[nodiscard]] QueryRows beside(std::size_t first) const {
    return {rows.queries + first * rows.query_stride, rows.query_stride, rows.scores + first * rows.score_stride,
            rows.score_stride};
  }
};

/// Positions of a cache, [begin, end).
struct Positions {
  std::size_t begin;
  std::size_t end;
  [[nodiscard]] Positions within(Positions other) const {
    const Positions both{begin < other.begin ? other.begin : begin, end < other.end ? end : other.end};
    return both.begin < both.end ? both : Positions{both.begin, both.begin};
  }
  [[nodiscard]] bool empty() const { return begin == end; }
};

/// What query number n sees.
inline Positions seen_by(const HeadView& head, const TiledQueries& queries, std::size_t n) {
  const std::size_t end = queries.count + head.cache.growth * n;
  return {head.cache.first_seen(end), end};
}

template <typename Page>
inline void widen_keys(const HeadView& head, Positions positions, float* tile) {
  for (std::size_t page = positions.begin / kKvPage; page * kKvPage < positions.end; ++page) {
    const std::byte* const keys = head.cache.keys_of(page);
    for (std::size_t i = 0; i < head.size; ++i) {
      for (std::size_t place = 0; place < kKvPage; place += kLanes) {
        store(tile + i * kKvPage + place, Page::keys(keys, i, place));
      }
    }
    tile += head.size * kKvPage;
  }
}

template <typename Page>
inline void score_tiled(const HeadView& head, const TiledQueries& queries, float* tile) {
  const std::size_t last = seen_by(head, queries, queries.number - 1).end;
  for (std::size_t begin = 0; begin < last; begin += kTile) {
    const Positions here{begin, begin + kTile < last ? begin + kTile : last};
    widen_keys<Page>(head, here, tile);
    const TileKeys keys{tile, begin / kKvPage, head.size * kKvPage};
    for (std::size_t n = 0; n < queries.number; n += kBeside) {
      const Positions seen = here.within(
          {seen_by(head, queries, n).begin, seen_by(head, queries, n + kBeside - 1).end});
      const QueryRows rows = queries.beside(n);
      std::size_t t = seen.begin / kLanes * kLanes;
      for (; t + kTileRegisters * kLanes <= seen.end; t += kTileRegisters * kLanes) {
        score_registers<Page, kBeside, kTileRegisters>(head, keys, rows, t);
      }
      for (; t < seen.end; t += kLanes) score_registers<Page, kBeside, 1>(head, keys, rows, t);
    }
  }
}

/// Adds to the sums of kBeside queries, head.size apart, B registers of the values at `positions`, which are `tile` and
/// what follows it, weighted by their scores.
template <std::size_t B>
inline void add_values(const HeadView& head, const QueryRows& rows, Positions positions, const float* tile, float* out) {
  Register sums[B][kBeside];
  for (std::size_t n = 0; n < kBeside; ++n) {
    for (std::size_t b = 0; b < B; ++b) sums[b][n] = load(out + n * head.size + b * kLanes);
  }
  for (std::size_t t = positions.begin; t < positions.end; ++t, tile += head.size) {
    Register numbers[B];
    for (std::size_t b = 0; b < B; ++b) numbers[b] = load(tile + b * kLanes);
    for (std::size_t n = 0; n < kBeside; ++n) {
      const float score = rows.scores[n * rows.score_stride + t];
      for (std::size_t b = 0; b < B; ++b) sums[b][n] += numbers[b] * score;
    }
  }
  for (std::size_t n = 0; n < kBeside; ++n) {
    for (std::size_t b = 0; b < B; ++b) store(out + n * head.size + b * kLanes, sums[b][n]);
  }
}

/// Mixes into the sums of queries n … n + kBeside the values of a tile that begins at `first`. What a query does not
/// see counts nothing, not even nothing times infinity.
inline void mix_tile(const HeadView& head, const TiledQueries& queries, std::size_t n, Positions here,
                     const float* tile, float* out) {
  const QueryRows rows = queries.beside(n);
  const Positions first = seen_by(head, queries, n);
  const Positions last = seen_by(head, queries, n + kBeside - 1);
  const Positions common = here.within({last.begin, first.end});  // all see them
  const auto add_where_seen = [&](Positions positions) {
    for (std::size_t t = positions.begin; t < positions.end; ++t) {
      const float* const row = tile + (t - here.begin) * head.size;
      for (std::size_t k = 0; k < kBeside; ++k) {
        const Positions seen = seen_by(head, queries, n + k);
        if (t < seen.begin || t >= seen.end) continue;
        float* const sums = out + k * head.size;
        const float score = rows.scores[k * rows.score_stride + t];
        for (std::size_t i = 0; i < head.size; i += kLanes) store(sums + i, load(sums + i) + load(row + i) * score);
      }
    }
  };
  if (common.empty()) return add_where_seen(here.within({first.begin, last.end}));
  add_where_seen(here.within({first.begin, common.begin}));
  const float* const row = tile + (common.begin - here.begin) * head.size;
  std::size_t i = 0;
  for (; i + kTileRegisters * kLanes <= head.size; i += kTileRegisters * kLanes) {
    add_values<kTileRegisters>(head, rows, common, row + i, out + i);
  }
  for (; i < head.size; i += kLanes) add_values<1>(head, rows, common, row + i, out + i);
  add_where_seen(here.within({common.end, last.end}));
}

template <typename Page>
inline void mix_tiled(const HeadView& head, const TiledQueries& queries, float* tile, float* out) {
  const Positions all{seen_by(head, queries, 0).begin, seen_by(head, queries, queries.number - 1).end};
  for (std::size_t begin = all.begin; begin < all.end; begin += kTile) {
    const Positions here{begin, begin + kTile < all.end ? begin + kTile : all.end};
    for (std::size_t t = here.begin; t < here.end; ++t) {
      const std::byte* const row = head.cache.value(t, head.row_bytes);
      float* const to = tile + (t - here.begin) * head.size;
      for (std::size_t i = 0; i < head.size; i += kLanes) store(to + i, Page::lanes(row, i, head.size));
    }
    for (std::size_t n = 0; n < queries.number; n += kBeside) {
      mix_tile(head, queries, n, here, tile, out + n * head.size);
    }
  }
}

/// attend_together() by tiles, for heads of whole registers. `work` holds a tile and the sums of all queries.
template <typename Page>
inline void attend_tiled(const HeadView& head, const TiledQueries& queries, float* work, float* out,
                         std::size_t out_stride) {
  float* const sums = work + kTile * head.size;
  score_tiled<Page>(head, queries, work);
  float inverses[kMostTiled];
  for (std::size_t n = 0; n < queries.number; ++n) {
    const Positions seen = seen_by(head, queries, n);
    float* const scores = queries.rows.scores + n * queries.rows.score_stride;
    inverses[n] = 1.0F / exponentiate(scores + seen.begin, seen.end - seen.begin);
  }
  __builtin_memset(sums, 0, queries.number * head.size * sizeof(float));
  mix_tiled<Page>(head, queries, work, sums);
  for (std::size_t n = 0; n < queries.number; ++n) {
    for (std::size_t i = 0; i < head.size; i += kLanes) {
      store(out + n * out_stride + i, load(sums + n * head.size + i) * inverses[n]);
    }
  }
}

template <typename Page>
inline void attend_rows(const float* queries, std::size_t query_stride, std::size_t rows, const KvPages& cache,
                        std::size_t count, std::size_t head_size, float scale, float* scratch, float* out,
                        std::size_t out_stride) {
  // With 32 registers eight queries as they come are faster than a tile.
  constexpr bool kTiles = kLanes < 16;
  constexpr decltype(&attend_together<Page, 1>) kFew[] = {attend_together<Page, 1>, attend_together<Page, 2>,
                                                          attend_together<Page, 3>, attend_together<Page, 4>};
  const std::size_t stride = (count + cache.growth * (rows - 1) + kKvPage - 1) / kKvPage * kKvPage;
  for (std::size_t r = 0; r < rows;) {
    const std::size_t left = rows - r;
    const QueryRows some{queries + r * query_stride, query_stride, scratch, stride};
    std::size_t seen = count + cache.growth * r;
    const KvPages pages = cache.from_first_seen(seen);
    const HeadView head{pages, head_size, scale, kv_row_bytes(Page::kType, head_size)};
    float* const to = out + r * out_stride;
    std::size_t n = left < 4 ? left : 4;
    if (kTiles && left >= kBeside && head_size % kLanes == 0) {
      n = (left < kMostTiled ? left : kMostTiled) / kBeside * kBeside;
      attend_tiled<Page>(head, {some, n, seen}, scratch + kMostTiled * stride, to, out_stride);
    } else if (!kTiles && left >= 8) {
      n = 8;
      attend_together<Page, 8>(head, some, seen, to, out_stride);
    } else {
      kFew[n - 1](head, some, seen, to, out_stride);
    }
    r += n;
  }
}

void attend(const float* queries, std::size_t query_stride, std::size_t rows, const KvPages& cache, std::size_t count,
            std::size_t head_size, float scale, float* scratch, float* out, std::size_t out_stride) {
  switch (cache.type) {
    case KvType::f32:
      return attend_rows<FloatPage>(queries, query_stride, rows, cache, count, head_size, scale, scratch, out,
                                    out_stride);
    case KvType::bf16:
      return attend_rows<Bf16Page>(queries, query_stride, rows, cache, count, head_size, scale, scratch, out,
                                   out_stride);
    case KvType::q8_0:
      return attend_rows<BytePage>(queries, query_stride, rows, cache, count, head_size, scale, scratch, out,
                                   out_stride);
  }
}

}  // namespace
}  // namespace gyre
