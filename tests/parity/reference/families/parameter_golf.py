"""The stack of openai/parameter-golf's looped records, in gyre's own format: an order of layer runs, split in half.

    x0 = rms(embedding); order = encoder + decoder, two halves
    before a run of layer i:   x = m_i * x + n_i * x0                       (resid_mix)
    x += a_i * attention(rms(x) / sqrt(i + 1));  x += b_i * mlp(rms(x) / sqrt(i + 1))
    decoder run j first takes back the state behind the encoder's last run that none took:
        x = lerp(w_j * taken, x, sigmoid(g_j))
    attention: rms of each head of q and k, then the first channels of a head turn, then q * gain of its head
    mlp: down(leaky_relu(up x, 0.5)^2); logits = 3 tanh(E rms(x) / 3)       (softcap 30 there)

Norms have no weights. gyre has no 1 / sqrt(i + 1): it stands in the matrices qkv and up of the checkpoint, and is taken
out of them here. Every run keeps keys and values of its own. The records turn by the opposite angle, which is another
arrangement of the rows of q and k; smear, XSA, the gate of attention and two lanes are not in this model.
"""

import math

import numpy as np

from .. import decoder, ops
from ..decoder import Model

NAME = "parameter_golf"
ORDER = [0, 1, 2, 3, 1, 2, 3, 1, 2, 3, 4]


def config():
    return {
        "model_type": "gyre",
        "name": "parameter_golf",
        "vocab_size": 44,
        "context": 64,
        "hidden_size": 24,
        "heads": 4,
        "kv_heads": 2,
        "head_size": 8,
        "ffn_size": 40,
        "norm": "rms",
        "norm_weights": False,
        "norm_eps": 1e-6,
        "embedding_norm": True,
        "qk_norm": "after_rotary",
        "position": "rotary_half",
        "rotary_channels": 4,
        "mlp": "leaky_relu_squared",
        "tied_head": True,
        "logit_softcap": 3.0,
        "embedding_mix": True,
        "branch_scales": True,
        "query_gain": True,
        "order": ORDER,
        "skips": [[4, 5], [3, 6], [2, 7], [1, 8], [0, 9]],
    }


def shapes(c):
    hidden, size, ffn = c["hidden_size"], c["head_size"], c["ffn_size"]
    tensors = {"embed.weight": (c["vocab_size"], hidden)}
    for i in range(max(c["order"]) + 1):
        p = f"groups.0.layers.{i}."
        tensors |= {
            p + "mix.state": (hidden,),
            p + "mix.embedding": (hidden,),
            p + "attn.qkv.weight": ((c["heads"] + 2 * c["kv_heads"]) * size, hidden),
            p + "attn.query_gain": (c["heads"],),
            p + "attn.out.weight": (hidden, c["heads"] * size),
            p + "attn.scale": (hidden,),
            p + "mlp.up.weight": (ffn, hidden),
            p + "mlp.down.weight": (hidden, ffn),
            p + "mlp.scale": (hidden,),
        }
    for j in range(len(c["skips"])):
        tensors |= {f"groups.0.skips.{j}.weight": (hidden,), f"groups.0.skips.{j}.gate": (hidden,)}
    return tensors


SCALES = [
    ("mix.state", 1.0, 0.2),
    ("mix.embedding", -0.3, 0.5),
    (".scale", 1.5, 0.5),
    ("query_gain", 1.5, 0.5),
    (".gate", 0.0, 1.0),
    ("skips.", 1.0, 0.3),
    ("embed", 0.0, 1.0),
]


class ParameterGolf(Model):
    def __init__(self, config, tensors):
        c = self.config = config
        self.t = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
        self.order = c["order"]
        for i in set(self.order):
            for name in ("attn.qkv.weight", "mlp.up.weight"):
                self.t[f"groups.0.layers.{i}.{name}"] *= math.sqrt(i + 1)
        self.inverse = ops.frequencies(c["rotary_channels"], 10000)

    def norm(self, x):
        return ops.rms_norm(x, None, self.config["norm_eps"])

    def turn(self, x, step):
        cos, sin = ops.rotation(step.positions, self.inverse)
        turned = self.config["rotary_channels"]
        return np.concatenate([ops.rotate_half(x[..., :turned], cos, sin), x[..., turned:]], axis=-1)

    def attend(self, p, run, x, step):
        c = self.config
        qkv = ops.linear(x, self.t[p + "qkv.weight"]).reshape(len(x), -1, c["head_size"])
        q, k, v = np.split(qkv, [c["heads"], c["heads"] + c["kv_heads"]], axis=1)
        q, k = self.turn(self.norm(q), step), self.turn(self.norm(k), step)
        q = q * self.t[p + "query_gain"][None, :, None]
        keys, values = step.cache.exchange(str(run), 0, step.positions, k, v)
        return ops.linear(ops.attention(q, keys, values, step.positions), self.t[p + "out.weight"])

    def feed(self, p, x):
        up = ops.linear(x, self.t[p + "up.weight"])
        return ops.linear(np.where(up > 0, up, 0.5 * up) ** 2, self.t[p + "down.weight"])

    def block(self, run, x, x0, step):
        i = self.order[run]
        p, depth = f"groups.0.layers.{i}.", math.sqrt(i + 1)
        x = self.t[p + "mix.state"] * x + self.t[p + "mix.embedding"] * x0
        x = x + self.t[p + "attn.scale"] * self.attend(p + "attn.", run, self.norm(x) / depth, step)
        return x + self.t[p + "mlp.scale"] * self.feed(p + "mlp.", self.norm(x) / depth)

    def enter(self, step):
        return self.norm(self.t["embed.weight"][step.ids])

    def loop(self, state, entered, loop, step):
        encoder, taken = len(self.order) // 2, []
        for run in range(encoder):
            state = self.block(run, state, entered, step)
            taken.append(state)
        for j, run in enumerate(range(encoder, len(self.order))):
            if taken:
                back = self.t[f"groups.0.skips.{j}.weight"] * taken.pop()
                state = back + ops.sigmoid(self.t[f"groups.0.skips.{j}.gate"]) * (state - back)
            state = self.block(run, state, entered, step)
        return state

    def leave(self, state, step):
        cap = self.config["logit_softcap"]
        return cap * np.tanh(ops.linear(self.norm(state), self.t["embed.weight"]) / cap)


MODEL = ParameterGolf
