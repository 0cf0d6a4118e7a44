"""Parcae: prelude, a core whose state is a stable linear system driven by the prelude, coda.

    e = RMS(prelude(wte), ln_prelude)
    a loop: s <- exp(-dt * exp(A_log)) * s + dt * (B e) with dt = softplus(dt_bias), then the core blocks
    after the loops: coda(C s), ln_f, head = wte

Pre-norm blocks; rotation of adjacent pairs, then a weightless norm of q and k with float32's epsilon; every second
layer adds an embedding of the token to its values, gated by the first 32 channels of the block's input; the
feed-forward is relu(x)^2 / 2. The first state is zero here (published: state_init "like-init", random).
"""

import math

import numpy as np

from .. import decoder, ops
from ..stations import Stations, rotation_table
from . import raven

NAME = "parcae"
QK_EPS = 2.0**-23


def config():
    return {
        "name": "parcae-small-140m",
        "hf_config": {"org": "SandyResearch", "name": "parcae-small-140m"},
        "block_size": 64,
        "n_embd": 36,
        "intermediate_size": 20,
        "num_attention_heads": 3,
        "num_key_value_heads": 3,
        "vocab_size": 48,
        "padding_multiple": 16,
        "padded_vocab_size": 48,
        "rope_settings": {"use_rope": True, "rope_condense_ratio": 1, "rope_base": 50000},
        "use_abacus": False,
        "randomize_positions_from": None,
        "block_class_name": "TransformerPreNormBlock",
        "norm_class_name": "RMSNorm",
        "attn_impl": "flash",
        "norm_eps": 1e-05,
        "mlp_class_name": "BaseMLP",
        "nonlin_name": "ReLU2",
        "bias": False,
        "qk_bias": False,
        "init_strategy": "scaled-zero",
        "init_orthogonal": True,
        "skip_initialization": False,
        "mup_model_scaling_factor": 1,
        "use_fused_head": "pytorch",
        "debias_attention": False,
        "center_attention": False,
        "clip_qkv": None,
        "qk_norm": True,
        "logit_softcap": None,
        "activation_checkpoint_impl": "per-iteration",
        "simple_ops": False,
        "strategy": "single",
        "injection_type": "diagonal",
        "n_layers_in_recurrent_block": 2,
        "n_layers_in_prelude": 2,
        "n_layers_in_coda": 2,
        "state_init": "like-init",
        "recurrent_embedding_dimension": 36,
        "recurrent_intermediation_embedding_dimension": 20,
        "recurrent_num_attention_heads": None,
        "prelude_norm": True,
        "sampling_scheme": "poisson-truncated-full",
        "mean_recurrence": 8,
        "mean_backprop_depth": 4,
        "lockstep_n": False,
        "lockstep_k": False,
        "curriculum_target": "forward",
        "recurrent_iteration_method": "per-sequence",
        "tie_embeddings": True,
        "model_class_name": "Parcae",
        "_is_recurrent_block_config": False,
        "_class_name": "ParcaeConfig",
    }


def layers(c):
    """(prefix, place among the distinct layers, whether it has a value gate), in order."""
    prelude, core, coda = (c[f"n_layers_in_{part}"] for part in ("prelude", "recurrent_block", "coda"))
    last = c["n_layers_in_recurrent_block"] * c["mean_backprop_depth"] - 1
    ids = list(range(prelude + core)) + [prelude + core * c["mean_recurrence"] + i for i in range(coda)]
    return [(p, place, ids[place] % 2 == last % 2) for place, p in enumerate(raven.blocks(c))]


def embedded(c):
    """Places of the layers that have a value embedding: every second one, the last included."""
    count = len(layers(c))
    return [place for place in range(count) if place % 2 == (count - 1) % 2]


def shapes(c):
    hidden, ffn, size = c["n_embd"], c["intermediate_size"], c["n_embd"] // c["num_attention_heads"]
    keys, vocabulary = c["num_key_value_heads"] * size, c["padded_vocab_size"]
    tensors = {
        "freqs_cis": (1, c["block_size"], 1, size // 2, 2),
        "transformer.wte.weight": (vocabulary, hidden),
        "transformer.adapter.A_log": (hidden,),
        "transformer.adapter.dt_bias": (hidden,),
        "transformer.adapter.B": (hidden, hidden),
        "transformer.C.weight": (hidden, hidden),
        "transformer.ln_f.weight": (hidden,),
        "transformer.ln_prelude.weight": (hidden,),
        "lm_head.weight": (vocabulary, hidden),
    }
    for p, _, gated in layers(c):
        tensors |= {
            p + "norm_1.weight": (hidden,),
            p + "attn.c_q.weight": (hidden, hidden),
            p + "attn.c_k.weight": (keys, hidden),
            p + "attn.c_v.weight": (keys, hidden),
            p + "attn.c_proj.weight": (hidden, hidden),
            p + "norm_2.weight": (hidden,),
            p + "mlp.fc.weight": (ffn, hidden),
            p + "mlp.proj.weight": (hidden, ffn),
        }
        if gated:
            tensors[p + "attn.ve_gate.weight"] = (c["num_key_value_heads"], 32)
    return tensors | {f"value_embeds.{place}.weight": (vocabulary, keys) for place in embedded(c)}


SCALES = [
    ("norm_", 1.0, 0.2),
    ("ln_", 1.0, 0.2),
    ("A_log", 0.0, 0.3),
    ("dt_bias", -0.3, 0.3),
    ("wte", 0.0, 0.5),
    ("value_embeds", 0.0, 1.0),
]


def finish(c, tensors):
    inverse = ops.frequencies(c["n_embd"] // c["num_attention_heads"], c["rope_settings"]["rope_base"])
    table = rotation_table(inverse, c["block_size"])
    return tensors | {"lm_head.weight": tensors["transformer.wte.weight"], "freqs_cis": table}


class Parcae(Stations):
    def __init__(self, config, tensors):
        super().__init__(config, tensors, config["mean_recurrence"], config["norm_eps"])
        self.head_size = config["n_embd"] // config["num_attention_heads"]
        rope = config["rope_settings"]
        self.inverse = ops.frequencies(self.head_size, rope["rope_base"]) / rope["rope_condense_ratio"]
        self.scale = math.sqrt(config["n_embd"]) if config["init_strategy"] == "takase" else 1.0
        self.places = {p: place for p, place, _ in layers(config)}

    def attend(self, p, x, loop, step):
        q, k, v = (
            self.linear(f"{p}attn.{name}", x).reshape(len(x), -1, self.head_size) for name in ("c_q", "c_k", "c_v")
        )
        gate, embedding = f"{p}attn.ve_gate.weight", f"value_embeds.{self.places[p]}.weight"
        if gate in self.t and embedding in self.t:
            weight = 2.0 * ops.sigmoid(ops.linear(x[:, :32], self.t[gate]))
            v = v + weight[:, :, None] * self.t[embedding][step.ids].reshape(v.shape)
        cos, sin = ops.rotation(step.positions, self.inverse)
        q, k = (ops.rotate_adjacent(y, cos, sin) for y in (q, k))
        if self.config["qk_norm"]:
            q, k = (ops.rms_norm(y, None, QK_EPS) for y in (q, k))
        keys, values = step.cache.exchange(p, loop, step.positions, k, v)
        return self.linear(p + "attn.c_proj", ops.attention(q, keys, values, step.positions))

    def feed(self, p, x):
        inner = self.linear(p + "fc", x)
        exact = self.config["nonlin_name"] == "GELU"
        return self.linear(p + "proj", ops.gelu(inner) if exact else 0.5 * np.maximum(inner, 0.0) ** 2)

    def block(self, p, x, loop, step):
        x = x + self.attend(p, self.norm(p + "norm_1", x), loop, step)
        return x + self.feed(p + "mlp.", self.norm(p + "norm_2", x))

    def enter(self, step):
        x = self.t["transformer.wte.weight"][step.ids] * self.scale
        x = self.part("prelude", self.config["n_layers_in_prelude"], x, 0, step)
        return self.norm("transformer.ln_prelude", x) if self.config["prelude_norm"] else x

    def loop(self, state, entered, loop, step):
        delta = ops.softplus(self.t["transformer.adapter.dt_bias"])
        decay = np.exp(-delta * np.exp(self.t["transformer.adapter.A_log"]))
        state = decay * state + delta * ops.linear(entered, self.t["transformer.adapter.B"])
        return self.part("core_block", self.config["n_layers_in_recurrent_block"], state, loop, step)

    def leave(self, state, step):
        x = self.linear("transformer.C", state)
        x = self.part("coda", self.config["n_layers_in_coda"], x, 0, step)
        logits = ops.linear(self.norm("transformer.ln_f", x), self.t["lm_head.weight"])
        cap = self.config["logit_softcap"]
        return logits if cap is None else cap * np.tanh(logits / cap)


def variants(model, ids, arrays, meaning):
    """The same weights under other values of the switches, from a first state of zeros."""
    rope = model.config["rope_settings"]
    for name, switches in (
        ("takase", {"init_strategy": "takase"}),
        ("gelu", {"nonlin_name": "GELU"}),
        ("condensed", {"rope_settings": rope | {"rope_condense_ratio": 3}}),
        ("capped", {"logit_softcap": 1.5}),
        ("no_prelude_norm", {"prelude_norm": False}),
        ("no_qk_norm", {"qk_norm": False}),
    ):
        other = Parcae(model.config | switches, model.t)
        arrays["logits." + name] = decoder.prefill(other, ids, 2).logits
        meaning["logits." + name] = f"[tokens, vocabulary] after two loops under {switches}"
    return {}


EXTRAS = (variants,)
MODEL = Parcae
