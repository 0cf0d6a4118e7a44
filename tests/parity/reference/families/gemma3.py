"""Gemma 3, text: five layers that see a window and one that sees all, each kind with its own rotation.

Norms multiply by 1 + weight; one stands before each branch, one behind it, and one on every head of q and k. Embeddings
are scaled by the root of the width, rounded to the type that they are stored in. Gated GELU by tanh, tied head.
attn_logit_softcapping is not read by the published class.
"""

import math

import numpy as np

from .. import decoder, ops, rope
from ..switches import under
from . import llama

NAME = "gemma3"
TOKENS = 24
# Weights of norms are what is added to one.
SCALES = [("norm", 0.0, 0.2), ("embed_tokens", 0.0, 0.25)]
FULL, SLIDING = "full_attention", "sliding_attention"


def config():
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "attn_logit_softcapping": None,
        "bos_token_id": 2,
        "cache_implementation": "hybrid",
        "eos_token_id": [1, 40],
        "final_logit_softcapping": None,
        "head_dim": 8,
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": 18,
        "initializer_range": 0.02,
        "intermediate_size": 24,
        "max_position_embeddings": 32768,
        "model_type": "gemma3_text",
        "num_attention_heads": 2,
        "num_hidden_layers": 8,
        "num_key_value_heads": 1,
        "pad_token_id": 0,
        "query_pre_attn_scalar": 8,
        "rms_norm_eps": 1e-06,
        "rope_local_base_freq": 10000,
        "rope_scaling": None,
        "rope_theta": 1000000,
        "sliding_window": 6,
        "sliding_window_pattern": 6,
        "torch_dtype": "float32",
        "transformers_version": "4.50.0.dev0",
        "use_cache": True,
        "vocab_size": 48,
    }


def shapes(c):
    tensors = llama.shapes({"tie_word_embeddings": True} | c)
    for i in range(c["num_hidden_layers"]):
        p = f"model.layers.{i}."
        tensors |= {
            p + "post_feedforward_layernorm.weight": (c["hidden_size"],),
            p + "pre_feedforward_layernorm.weight": (c["hidden_size"],),
            p + "self_attn.k_norm.weight": (c["head_dim"],),
            p + "self_attn.q_norm.weight": (c["head_dim"],),
        }
    return tensors


def layer_types(c):
    pattern = c.get("sliding_window_pattern", 6)
    given = c.get("layer_types")
    return given or [SLIDING if (i + 1) % pattern else FULL for i in range(c["num_hidden_layers"])]


def rotations(c):
    """{layer type: parameters}: rope_parameters has one dictionary for each, what was before has rope_scaling for the
    full layers only."""
    given = {kind: dict((c.get("rope_parameters") or {}).get(kind) or {}) for kind in (FULL, SLIDING)}
    given[FULL] |= c.get("rope_scaling") or {}
    for one in given.values():
        one.pop("truncate", None)  # the published code looks for it beside these dictionaries
    thetas = {FULL: c.get("rope_theta", 1000000.0), SLIDING: c.get("rope_local_base_freq", 10000.0)}
    return {kind: rope.settled(given[kind], thetas[kind], c["max_position_embeddings"]) for kind in given}


def bf16(x):
    """Rounded to the nearest bfloat16, ties to even."""
    bits = np.asarray(x, dtype=np.float32).view(np.uint32)
    odd = bits >> np.uint32(16) & np.uint32(1)
    return ((bits + np.uint32(0x7FFF) + odd) & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64)


class Gemma3(llama.Llama):
    def __init__(self, config, tensors):
        activation = {"hidden_act": config.get("hidden_activation", "gelu_pytorch_tanh")}
        super().__init__({"tie_word_embeddings": True} | config | activation, tensors)
        self.scale = config.get("query_pre_attn_scalar", 256) ** -0.5
        self.embedding_scale = math.sqrt(config["hidden_size"])

    def layer_rotations(self):
        given = rotations(self.config)
        context = self.config["max_position_embeddings"]
        made = {kind: rope.Rotation(given[kind], self.head_size, context) for kind in given}
        return [made[kind] for kind in layer_types(self.config)]

    def layer_windows(self):
        window = self.config.get("sliding_window", 4096)
        return [window if kind == SLIDING else None for kind in layer_types(self.config)]

    def norm(self, name, x):
        return ops.rms_norm(x, 1.0 + self.t[name + ".weight"], self.eps)

    def queries_keys_values(self, p, x):
        q, k, v = super().queries_keys_values(p, x)
        return self.norm(p + "q_norm", q), self.norm(p + "k_norm", k), v

    def enter(self, step):
        return super().enter(step) * self.embedding_scale

    def layer(self, i, x, loop, step):
        p = f"model.layers.{i}."
        branch = self.attend(i, self.norm(p + "input_layernorm", x), loop, step)
        x = x + self.norm(p + "post_attention_layernorm", branch)
        branch = self.feed(p + "mlp.", self.norm(p + "pre_feedforward_layernorm", x))
        return x + self.norm(p + "post_feedforward_layernorm", branch)

    def leave(self, state, step):
        logits, cap = super().leave(state, step), self.config.get("final_logit_softcapping")
        return cap * np.tanh(logits / cap) if cap else logits


def in_bf16(model, ids, arrays, meaning):
    """logits.bf16: every weight rounded to bfloat16, as a file of that type has them, and with them the scale."""
    other = Gemma3(model.config, {name: bf16(tensor) for name, tensor in model.t.items()})
    other.embedding_scale = float(bf16(other.embedding_scale))
    arrays["logits.bf16"] = decoder.prefill(other, ids, 1).logits
    meaning["logits.bf16"] = "[tokens, vocabulary] weights and the scale of embeddings rounded to bfloat16"
    return {}


SWITCHES = {
    "wide": {"sliding_window": 4096},
    "pattern": {"sliding_window_pattern": 3},
    "scalar": {"query_pre_attn_scalar": 18},
    "local_base": {"rope_local_base_freq": 100.0},
    "capped": {"final_logit_softcapping": 1.5},
    "rope_parameters": {
        "rope_local_base_freq": None,
        "rope_theta": None,
        "rope_parameters": {
            FULL: {"factor": 4.0, "rope_theta": 50000.0, "rope_type": "linear"},
            SLIDING: {"rope_theta": 500.0, "rope_type": "default"},
        },
    },
    "yarn": {"rope_scaling": {"factor": 4.0, "original_max_position_embeddings": 64, "rope_type": "yarn"}},
}

EXTRAS = (under(SWITCHES), in_bf16)
MODEL = Gemma3
