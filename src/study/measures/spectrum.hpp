#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace gyre {

/// Singular values of points [n, size] about their mean, descending, min(n, size) of them. Made of the eigenvalues of
/// the smaller of X Xᵀ and Xᵀ X, in F64: those below 1e-8 of the largest are 0.
std::vector<double> singular_values(std::span<const float> points, std::size_t size);

/// exp(H(p)), p_i = σ_i / Σ σ: between 1 and the number of singular values that are not 0. RankMe (arXiv 2210.02885),
/// here of points about their mean; NaN when all are 0.
double effective_rank(std::span<const double> singular_values);

/// α of σ_i² ∝ i^−α (α-ReQ; of language models across training arXiv 2509.23024): least squares of log σ_i² on log i,
/// i from m / 20 (at least 1) to m / 2 of the m values that are not 0, where the head of a spectrum no longer and the
/// size of the sample not yet decides. NaN of fewer than three.
double spectrum_decay(std::span<const double> singular_values);

}  // namespace gyre
