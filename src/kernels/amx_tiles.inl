// Included by whatever uses tile registers, inside its namespace, so that no copy for another set is linked in its place.

constexpr std::size_t kTile = 16;         // rows of a tile
constexpr std::size_t kTileColumns = 32;  // bfloat16 numbers of a row of a tile
constexpr std::size_t kTileBytes = 1024;

struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t bytes_of_row[16] = {};
  std::uint8_t rows[16] = {};
};

/// The tile registers are the thread's for as long as this lives: eight whole tiles.
class Tiles {
 public:
  Tiles() {
    TileConfig config;
    for (int tile = 0; tile < 8; ++tile) {
      config.bytes_of_row[tile] = 64;
      config.rows[tile] = kTile;
    }
    // The compiler's own intrinsic for this forgets that it reads memory, as those for tiles forget it.
    asm volatile("ldtilecfg %0" ::"m"(config));
  }
  ~Tiles() { _tile_release(); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

/// Tile instructions see memory as it is now, and what they write is seen.
inline void memory_barrier() { asm volatile("" ::: "memory"); }

/// Tiles 0 to 3 are where sums grow.
inline void zero_sums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}
inline void store_sums(float* sums) {
  constexpr std::size_t kNumbers = kTileBytes / sizeof(float);
  _tile_stored(0, sums, 64);
  _tile_stored(1, sums + kNumbers, 64);
  _tile_stored(2, sums + 2 * kNumbers, 64);
  _tile_stored(3, sums + 3 * kNumbers, 64);
}

/// Two numbers of each row as a pair of bfloat16 numbers.
inline __m512i pair_of(__m512 first, __m512 second) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const __m512bh halves = _mm512_cvtne2ps_pbh(second, first);
  return _mm512_permutexvar_epi16(order, __builtin_bit_cast(__m512i, halves));
}
