"""Qwen 2 and 2.5: Llama with a bias on q, k and v (none on o), tied head in the small sizes."""

from . import llama

NAME = "qwen2"
SCALES = [("proj.bias", 0.0, 0.5)] + llama.SCALES


def config():
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": 55,
        "eos_token_id": 55,
        "hidden_act": "silu",
        "hidden_size": 32,
        "initializer_range": 0.02,
        "intermediate_size": 36,
        "max_position_embeddings": 32768,
        "max_window_layers": 2,
        "model_type": "qwen2",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0,
        "sliding_window": 32768,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "transformers_version": "4.40.1",
        "use_cache": True,
        "use_mrope": False,
        "use_sliding_window": False,
        "vocab_size": 56,
    }


def shapes(c):
    _, queries, keys, _ = llama.sizes(c)
    tensors = llama.shapes(c)
    for i in range(c["num_hidden_layers"]):
        p = f"model.layers.{i}.self_attn."
        tensors |= {p + "k_proj.bias": (keys,), p + "q_proj.bias": (queries,), p + "v_proj.bias": (keys,)}
    return tensors


def windows(c):
    """By layer_types, or from layer max_window_layers on; no layer has one where use_sliding_window is false."""
    window = c.get("sliding_window", 4096) if c.get("use_sliding_window") else None
    first = c.get("max_window_layers", 28) if window else c["num_hidden_layers"]
    types = c.get("layer_types") or [
        "sliding_attention" if i >= first else "full_attention" for i in range(c["num_hidden_layers"])
    ]
    if window is None and "sliding_attention" in types:
        raise ValueError("layer_types asks for a window that is not there")
    return [window if kind == "sliding_attention" else None for kind in types]


class Qwen2(llama.Llama):
    def layer_windows(self):
        return windows(self.config)


MODEL = Qwen2
