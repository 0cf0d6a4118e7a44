"""Qwen 2.5 under YaRN, as its model cards ask for long texts."""

from ..switches import under
from . import qwen2

NAME = "qwen2_yarn"
MODEL, SCALES, shapes = qwen2.MODEL, qwen2.SCALES, qwen2.shapes


def config():
    return qwen2.config() | {
        "intermediate_size": 24,
        "max_position_embeddings": 256,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "rope_scaling": {"factor": 4.0, "original_max_position_embeddings": 256, "type": "yarn"},
        "rope_theta": 10000.0,
        "sliding_window": 256,
        "tie_word_embeddings": False,
        "vocab_size": 48,
        "bos_token_id": 46,
        "eos_token_id": 47,
    }


def scaled(**numbers):
    return {"rope_scaling": numbers}


SWITCHES = {
    "unscaled": {"rope_scaling": None},
    "not_truncated": scaled(truncate=False),
    "attention_factor": scaled(attention_factor=0.75),
    "mscale": scaled(mscale=0.5, mscale_all_dim=1.5),
    "mscale_alone": scaled(mscale=0.5),
    "betas": scaled(beta_fast=12, beta_slow=2.5),
    "original": scaled(original_max_position_embeddings=64),
    "no_original": {"max_position_embeddings": 64, "rope_scaling": {"original_max_position_embeddings": None}},
    "outside": {"original_max_position_embeddings": 64},
    "narrow": scaled(original_max_position_embeddings=6),
    "rope_parameters": {
        "rope_scaling": None,
        "rope_theta": None,
        "rope_parameters": {
            "beta_fast": 4.0,
            "factor": 8.0,
            "original_max_position_embeddings": 128,
            "rope_theta": 500.0,
            "rope_type": "yarn",
        },
    },
}

EXTRAS = (under(SWITCHES),)
