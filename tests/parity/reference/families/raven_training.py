"""Huginn as the code that trains it writes it (seal-rg/recurrent-pretraining): raven under other keys.

`config.json` holds the fields of RecurrentConfig, which train.py writes as model_config.json; names of tensors carry what
Lightning and torch.compile put before them. Beyond raven: the state entering by a sum (`injection_type` "add", without
an adapter), a weightless norm of q and k behind the rotation, a condensed rotation, embeddings that are not scaled.
"""

import math


from .. import decoder, ops
from ..stations import rotation_table
from . import raven

NAME = "raven_training"
PREFIX = "_orig_mod._original_module."
QK_EPS = 2.0**-23
SCALES = raven.SCALES


def config():
    return {
        "name": "nebel-raven-tiny",
        "hf_config": {"org": "tomg-group-umd", "name": "nebel-raven-tiny"},
        "architecture_class_name": "RecurrentGPT",
        "block_size": 64,
        "n_embd": 24,
        "intermediate_size": 28,
        "num_attention_heads": 3,
        "num_key_value_heads": 3,
        "vocab_size": 56,
        "padding_multiple": 8,
        "padded_vocab_size": 56,
        "rope_settings": {"use_rope": True, "rope_condense_ratio": 1, "rope_base": 50000},
        "use_abacus": False,
        "abacus_ids": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        "randomize_positions_from": None,
        "block_class_name": "SandwichBlock",
        "norm_class_name": "RMSNorm_llama",
        "attn_impl": "tridao",
        "norm_eps": 1e-06,
        "mlp_class_name": "GatedMLP",
        "nonlin_name": "SiLU",
        "bias": False,
        "qk_bias": True,
        "lm_head_bias": False,
        "init_strategy": "takase",
        "init_orthogonal": False,
        "skip_initialization": False,
        "mup_model_scaling_factor": 1,
        "use_fused_head": "pytorch",
        "loss_shape": "none",
        "mod_capacity_factor": 0.125,
        "debias_attention": False,
        "center_attention": False,
        "clip_qkv": None,
        "qk_norm": False,
        "activation_checkpoint_impl": "per-iteration",
        "simple_ops": False,
        "strategy": "single",
        "injection_type": "linear",
        "embed_step": False,
        "randomize_embed_step": False,
        "normalize_rec": "",
        "intermediate_noise_injection": 0.0,
        "geom_noise_injection": "geom",
        "n_layers_in_recurrent_block": 2,
        "n_layers_in_prelude": 1,
        "n_layers_in_coda": 1,
        "state_init": "like-init",
        "sampling_scheme": "poisson-lognormal-filling",
        "mean_recurrence": 5,
        "mean_backprop_depth": 2,
        "lockstep_n": True,
        "lockstep_k": True,
        "mcleish_throttle": False,
        "elbayad_weighing": False,
        "elbayad_exponent": 1.0,
        "seers": 0,
        "tie_embeddings": True,
    }


def as_published(c):
    """The keys under which raven has the same things."""
    return c | {
        "head_dim": c["n_embd"] // c["num_attention_heads"],
        "n_heads": c["num_attention_heads"],
        "rope_base": c["rope_settings"]["rope_base"],
    }


def shapes(c):
    return {PREFIX + name: shape for name, shape in raven.shapes(as_published(c)).items()}


def finish(c, tensors):
    inverse = ops.frequencies(c["n_embd"] // c["num_attention_heads"], c["rope_settings"]["rope_base"])
    table = rotation_table(inverse, c["block_size"])
    return tensors | {
        PREFIX + "lm_head.weight": tensors[PREFIX + "transformer.wte.weight"],
        PREFIX + "freqs_cis": table,
    }


class RavenTraining(raven.Raven):
    def __init__(self, config, tensors):
        super().__init__(as_published(config), {name.removeprefix(PREFIX): t for name, t in tensors.items()})
        self.inverse = self.inverse / config["rope_settings"]["rope_condense_ratio"]
        self.scale = math.sqrt(config["n_embd"]) if config["init_strategy"] == "takase" else 1.0

    def rotate(self, x, cos, sin):
        turned = ops.rotate_adjacent(x, cos, sin)
        return ops.rms_norm(turned, None, QK_EPS) if self.config["qk_norm"] else turned

    def loop(self, state, entered, loop, step):
        if self.config["injection_type"] == "add":
            return self.part("core_block", self.config["n_layers_in_recurrent_block"], state + entered, loop, step)
        return super().loop(state, entered, loop, step)


def variants(model, ids, arrays, meaning):
    """The same weights under other values of the switches, from a first state of zeros."""
    rope = model.config["rope_settings"]
    for name, switches in (
        ("add", {"injection_type": "add"}),
        ("qk_norm", {"qk_norm": True}),
        ("condensed", {"rope_settings": rope | {"rope_condense_ratio": 3}}),
        ("scaled", {"init_strategy": "scaled"}),
    ):
        other = RavenTraining(model.config | switches, model.t)
        arrays["logits." + name] = decoder.prefill(other, ids, 2).logits
        meaning["logits." + name] = f"[tokens, vocabulary] after two loops under {switches}"
    return {}


EXTRAS = (variants,)
MODEL = RavenTraining
