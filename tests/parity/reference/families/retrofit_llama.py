"""Llama retrofitted with recurrence: Huginn's stations and names around Llama's pre-norm blocks and rotation.

Unlike Huginn: two norms a block, grouped queries, no qk_bias, no embedding scale, head of its own, `ln_f` once.
"""

import math

import numpy as np

from .. import ops
from . import raven

NAME = "retrofit_llama"
SCALES = raven.SCALES[:2] + [("wte", 0.0, 1.0)]


def config():
    c = raven.config()
    for key in ("auto_map", "effective_expected_depth"):
        c.pop(key)
    huginn = 5280  # the converter starts from Huginn's config, and its first-state scale stays
    std = math.sqrt(2 / (5 * huginn))
    return c | {
        "auto_map": {
            "AutoConfig": "raven_config_minimal.RavenConfig",
            "AutoModelForCausalLM": "raven_modeling_minimal_llama.RavenForCausalLM",
        },
        "effective_expected_depth": 132,
        "head_dim": 6,
        "init_values": {"embed_scale": 1.0, "embedding": std, "out_proj": std / math.sqrt(2 * 132), "std": std},
        "intermediate_size": 30,
        "max_position_embeddings": 131072,
        "n_heads": 4,
        "n_layers": 5,
        "n_layers_in_coda": 1,
        "n_layers_in_prelude": 2,
        "n_layers_in_recurrent_block": 2,
        "norm_eps": 1e-05,
        "num_key_value_heads": 2,
        "qk_bias": False,
        "rope_base": 500000.0,
        "rope_scaling": {
            "factor": 32.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 256,
            "rope_type": "llama3",
        },
        "rope_theta": 500000.0,
        "tie_embeddings": False,
        "tie_word_embeddings": False,
    }


def shapes(c):
    hidden, ffn, size = c["n_embd"], c["intermediate_size"], c["head_dim"]
    queries, keys = c["n_heads"] * size, c["num_key_value_heads"] * size
    tensors = {
        "lm_head.weight": (c["padded_vocab_size"], hidden),
        "transformer.adapter.weight": (hidden, 2 * hidden),
        "transformer.ln_f.weight": (hidden,),
        "transformer.wte.weight": (c["padded_vocab_size"], hidden),
    }
    for p in raven.blocks(c):
        tensors |= {
            p + "attn.Wqkv.weight": (queries + 2 * keys, hidden),
            p + "attn.proj.weight": (hidden, queries),
            p + "mlp.fc.weight": (2 * ffn, hidden),
            p + "mlp.proj.weight": (hidden, ffn),
            p + "norm_1.weight": (hidden,),
            p + "norm_2.weight": (hidden,),
        }
    return tensors


class RetrofitLlama(raven.Raven):
    def __init__(self, config, tensors):
        super().__init__(config, tensors)
        self.scale = config["init_values"]["embed_scale"]
        self.inverse = ops.frequencies(self.head_size, config["rope_theta"])
        scaling = config.get("rope_scaling")
        if scaling:
            numbers = {key: value for key, value in scaling.items() if key != "rope_type"}
            self.inverse = ops.llama3_scaled(self.inverse, **numbers)

    def split(self, p, x):
        """q, k, v as they leave the projection, [tokens, width]."""
        rows = np.cumsum([self.heads * self.head_size, self.kv_heads * self.head_size])
        return np.split(self.linear(p + "Wqkv", x), rows, axis=-1)

    def queries_keys_values(self, p, x):
        return (y.reshape(len(x), -1, self.head_size) for y in self.split(p, x))

    def rotate(self, x, cos, sin):
        return ops.rotate_half(x, cos, sin)

    def block(self, p, x, loop, step):
        x = x + self.attend(p + "attn.", self.norm(p + "norm_1", x), loop, step)
        return x + self.feed(p + "mlp.", self.norm(p + "norm_2", x))

    def leave(self, state, step):
        x = self.part("coda", self.config["n_layers_in_coda"], state, 0, step)
        return ops.linear(self.norm("transformer.ln_f", x), self.t["lm_head.weight"])


MODEL = RetrofitLlama
