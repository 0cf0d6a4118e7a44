"""Qwen 3 with layer_types, which say of each layer whether it sees a window; max_window_layers is not asked then."""

from ..switches import under
from . import qwen3

NAME = "qwen3_window"
MODEL, SCALES, shapes = qwen3.MODEL, qwen3.SCALES, qwen3.shapes
FULL, SLIDING = "full_attention", "sliding_attention"


def config():
    return qwen3.config() | {
        "bos_token_id": 46,
        "eos_token_id": 47,
        "hidden_size": 16,
        "intermediate_size": 24,
        "layer_types": [SLIDING, FULL, SLIDING],
        "max_window_layers": 3,
        "num_attention_heads": 2,
        "num_hidden_layers": 3,
        "num_key_value_heads": 1,
        "sliding_window": 5,
        "transformers_version": "4.56.0",
        "use_sliding_window": True,
        "tie_word_embeddings": False,
        "vocab_size": 48,
    }


SWITCHES = {
    "full": {"layer_types": [FULL, FULL, FULL]},
    "by_number": {"layer_types": None, "max_window_layers": 1},
}

EXTRAS = (under(SWITCHES),)
