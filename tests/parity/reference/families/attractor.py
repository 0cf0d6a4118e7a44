"""Attractor by plain iteration (solver "fpi"): prelude, then a loop whose state is taken off what it gives.

    c = prelude(wte);  y = c
    a loop: y <- F(y + c) - y, F being the blocks, each branch of which is scaled by gamma_max * sigmoid(raw) a channel

Blocks and rotation are Parcae's without value embeddings; there is no coda and no norm behind the prelude.
"""

import numpy as np

from .. import decoder, ops
from ..stations import Stations, rotation_table
from . import parcae

NAME = "attractor"
QK_EPS = 2.0**-23


def config():
    c = parcae.config()
    for key in tuple(c):
        other = key.startswith(("n_layers_in", "recurrent_", "lockstep_", "mean_", "_is_", "curriculum"))
        if other or key in ("state_init", "prelude_norm", "sampling_scheme", "injection_type"):
            c.pop(key)
    return c | {
        "name": "attractor-tiny",
        "hf_config": {"org": "jacobfa1", "name": "attractor-tiny"},
        "causal": True,
        "n_backbone_layers": 2,
        "n_fp_blocks": 2,
        "solver": "fpi",
        "max_iter": 6,
        "min_iter": 6,
        "tol": 0.0003,
        "anderson_m": 5,
        "anderson_beta": 1.0,
        "backward_type": "onestep",
        "backward_max_iter": 64,
        "backward_min_iter": 6,
        "backward_tol": 0.0003,
        "adjoint_grad_clip": 1.0,
        "layer_scale_init": 0.75,
        "gamma_max": 0.75,
        "fp_lr_scale": 0.75,
        "fp_wd": 0.0,
        "recurrent_embedding_dimension": 36,
        "model_class_name": "Attractor",
        "_class_name": "AttractorConfig",
    }


def shapes(c):
    hidden, ffn, size = c["n_embd"], c["intermediate_size"], c["n_embd"] // c["num_attention_heads"]
    keys, vocabulary = c["num_key_value_heads"] * size, c["padded_vocab_size"]
    tensors = {
        "freqs_cis": (1, c["block_size"], 1, size // 2, 2),
        "lm_head.weight": (vocabulary, hidden),
        "transformer.ln_f.weight": (hidden,),
        "transformer.wte.weight": (vocabulary, hidden),
    }
    for part, count in (("prelude", c["n_backbone_layers"]), ("core_block", c["n_fp_blocks"])):
        for p in (f"transformer.{part}.{i}." for i in range(count)):
            tensors |= {
                p + "attn.c_k.weight": (keys, hidden),
                p + "attn.c_proj.weight": (hidden, hidden),
                p + "attn.c_q.weight": (hidden, hidden),
                p + "attn.c_v.weight": (keys, hidden),
                p + "mlp.fc.weight": (ffn, hidden),
                p + "mlp.proj.weight": (hidden, ffn),
                p + "norm_1.weight": (hidden,),
                p + "norm_2.weight": (hidden,),
            }
            if part == "core_block":
                tensors |= {p + "raw_gamma_attn": (hidden,), p + "raw_gamma_mlp": (hidden,)}
    return tensors


SCALES = [("norm_", 1.0, 0.2), ("ln_", 1.0, 0.2), ("wte", 0.0, 0.5), ("raw_gamma", 0.0, 1.0)]


def finish(c, tensors):
    inverse = ops.frequencies(c["n_embd"] // c["num_attention_heads"], c["rope_settings"]["rope_base"])
    table = rotation_table(inverse, c["block_size"])
    return tensors | {"lm_head.weight": tensors["transformer.wte.weight"], "freqs_cis": table}


class Attractor(Stations):
    def __init__(self, config, tensors):
        super().__init__(config, tensors, config["max_iter"], config["norm_eps"])
        self.head_size = config["n_embd"] // config["num_attention_heads"]
        self.inverse = ops.frequencies(self.head_size, config["rope_settings"]["rope_base"])

    def gamma(self, p, branch):
        raw = self.t.get(f"{p}raw_gamma_{branch}")
        return 1.0 if raw is None else self.config["gamma_max"] * ops.sigmoid(raw)

    def attend(self, p, x, loop, step):
        q, k, v = (self.linear(f"{p}attn.c_{n}", x).reshape(len(x), -1, self.head_size) for n in "qkv")
        cos, sin = ops.rotation(step.positions, self.inverse)
        q, k = (ops.rotate_adjacent(y, cos, sin) for y in (q, k))
        if self.config["qk_norm"]:
            q, k = (ops.rms_norm(y, None, QK_EPS) for y in (q, k))
        keys, values = step.cache.exchange(p, loop, step.positions, k, v)
        return self.linear(p + "attn.c_proj", ops.attention(q, keys, values, step.positions))

    def feed(self, p, x):
        return self.linear(p + "mlp.proj", 0.5 * np.maximum(self.linear(p + "mlp.fc", x), 0.0) ** 2)

    def block(self, p, x, loop, step):
        x = x + self.gamma(p, "attn") * self.attend(p, self.norm(p + "norm_1", x), loop, step)
        return x + self.gamma(p, "mlp") * self.feed(p, self.norm(p + "norm_2", x))

    def enter(self, step):
        x = self.t["transformer.wte.weight"][step.ids]
        return self.part("prelude", self.config["n_backbone_layers"], x, 0, step)

    def first_state(self, entered):
        return entered

    def loop(self, state, entered, loop, step):
        return self.part("core_block", self.config["n_fp_blocks"], state + entered, loop, step) - state

    def leave(self, state, step):
        logits = ops.linear(self.norm("transformer.ln_f", state), self.t["lm_head.weight"])
        cap = self.config["logit_softcap"]
        return logits if cap is None else cap * np.tanh(logits / cap)


def variants(model, ids, arrays, meaning):
    """The same weights under other values of the switches."""
    for name, switches in (
        ("gamma", {"gamma_max": 1.0}),
        ("capped", {"logit_softcap": 1.5}),
        ("no_qk_norm", {"qk_norm": False}),
    ):
        other = Attractor(model.config | switches, model.t)
        arrays["logits." + name] = decoder.prefill(other, ids, 2).logits
        meaning["logits." + name] = f"[tokens, vocabulary] after two loops under {switches}"
    unscaled = {name: tensor for name, tensor in model.t.items() if "raw_gamma" not in name}
    arrays["logits.unscaled"] = decoder.prefill(Attractor(model.config, unscaled), ids, 2).logits
    meaning["logits.unscaled"] = "[tokens, vocabulary] after two loops without scales (layer_scale_init null)"
    return {}


EXTRAS = (variants,)
MODEL = Attractor
