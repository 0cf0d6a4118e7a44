"""Phi 3 and 4-mini: Llama with q, k, v and gate, up in one matrix each, longrope, and a part of each head turned.

`generate` of its class runs everything again when the first token past the original context is there, so that all keys
are turned by the long factors.
"""

import numpy as np

from ..switches import lengths, under
from . import llama

NAME = "phi3"
SCALES = llama.SCALES


def config():
    return {
        "architectures": ["Phi3ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 46,
        "embd_pdrop": 0.0,
        "eos_token_id": 47,
        "full_attn_mod": 1,
        "hidden_act": "silu",
        "hidden_size": 16,
        "initializer_range": 0.02,
        "intermediate_size": 24,
        "interpolate_factor": 1,
        "lm_head_bias": False,
        "max_position_embeddings": 80,
        "mlp_bias": False,
        "model_type": "phi3",
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "num_key_value_heads": 1,
        "original_max_position_embeddings": 20,
        "pad_token_id": 47,
        "partial_rotary_factor": 0.75,
        "resid_pdrop": 0.0,
        "rms_norm_eps": 1e-05,
        "rope_scaling": {"long_factor": [1.25, 2.5, 6.0], "short_factor": [1.0, 1.125, 1.5], "type": "longrope"},
        "rope_theta": 10000.0,
        "sliding_window": 262144,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "transformers_version": "4.45.0",
        "use_cache": True,
        "vocab_size": 48,
    }


def shapes(c):
    hidden, queries, keys, ffn = llama.sizes(c)
    tensors = {name: shape for name, shape in llama.shapes(c).items() if not name.endswith(FUSED)}
    for i in range(c["num_hidden_layers"]):
        p = f"model.layers.{i}."
        tensors |= {
            p + "mlp.gate_up_proj.weight": (2 * ffn, hidden),
            p + "self_attn.qkv_proj.weight": (queries + 2 * keys, hidden),
        }
    return tensors


FUSED = tuple(part + ".weight" for part in llama.ATTENTION_MAPS[:3] + llama.MLP_MAPS[:2])


class Phi3(llama.Llama):
    partial_rotation = True

    def __init__(self, config, tensors):
        super().__init__({"original_max_position_embeddings": 4096} | config, tensors)

    def layer_windows(self):
        return [self.config.get("sliding_window")] * self.config["num_hidden_layers"]

    def starts_anew(self, length):
        return self.varies and length == self.config["original_max_position_embeddings"] + 1

    def queries_keys_values(self, p, x):
        rows = np.cumsum([self.heads * self.head_size, self.kv_heads * self.head_size])
        parts = np.split(self.linear(p + "qkv_proj", x), rows, axis=-1)
        return (y.reshape(len(x), -1, self.head_size) for y in parts)

    def feed(self, p, x):
        gate, up = np.split(self.linear(p + "gate_up_proj", x), 2, axis=-1)
        return self.linear(p + "down_proj", self.activation(gate) * up)


SWITCHES = {
    "window": {"sliding_window": 5},
    "default_rotation": {"rope_scaling": None},
    "whole_heads": {"rope_scaling": None, "partial_rotary_factor": None},
    "long": {"original_max_position_embeddings": 10},
    "attention_factor": {"rope_scaling": {"attention_factor": 1.5}},
}

EXTRAS = (under(SWITCHES), lengths(64))
MODEL = Phi3
