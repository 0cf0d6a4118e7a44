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

  /// y = sum + bias, and + y where sums are added.
  void put(std::size_t column, __m512 sum) const {
    const __m512 there = out_.add ? _mm512_add_ps(bias_, _mm512_maskz_loadu_ps(mask_, place(column))) : bias_;
    _mm512_mask_storeu_ps(place(column), mask_, _mm512_add_ps(sum, there));
  }

 private:
  [[nodiscard]] float* place(std::size_t column) const { return out_.y + column * out_.stride + row_; }

  const ProductOut& out_;
  std::size_t row_;
  __mmask16 mask_;
  __m512 bias_;
};
