#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "model/spec.hpp"

namespace gyre {

/// How one tensor of tensor_table(spec) is made from tensors of a checkpoint.
struct Recipe {
  using Parts = std::span<const std::vector<float>>;

  std::vector<std::string> parts;
  /// Writes the tensor, or returns false when the sizes of the parts do not fit. Null: the parts stacked by rows, where
  /// a single part has to be of the tensor's own shape and need not be copied.
  std::function<bool(Parts parts, std::span<float> out)> arrange;
};
using Arrangement = decltype(Recipe::arrange);

/// A published checkpoint in gyre's terms: what the model is, and where each of its tensors comes from.
struct Mapping {
  ModelSpec spec;
  std::map<std::string, Recipe> recipes;  ///< by name in tensor_table(spec)
  std::vector<std::string> unused;  ///< tensors that are known and not needed: a copy of the head, tables of angles
  std::vector<std::string> notes;   ///< where a run differs from one by the model's own program
};

/// Ways to arrange a single part.
namespace arrange {

/// A matrix of `rows` rows is stored [in, out]; the first `scaled_rows` of them are multiplied by `factor`.
Arrangement transposed(std::size_t rows, std::size_t scaled_rows = 0, float factor = 1.0F);
/// The two halves of each row of `columns` numbers change places: [e ; x] becomes [x ; e].
Arrangement halves_swapped(std::size_t columns);
/// What comes first, as many numbers as the tensor has: rows of padding are left behind.
Arrangement first_rows();
/// Zeros follow: biases of queries and keys become biases of queries, keys and values.
Arrangement zeros_behind();
/// Each number times `factor`.
Arrangement scaled(float factor);
/// Row r of `columns` numbers times most · σ(p[r]), p being a second part.
Arrangement rows_by_sigmoid(std::size_t columns, float most);
/// The exponential of each number.
Arrangement exponentials();
/// Each number and one: norms that multiply by 1 + w.
Arrangement plus_one();
/// The first `count` numbers times `factor`, the others as they are.
Arrangement first_scaled(std::size_t count, float factor);
/// Rows of `columns` numbers from row `skipped` on, as many as the tensor has, each with the first row of a second part
/// added.
Arrangement rows_plus_first(std::size_t columns, std::size_t skipped);
/// Zeros, of no part at all: biases that a checkpoint does not have.
Arrangement zeros();

}  // namespace arrange
}  // namespace gyre
