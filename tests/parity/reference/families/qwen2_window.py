"""Qwen 2 with use_sliding_window: layers from max_window_layers on see the last sliding_window positions."""

from ..switches import under
from . import qwen2

NAME = "qwen2_window"
MODEL, SCALES, shapes = qwen2.MODEL, qwen2.SCALES, qwen2.shapes
FULL, SLIDING = "full_attention", "sliding_attention"


def config():
    return qwen2.config() | {
        "bos_token_id": 46,
        "eos_token_id": 47,
        "hidden_size": 16,
        "intermediate_size": 24,
        "max_window_layers": 2,
        "num_attention_heads": 2,
        "num_hidden_layers": 4,
        "num_key_value_heads": 1,
        "sliding_window": 5,
        "use_sliding_window": True,
        "tie_word_embeddings": False,
        "vocab_size": 48,
    }


SWITCHES = {
    "off": {"use_sliding_window": False},
    "every": {"max_window_layers": 0},
    "two": {"sliding_window": 2},
    "layer_types": {"layer_types": [SLIDING, FULL, SLIDING, FULL]},
}

EXTRAS = (under(SWITCHES),)
