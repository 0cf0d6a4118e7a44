#include "model/compensated_rounding.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cstdint>

#include "format/storage_types.hpp"

namespace gyre {
namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Of the moments' mean square: keeps inputs that are always 0, or go together wholly, from mattering without end.
constexpr double kDamping = 0.01;

/// U, upper triangular, with UᵀU the inverse of the moments: row j says what an error of number j is to the later ones.
RowMajor error_factors(std::span<const float> moments, std::size_t columns) {
  const auto n = static_cast<Eigen::Index>(columns);
  Eigen::MatrixXd damped = Eigen::Map<const RowMajor>(moments.data(), n, n).cast<double>();
  damped.diagonal().array() += kDamping * damped.diagonal().mean();
  // Backwards, Cholesky gives H = M Mᵀ with M upper triangular, and U = M⁻¹.
  const Eigen::LLT<Eigen::MatrixXd> backwards(damped.reverse());
  const Eigen::MatrixXd factor = Eigen::MatrixXd(backwards.matrixL()).reverse();
  const Eigen::MatrixXd inverse = factor.triangularView<Eigen::Upper>().solve(Eigen::MatrixXd::Identity(n, n));
  return inverse.cast<float>();
}

/// Rounds rows of one matrix, from the first column to the last.
class RowRounding {
 public:
  RowRounding(const StorageType& type, const RowMajor& factors)
      : type_(type), factors_(factors), tried_(type.bytes), clipped_(type.numbers) {}

  /// Takes values [n, columns], which it changes, to their blocks, row by row.
  void round(Eigen::Ref<RowMajor> rows, std::uint8_t* blocks) {
    const auto columns = static_cast<std::size_t>(rows.cols());
    const std::size_t row_blocks = columns / type_.numbers;
    const std::size_t row_bytes = row_blocks * type_.bytes;
    errors_.resize(rows.rows());
    for (std::size_t b = 0; b < row_blocks; ++b) {
      const std::size_t begin = b * type_.numbers;
      std::uint8_t* const block = blocks + b * type_.bytes;
      for (Eigen::Index r = 0; r < rows.rows(); ++r) {
        choose_scales(&rows(r, static_cast<Eigen::Index>(begin)), begin,
                      block + static_cast<std::size_t>(r) * row_bytes);
      }
      for (std::size_t i = 0; i < type_.numbers; ++i) {
        const auto column = static_cast<Eigen::Index>(begin + i);
        for (Eigen::Index r = 0; r < rows.rows(); ++r) {
          const float value = rows(r, column);
          errors_[r] = value - type_.set(block + static_cast<std::size_t>(r) * row_bytes, i, value);
        }
        make_up(rows, column);
      }
    }
  }

 private:
  /// Moves the numbers behind a column against its errors.
  void make_up(Eigen::Ref<RowMajor> rows, Eigen::Index column) {
    const Eigen::Index later = rows.cols() - column - 1;
    const auto shares = factors_.row(column).tail(later);
    const float own = factors_(column, column);
    for (Eigen::Index r = 0; r < rows.rows(); ++r) rows.row(r).tail(later) -= errors_[r] / own * shares;
  }

  /// Writes the block whose scales cost least: those of all its numbers, or with the largest cut off to a share.
  void choose_scales(const float* values, std::size_t begin, std::uint8_t* block) {
    constexpr std::array<float, 8> kKept = {1.0F, 0.97F, 0.94F, 0.91F, 0.88F, 0.85F, 0.8F, 0.75F};
    const auto ends = std::minmax_element(values, values + type_.numbers);
    const float least = *ends.first;
    const float largest = *ends.second;
    float lowest_cost = 0;
    for (const float kept : kKept) {
      std::transform(values, values + type_.numbers, clipped_.begin(),
                     [&](float value) { return std::clamp(value, kept * least, kept * largest); });
      // A range that does not hold 0 is not to be cut from its inner end.
      if (kept < 1 && (least > 0 || largest < 0)) break;
      type_.write(clipped_.data(), tried_.data());
      const float cost = cost_of(values, begin);
      if (kept < 1 && cost >= lowest_cost) continue;
      lowest_cost = cost;
      std::copy(tried_.begin(), tried_.end(), block);
    }
  }

  /// Of rounding these numbers by the scales of the block that was tried: squares of errors, each as dear as it stays
  /// when later numbers have made up for it.
  float cost_of(const float* values, std::size_t begin) {
    float cost = 0;
    for (std::size_t i = 0; i < type_.numbers; ++i) {
      const auto column = static_cast<Eigen::Index>(begin + i);
      const float left = (values[i] - type_.set(tried_.data(), i, values[i])) / factors_(column, column);
      cost += left * left;
    }
    return cost;
  }

  const StorageType& type_;
  const RowMajor& factors_;
  std::vector<std::uint8_t> tried_;
  std::vector<float> clipped_;
  Eigen::VectorXf errors_;
};

}  // namespace

std::vector<std::byte> round_for_inputs(std::span<const float> values, std::size_t columns,
                                        std::span<const float> moments, DType type, ThreadPool& pool) {
  const StorageType& storage = storage_type(type);
  const RowMajor factors = error_factors(moments, columns);
  const std::size_t rows = values.size() / columns;
  const std::size_t row_bytes = columns / storage.numbers * storage.bytes;
  std::vector<std::byte> bytes(rows * row_bytes);
  // So many rows share a read of the factors.
  constexpr std::size_t kTogether = 8;
  std::vector<RowRounding> rounding(static_cast<std::size_t>(pool.size()), RowRounding(storage, factors));
  pool.share(rows, kTogether, pool.size() * 4, [&](Share mine, int thread) {
    for (std::size_t begin = mine.begin; begin < mine.end; begin += kTogether) {
      const std::size_t count = std::min(kTogether, mine.end - begin);
      RowMajor some = Eigen::Map<const RowMajor>(values.data() + begin * columns, static_cast<Eigen::Index>(count),
                                                 static_cast<Eigen::Index>(columns));
      rounding[static_cast<std::size_t>(thread)].round(
          some, reinterpret_cast<std::uint8_t*>(bytes.data() + begin * row_bytes));
    }
  });
  return bytes;
}

}  // namespace gyre
