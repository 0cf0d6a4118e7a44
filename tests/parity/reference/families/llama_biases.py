"""Llama with biases on all maps and a gated GELU, its config.json as transformers 5 writes it."""

from ..switches import under
from . import llama

NAME = "llama_biases"
MODEL, shapes = llama.Llama, llama.shapes
SCALES = [("proj.bias", 0.0, 0.3)] + llama.SCALES


def config():
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": True,
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "dtype": "float32",
        "eos_token_id": 2,
        "head_dim": 8,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_size": 16,
        "initializer_range": 0.02,
        "intermediate_size": 24,
        "max_position_embeddings": 2048,
        "mlp_bias": True,
        "model_type": "llama",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "pad_token_id": None,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-06,
        "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
        "tie_word_embeddings": False,
        "transformers_version": "5.0.0",
        "use_cache": True,
        "vocab_size": 48,
    }


SWITCHES = {"gelu": {"hidden_act": "gelu"}, "swish": {"hidden_act": "swish"}}

EXTRAS = (under(SWITCHES),)
