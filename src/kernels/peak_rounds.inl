// Included by the peaks of each instruction set, inside its namespace, so that no copy for another set is linked in its
// place.

/// Nothing is left out because nobody reads the result, and nothing is worked out in advance.
template <typename Vector>
inline void keep(Vector& value) {
  asm volatile("" : "+x"(value));
}

template <typename Vector, typename Step, std::size_t... I>
inline void run_rounds(std::size_t rounds, Vector zero, Step step, std::index_sequence<I...> /*sums*/) {
  Vector sums[] = {(static_cast<void>(I), zero)...};
  for (std::size_t r = 0; r < rounds; ++r) {
    ((sums[I] = step(sums[I])), ...);
    (keep(sums[I]), ...);
  }
}

/// `rounds` rounds of kPeakSums independent steps sum ← step(sum). Each sum has its number when this is compiled: else
/// they would not stay in registers, and memory would be measured.
template <typename Vector, typename Step>
inline void run_rounds(std::size_t rounds, Vector zero, Step step) {
  run_rounds(rounds, zero, step, std::make_index_sequence<kPeakSums>());
}
