"""Qwen 3: Llama with an RMS norm over every head of q and k, before rotation; head_dim need not be hidden / heads."""

from ..switches import under
from . import llama, qwen2

NAME = "qwen3"
SCALES = llama.SCALES


def config():
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 54,
        "eos_token_id": 55,
        "head_dim": 8,
        "hidden_act": "silu",
        "hidden_size": 20,
        "initializer_range": 0.02,
        "intermediate_size": 36,
        "max_position_embeddings": 40960,
        "max_window_layers": 2,
        "model_type": "qwen3",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 1000000,
        "sliding_window": None,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "transformers_version": "4.51.0",
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": 56,
    }


def shapes(c):
    tensors = llama.shapes(c)
    for i in range(c["num_hidden_layers"]):
        p = f"model.layers.{i}.self_attn."
        tensors |= {p + "k_norm.weight": (c["head_dim"],), p + "q_norm.weight": (c["head_dim"],)}
    return tensors


class Qwen3(llama.Llama):
    def layer_windows(self):
        return qwen2.windows(self.config)

    def queries_keys_values(self, p, x):
        q, k, v = super().queries_keys_values(p, x)
        return self.norm(p + "q_norm", q), self.norm(p + "k_norm", k), v


SWITCHES = {
    "llama3": {
        "rope_scaling": {
            "factor": 8.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 256,
            "rope_type": "llama3",
        }
    },
    "yarn": {"rope_scaling": {"factor": 4.0, "original_max_position_embeddings": 256, "rope_type": "yarn"}},
    "longrope": {
        "max_position_embeddings": 40,
        "rope_scaling": {
            "long_factor": [1.0, 2.0, 3.0, 8.0],
            "original_max_position_embeddings": 10,
            "rope_type": "longrope",
            "short_factor": [1.0, 1.0, 1.5, 2.0],
        },
    },
}

EXTRAS = (llama.attention_biases, under(SWITCHES))
MODEL = Qwen3
