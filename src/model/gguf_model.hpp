#pragma once

#include "format/tensor_store.hpp"
#include "model/mapping.hpp"

namespace gyre {

/// The ModelSpec that gyre itself wrote into a GGUF file, under the key gyre.spec.
ModelSpec gguf_spec(const Gguf& file);

/// A GGUF file as llama.cpp's converters write it, in gyre's terms: general.architecture llama, qwen2, qwen3, olmo2 or
/// nanbeige, with {arch}.num_loops and {arch}.skip_loop_final_norm where the stack loops. Throws Error naming the
/// architecture or key that gyre does not do. `tensors` are those of the file.
Mapping gguf_mapping(const Gguf& file, const TensorStore& tensors);

}  // namespace gyre
