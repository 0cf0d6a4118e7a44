"""Gemma 3 of 4B and more, text: the full layers' frequencies are divided, and scores are scaled by hidden / heads."""

from ..switches import under
from . import gemma3

NAME = "gemma3_linear"
MODEL, SCALES, TOKENS, shapes = gemma3.MODEL, gemma3.SCALES, gemma3.TOKENS, gemma3.shapes
FULL, SLIDING = gemma3.FULL, gemma3.SLIDING


def config():
    c = gemma3.config()
    for key in ("cache_implementation", "sliding_window_pattern"):
        del c[key]
    return c | {
        "_sliding_window_pattern": 6,
        "hidden_size": 20,
        "layer_types": [SLIDING] * 5 + [FULL, SLIDING, SLIDING],
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 6,
        "query_pre_attn_scalar": 5,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "tie_word_embeddings": True,
        "transformers_version": "4.56.0",
        "use_bidirectional_attention": False,
    }


SWITCHES = {
    "unscaled": {"rope_scaling": None},
    "every_other": {"layer_types": [SLIDING, FULL] * 4},
}

EXTRAS = (under(SWITCHES),)
