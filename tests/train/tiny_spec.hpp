#pragma once

#include "model/spec.hpp"

namespace gyre {

/// A small model of a plain group and a looped one.
inline ModelSpec tiny_spec() {
  ModelSpec spec;
  spec.name = "small";
  spec.vocab_size = 11;
  spec.context = 16;
  spec.hidden_size = 12;
  spec.heads = 2;
  spec.kv_heads = 1;
  spec.head_size = 6;
  spec.ffn_size = 13;
  spec.groups = {{"prelude", 1, 1, Injection::none, FirstState::carried, 1.0F},
                 {"loop", 1, 3, Injection::none, FirstState::carried, 1.0F}};
  return spec;
}

}  // namespace gyre
