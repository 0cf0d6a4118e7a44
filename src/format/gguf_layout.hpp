#pragma once

#include <cstdint>
#include <string_view>

#include "format/tensor.hpp"

namespace gyre {

/// What the reader and the writer of GGUF both know of the file.
constexpr std::string_view kGgufMagic = "GGUF";
constexpr std::uint32_t kGgufVersion = 3;
constexpr std::uint64_t kGgufAlignment = 32;  ///< of tensor data, unless the file says otherwise
constexpr std::string_view kGgufAlignmentKey = "general.alignment";

/// The number of a tensor type in the file.
struct GgufTensorType {
  std::uint32_t number;
  DType dtype;
};
constexpr GgufTensorType kGgufTensorTypes[] = {
    {0, DType::f32},   {1, DType::f16},   {2, DType::q4_0},  {3, DType::q4_1},  {8, DType::q8_0},
    {12, DType::q4_k}, {13, DType::q5_k}, {14, DType::q6_k}, {30, DType::bf16}, {35, DType::tq2_0},
};

constexpr std::uint32_t kGgufMostAxes = 4;

bool is_utf8(std::string_view text);
/// Whether `text` may name a key or a tensor: names stand in one-line messages.
bool is_gguf_name(std::string_view text);

}  // namespace gyre
