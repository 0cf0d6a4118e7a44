#pragma once

#include "model_folder.hpp"

namespace gyre {

/// small_spec() with rows of whole blocks of 32, which block formats can hold.
inline ModelSpec wide_spec() {
  ModelSpec spec = small_spec();
  spec.hidden_size = 32;
  spec.head_size = 8;
  spec.ffn_size = 64;
  return spec;
}

}  // namespace gyre
