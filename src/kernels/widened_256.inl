// Included by kernels/products_256.inl. Many columns share the taking apart of a panel: a stretch of it is put down with
// every code in a byte of its own and scales as floats, and all of them go over it while it stays in the first cache.
// Their sums are added in the order in which a column alone adds them.

/// Runs of a stretch, columns that go over it together, and so many that it pays.
constexpr std::size_t kWidenedRuns = 16;
constexpr std::size_t kWidenedColumns = 64;
constexpr std::size_t kWorthWidening = 16;
static_assert(kWidenedColumns % kMostColumns == 0 && kWorthWidening % kMostColumns == 0);

template <WeightType Type>
struct WidenedStretch {
  static constexpr std::size_t kPieces = run_pieces<Type>();
  static constexpr bool kSigned = is_signed(layout_of(Type));

  alignas(32) std::byte codes[kWidenedRuns][8][2][32];
  alignas(32) std::byte sizes[kSigned ? kWidenedRuns : 1][8][2][32];
  alignas(32) float scales[kWidenedRuns][kPieces][2][8];
  alignas(32) float minima[layout_of(Type).minima ? kWidenedRuns : 1][2][8];
};

/// A run of a stretch, to be read as StoredRun is.
template <WeightType Type>
struct WidenedRun {
  const WidenedStretch<Type>& stretch;
  std::size_t run;

  template <std::size_t V>
  [[nodiscard]] Codes codes(std::size_t half) const {
    const __m256i read = load(stretch.codes[run][V][half]);
    if constexpr (!WidenedStretch<Type>::kSigned) return {read, read};
    return {read, load(stretch.sizes[WidenedStretch<Type>::kSigned ? run : 0][V][half])};
  }
  [[nodiscard]] __m256 scales(std::size_t piece, std::size_t half) const {
    return _mm256_load_ps(stretch.scales[run][piece][half]);
  }
  [[nodiscard]] __m256 minima(std::size_t half) const {
    return _mm256_load_ps(stretch.minima[layout_of(Type).minima ? run : 0][half]);
  }
};

template <WeightType Type>
inline void widen(const std::byte* panel, std::size_t first, std::size_t count, WidenedStretch<Type>& to) {
  for (std::size_t r = 0; r < count; ++r) {
    const StoredRun<Type> run = stored_run<Type>(panel, first + r);
    for (std::size_t half = 0; half < 2; ++half) {
      const auto put_codes = [&](auto vector) {
        const Codes codes = run.template codes<vector>(half);
        _mm256_store_si256(reinterpret_cast<__m256i*>(to.codes[r][vector][half]), codes.codes);
        if constexpr (WidenedStretch<Type>::kSigned) {
          _mm256_store_si256(reinterpret_cast<__m256i*>(to.sizes[r][vector][half]), codes.sizes);
        }
      };
      each(put_codes, std::make_index_sequence<8>());
      for (std::size_t piece = 0; piece < run_pieces<Type>(); ++piece) {
        _mm256_store_ps(to.scales[r][piece][half], run.scales(piece, half));
      }
      if constexpr (layout_of(Type).minima) _mm256_store_ps(to.minima[r][half], run.minima(half));
    }
  }
}

/// kMostColumns columns over the runs of a stretch, onto the sums of those before.
template <WeightType Type>
inline void add_stretch(const WidenedStretch<Type>& stretch, std::size_t first, std::size_t count,
                        const Activations& x, std::size_t column, Sums<kMostColumns>& sums) {
  Sums<kMostColumns> its = sums;
  for (std::size_t r = 0; r < count; ++r) add_run<Type>(WidenedRun<Type>{stretch, r}, first + r, x, column, its);
  sums = its;
}

/// Whole groups of kMostColumns columns, as long as enough are left; the first column that is.
template <WeightType Type>
std::size_t take_many_columns(const Work& work, std::size_t panel) {
  const std::byte* const weights = work.weights.data + panel * work.panel_size;
  const Activations& x = work.x;
  const std::size_t runs = padded_columns(x.columns) / kByteRun;
  std::size_t column = 0;
  while (x.count - column >= kWorthWidening) {
    auto& stretch = *::new (thread_room(sizeof(WidenedStretch<Type>))) WidenedStretch<Type>;
    const std::size_t left = (x.count - column) / kMostColumns;
    const std::size_t groups = left < kWidenedColumns / kMostColumns ? left : kWidenedColumns / kMostColumns;
    Sums<kMostColumns> sums[kWidenedColumns / kMostColumns] = {};
    for (std::size_t first = 0; first < runs; first += kWidenedRuns) {
      const std::size_t count = runs - first < kWidenedRuns ? runs - first : kWidenedRuns;
      widen<Type>(weights, first, count, stretch);
      for (std::size_t g = 0; g < groups; ++g) {
        add_stretch<Type>(stretch, first, count, x, column + g * kMostColumns, sums[g]);
      }
    }
    for (std::size_t g = 0; g < groups; ++g) put(sums[g], work, panel, column + g * kMostColumns, work.out);
    column += groups * kMostColumns;
  }
  return column;
}
