"""Nanbeige 4.2: a Llama whose whole stack runs num_loops times, model.norm after every pass, every pass its own KV.

The head reads the state after the last pass's norm; there is no other final norm. With `skip_loop_final_norm` the norm
stands after the last pass only. head_dim is not hidden / heads.
"""

from .. import decoder
from . import llama

NAME = "nanbeige"
SCALES, shapes = llama.SCALES, llama.shapes


def config():
    return {
        "architectures": ["NanbeigeForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "auto_map": {
            "AutoConfig": "configuration_nanbeige.NanbeigeConfig",
            "AutoModel": "modeling_nanbeige.NanbeigeModel",
            "AutoModelForCausalLM": "modeling_nanbeige.NanbeigeForCausalLM",
        },
        "bos_token_id": 54,
        "eos_token_id": 55,
        "head_dim": 8,
        "hidden_act": "silu",
        "hidden_size": 24,
        "intermediate_size": 36,
        "kv_channels": 8,
        "loop_loss_weights": [],
        "max_position_embeddings": 262144,
        "model_type": "nanbeige",
        "num_attention_heads": 6,
        "num_hidden_layers": 3,
        "num_key_value_heads": 2,
        "num_loops": 2,
        "pad_token_id": 0,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": 70000000,
        "skip_loop_final_norm": False,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "vocab_size": 56,
    }


class Nanbeige(llama.Llama):
    looped = True

    def __init__(self, config, tensors):
        super().__init__(config, tensors)
        self.default_loops = config["num_loops"]

    def loop(self, state, entered, loop, step):
        state = super().loop(state, entered, loop, step)
        return state if self.config["skip_loop_final_norm"] else self.norm("model.norm", state)

    def leave(self, state, step):
        return self.head(self.norm("model.norm", state) if self.config["skip_loop_final_norm"] else state)


def without_inner_norms(model, ids, arrays, meaning):
    """The same weights under skip_loop_final_norm true."""
    other = Nanbeige(model.config | {"skip_loop_final_norm": True}, model.t)
    arrays["logits.skip_loop_final_norm"] = decoder.prefill(other, ids, model.default_loops).logits
    meaning["logits.skip_loop_final_norm"] = "[tokens, vocabulary] at default depth with skip_loop_final_norm true"
    return {}


EXTRAS = (without_inner_norms,)
MODEL = Nanbeige
