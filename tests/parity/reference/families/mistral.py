"""Mistral: Llama whose layers all see a window of the last positions; head_dim may be left out or null."""

from ..switches import under
from . import llama

NAME = "mistral"
SCALES, shapes = llama.SCALES, llama.shapes


def config():
    return {
        "architectures": ["MistralForCausalLM"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 24,
        "initializer_range": 0.02,
        "intermediate_size": 32,
        "max_position_embeddings": 32768,
        "model_type": "mistral",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0,
        "sliding_window": 5,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "transformers_version": "4.34.0.dev0",
        "use_cache": True,
        "vocab_size": 48,
    }


class Mistral(llama.Llama):
    def layer_windows(self):
        return [self.config.get("sliding_window", 4096)] * self.config["num_hidden_layers"]


SWITCHES = {
    "wide": {"sliding_window": 4096},
    "gelu_tanh": {"hidden_act": "gelu_pytorch_tanh"},
    "yarn": {"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}},
}

EXTRAS = (under(SWITCHES),)
MODEL = Mistral
