// Included by the products of each instruction set with AVX-512, inside its namespace, so that no copy for another set
// is linked in its place.

/// Where the sums of one panel go: 16 rows from `row` on, of which `rows` are there.
class PanelOutput {
 public:
  PanelOutput(const ProductOut& out, std::size_t row, std::size_t rows)
      : out_(out),
        row_(row),
        mask_(static_cast<__mmask16>(rows >= kPanelRows ? 0xffffU : (1U << rows) - 1U)),
        bias_(out.bias == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(mask_, out.bias + row)) {}

  void put(std::size_t column, __m512 sum) const { store(column, _mm512_add_ps(sum, start(column))); }

  /// What a sum of this column may start from instead, to be stored as it is: the bias, and what is there.
  [[nodiscard]] __m512 start(std::size_t column) const {
    return out_.add ? _mm512_add_ps(bias_, _mm512_maskz_loadu_ps(mask_, place(column))) : bias_;
  }
  void store(std::size_t column, __m512 sum) const { _mm512_mask_storeu_ps(place(column), mask_, sum); }

 private:
  [[nodiscard]] float* place(std::size_t column) const { return out_.y + column * out_.stride + row_; }

  const ProductOut& out_;
  std::size_t row_;
  __mmask16 mask_;
  __m512 bias_;
};
