"""Llama under longrope: two sets of divisors, the long one for sequences past the original context."""

from ..switches import lengths, under
from . import llama

NAME = "llama_longrope"
MODEL, SCALES, shapes = llama.Llama, llama.SCALES, llama.shapes


def config():
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "dtype": "float32",
        "eos_token_id": 2,
        "head_dim": 8,
        "hidden_act": "silu",
        "hidden_size": 16,
        "initializer_range": 0.02,
        "intermediate_size": 24,
        "max_position_embeddings": 40,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "num_key_value_heads": 1,
        "pad_token_id": None,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-06,
        "rope_parameters": {
            "long_factor": [1.0, 1.75, 4.0, 8.0],
            "original_max_position_embeddings": 10,
            "rope_theta": 10000.0,
            "rope_type": "longrope",
            "short_factor": [1.0, 1.0, 1.25, 1.5],
        },
        "tie_word_embeddings": False,
        "transformers_version": "5.0.0",
        "use_cache": True,
        "vocab_size": 48,
    }


SWITCHES = {
    "within": {"rope_parameters": {"original_max_position_embeddings": 14}},
    "factor": {"rope_parameters": {"factor": 16.0}},
    "attention_factor": {"rope_parameters": {"attention_factor": 0.75}},
    "outside": {"original_max_position_embeddings": 20},
    "no_original": {"rope_parameters": {"original_max_position_embeddings": None, "factor": 4.0}},
}

EXTRAS = (under(SWITCHES), lengths(10, 64))
