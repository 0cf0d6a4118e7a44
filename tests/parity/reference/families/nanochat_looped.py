"""Looped nanochat: prelude, a core fed W [e ; s] and normed after each loop, coda, soft-capped logits.

Norms on the sums as in Huginn; rotated halves, turned the other way round than Llama's, then a weightless norm of q
and k; relu(x)^2. `config.json` holds the `model_config` of the checkpoint's meta file. The vocabulary is padded to a
multiple of 64 in the tensors and cut in the logits. First state: the prelude's output ("inject_init_prelude"), noise
("inject_init_random", the default of training; zero in `logits.zero_state` here), or the prelude's output without any
injection ("passthrough"). The tables of the rotation are made in float32 and kept in bfloat16; `logits.f32_tables` has
them exact.
"""

import numpy as np

from .. import decoder, ops
from ..stations import Stations

NAME = "nanochat_looped"
EPS = 1e-6
THETA = 10000


def config():
    return {
        "sequence_len": 64,
        "vocab_size": 60,
        "size": 1,
        "n_head": 4,
        "n_kv_head": 2,
        "n_embd": 16,
        "window_pattern": "L",
        "n_prelude": 1,
        "n_recur_block": 2,
        "n_coda": 1,
        "train_recur_mean": 4.0,
        "train_recur_max": 16,
        "bptt_k": 4,
        "input_injection": "inject_init_prelude",
        "logit_softcap": 15.0,
    }


def shapes(c):
    hidden, keys = c["n_embd"], c["n_kv_head"] * (c["n_embd"] // c["n_head"])
    padded = -(-c["vocab_size"] // 64) * 64
    tensors = {"transformer.wte.weight": (padded, hidden)}
    for part, key in (("prelude", "n_prelude"), ("recur", "n_recur_block"), ("coda", "n_coda")):
        for i in range(c[key]):
            p = f"transformer.{part}.{i}."
            tensors |= {
                p + "attn.c_q.weight": (hidden, hidden),
                p + "attn.c_k.weight": (keys, hidden),
                p + "attn.c_v.weight": (keys, hidden),
                p + "attn.c_proj.weight": (hidden, hidden),
                p + "mlp.c_fc.weight": (4 * hidden, hidden),
                p + "mlp.c_proj.weight": (hidden, 4 * hidden),
            }
            tensors |= {p + f"n{n}.weight": (hidden,) for n in (1, 2, 3, 4)}
    return tensors | {
        "inject.weight": (hidden, 2 * hidden),
        "norm_emb.weight": (hidden,),
        "norm_recur.weight": (hidden,),
        "norm_final.weight": (hidden,),
        "lm_head.weight": (padded, hidden),
    }


SCALES = [(f".n{n}.", 1.0, 0.2) for n in (1, 2, 3, 4)] + [("norm_", 1.0, 0.2), ("wte", 0.0, 1.0), ("lm_head", 0.0, 1.0)]


def rounded_to_bf16(x):
    """float32 values rounded to bfloat16, ties to even."""
    bits = np.asarray(x, dtype=np.float32).view(np.uint32)
    bits = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(np.float64)


def windows(c):
    """Positions that a layer's attention sees, itself among them, where it is not all of them.

    The pattern repeats over prelude, core and coda; S looks back half a context, and the last layer is always L.
    """
    parts = (("prelude", "n_prelude"), ("recur", "n_recur_block"), ("coda", "n_coda"))
    layers = [f"transformer.{part}.{i}.attn." for part, key in parts for i in range(c[key])]
    pattern = c["window_pattern"].upper()
    kinds = [pattern[i % len(pattern)] for i in range(len(layers) - 1)] + ["L"]
    return {p: c["sequence_len"] // 2 + 1 for p, kind in zip(layers, kinds) if kind == "S"}


class LoopedNanochat(Stations):
    def __init__(self, config, tensors, zero_state=False, bf16_tables=True):
        super().__init__(config, tensors, int(config["train_recur_mean"]), EPS)
        self.head_size = config["n_embd"] // config["n_head"]
        self.inverse = ops.frequencies(self.head_size, THETA)
        self.zero_state, self.bf16_tables = zero_state, bf16_tables
        self.windows = windows(config)

    def attend(self, p, x, loop, step):
        q, k, v = (self.linear(p + name, x).reshape(len(x), -1, self.head_size) for name in ("c_q", "c_k", "c_v"))
        cos, sin = ops.rotation(step.positions, self.inverse)
        if self.bf16_tables:
            angle = np.asarray(step.positions, np.float32)[:, None] * self.inverse.astype(np.float32)[None, :]
            cos, sin = (rounded_to_bf16(f(angle))[:, None, :] for f in (np.cos, np.sin))
        q, k = (ops.rms_norm(ops.rotate_half_backwards(y, cos, sin), None, EPS) for y in (q, k))
        keys, values = step.cache.exchange(p, loop, step.positions, k, v)
        size = self.windows.get(p)
        visible = ops.window(len(keys), step.positions, size) if size else None
        return self.linear(p + "c_proj", ops.attention(q, keys, values, step.positions, visible))

    def feed(self, p, x):
        return self.linear(p + "c_proj", np.maximum(self.linear(p + "c_fc", x), 0.0) ** 2)

    def block(self, p, x, loop, step):
        x = self.norm(p + "n2", x + self.attend(p + "attn.", self.norm(p + "n1", x), loop, step))
        return self.norm(p + "n4", x + self.feed(p + "mlp.", self.norm(p + "n3", x)))

    def enter(self, step):
        x = self.norm("norm_emb", self.t["transformer.wte.weight"][step.ids])
        return self.part("prelude", self.config["n_prelude"], x, 0, step)

    def first_state(self, entered):
        return np.zeros_like(entered) if self.zero_state else entered

    def loop(self, state, entered, loop, step):
        if self.config["input_injection"] != "passthrough":
            state = self.linear("inject", np.concatenate([entered, state], axis=-1))
        return self.norm("norm_recur", self.part("recur", self.config["n_recur_block"], state, loop, step))

    def leave(self, state, step):
        x = self.norm("norm_final", self.part("coda", self.config["n_coda"], state, 0, step))
        logits = self.linear("lm_head", x)[:, : self.config["vocab_size"]]
        cap = self.config["logit_softcap"]
        return cap * np.tanh(logits / cap)


def variants(model, ids, arrays, meaning):
    """Other first states, and rotation tables that are not rounded."""
    def logits(name, text, **options):
        config = model.config | options.pop("config", {})
        other = LoopedNanochat(config, model.t, **options)
        arrays[name] = decoder.prefill(other, ids, model.default_loops).logits
        meaning[name] = f"[tokens, vocabulary] at default depth {text}"

    logits("logits.zero_state", "from a first state of zeros", zero_state=True)
    for pattern, name in (("SSL", "windows"), ("S", "all_windows")):
        logits(f"logits.{name}", f"under window_pattern {pattern} and sequence_len 10",
               config={"window_pattern": pattern, "sequence_len": 10})
    logits("logits.passthrough", "under input_injection passthrough", config={"input_injection": "passthrough"})
    logits("logits.f32_tables", "with cos and sin that are not rounded to bfloat16", bf16_tables=False)
    return {}


EXTRAS = (variants,)
MODEL = LoopedNanochat
