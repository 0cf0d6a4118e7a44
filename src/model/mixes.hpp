#pragma once

#include <span>
#include <string>
#include <string_view>

#include "format/tensor.hpp"
#include "model/spec.hpp"

namespace gyre {

/// A choice of types by the use of a matrix, under the names and by the rules of llama.cpp (llama-quant.cpp): what is
/// most sensitive gets more bits. Keys, queries and values are one matrix here, and take llama.cpp's type for such.
struct Mix {
  /// Which layers' down projections take `down` in place of `rest`.
  enum class Layers {
    none,
    first_eighth,
    ends_and_every_third,  ///< the first and last eighth, and every third between
  };

  std::string_view name;  ///< "q4_k_m"
  DType rest = DType::q4_k;
  DType attention = DType::q4_k;  ///< of queries, keys and values
  DType down = DType::q6_k;
  Layers layers = Layers::none;
  DType head = DType::q6_k;  ///< also of a table of embeddings that is the head
};

std::span<const Mix> mixes();
/// Null where there is no mix of that name, in capitals or not.
const Mix* mix_named(const std::string& name);
/// "q4_k_s, …", for help and messages.
std::string mix_names();
/// The type of a matrix of tensor_table(spec).
DType type_in(const Mix& mix, const ModelSpec& spec, std::string_view tensor);

/// What `type` becomes in a matrix whose rows have so many numbers: itself where they are whole blocks; else, of a K
/// type, the type of blocks of 32 that llama.cpp takes in its place; else F32.
DType fitting(DType type, std::size_t columns);

}  // namespace gyre
