// Included by the peaks of each instruction set, inside its namespace, so that no copy for another set is linked in its
// place.

/// Nothing is left out because nobody reads the result, and nothing is worked out in advance.
template <typename Vector>
inline void keep(Vector& value) {
  asm volatile("" : "+x"(value));
}

/// `rounds` rounds of kPeakSums independent steps sum ← step(sum).
template <typename Vector, typename Step>
inline void run_rounds(std::size_t rounds, Vector zero, Step step) {
  Vector sums[kPeakSums];
  for (Vector& sum : sums) sum = zero;
  for (std::size_t r = 0; r < rounds; ++r) {
    for (Vector& sum : sums) sum = step(sum);
    for (Vector& sum : sums) keep(sum);
  }
}
