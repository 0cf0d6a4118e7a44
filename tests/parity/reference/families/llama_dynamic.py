"""Llama under dynamic NTK scaling: the base grows with the length of the sequence past max_position_embeddings."""

from ..switches import lengths, under
from . import llama

NAME = "llama_dynamic"
MODEL, SCALES, shapes = llama.Llama, llama.SCALES, llama.shapes


def config():
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 16,
        "initializer_range": 0.02,
        "intermediate_size": 24,
        "max_position_embeddings": 10,
        "model_type": "llama",
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-06,
        "rope_scaling": {"factor": 4.0, "type": "dynamic"},
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "transformers_version": "4.33.1",
        "use_cache": True,
        "vocab_size": 48,
    }


SWITCHES = {
    "within": {"max_position_embeddings": 14},
    "factor_1": {"rope_scaling": {"factor": 1.0}},
    "rope_parameters": {
        "rope_scaling": None,
        "rope_theta": None,
        "rope_parameters": {"rope_type": "dynamic", "factor": 2.5, "rope_theta": 500.0},
    },
}

EXTRAS = (under(SWITCHES), lengths(10, 64))
