"""GPT-2: layer norms with biases, learned positions, one [in, out] matrix for q, k and v, gelu by tanh, tied head.

The published files name tensors without the `transformer.` in front and carry each layer's causal mask as `attn.bias`.
"""

import numpy as np

from .. import ops
from ..decoder import Model

NAME = "gpt2"


def config():
    return {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": 0.1,
        "bos_token_id": 51,
        "embd_pdrop": 0.1,
        "eos_token_id": 51,
        "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-05,
        "model_type": "gpt2",
        "n_ctx": 32,
        "n_embd": 24,
        "n_head": 3,
        "n_layer": 2,
        "n_positions": 32,
        "resid_pdrop": 0.1,
        "summary_activation": None,
        "summary_first_dropout": 0.1,
        "summary_proj_to_labels": True,
        "summary_type": "cls_index",
        "summary_use_proj": True,
        "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
        "vocab_size": 52,
    }


def shapes(c):
    hidden, context = c["n_embd"], c["n_positions"]
    tensors = {"wte.weight": (c["vocab_size"], hidden), "wpe.weight": (context, hidden)}
    for i in range(c["n_layer"]):
        p = f"h.{i}."
        tensors |= {
            p + "ln_1.weight": (hidden,),
            p + "ln_1.bias": (hidden,),
            p + "attn.bias": (1, 1, context, context),
            p + "attn.c_attn.weight": (hidden, 3 * hidden),
            p + "attn.c_attn.bias": (3 * hidden,),
            p + "attn.c_proj.weight": (hidden, hidden),
            p + "attn.c_proj.bias": (hidden,),
            p + "ln_2.weight": (hidden,),
            p + "ln_2.bias": (hidden,),
            p + "mlp.c_fc.weight": (hidden, 4 * hidden),
            p + "mlp.c_fc.bias": (4 * hidden,),
            p + "mlp.c_proj.weight": (4 * hidden, hidden),
            p + "mlp.c_proj.bias": (hidden,),
        }
    return tensors | {"ln_f.weight": (hidden,), "ln_f.bias": (hidden,)}


SCALES = [
    (".bias", 0.0, 0.2),
    ("ln_", 1.0, 0.2),
    ("wpe", 0.0, 0.7),
    ("wte", 0.0, 1.0),
    ("c_attn", 0.0, 0.25),
    ("mlp.c_proj", 0.0, 0.1),
    ("c_", 0.0, 0.2),
]


def finish(c, tensors):
    mask = np.tril(np.ones((c["n_ctx"], c["n_ctx"]), dtype=np.float32))
    return tensors | {f"h.{i}.attn.bias": mask[None, None] for i in range(c["n_layer"])}


class Gpt2(Model):
    def __init__(self, config, tensors):
        self.config = config
        self.t = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}

    def norm(self, name, x):
        return ops.layer_norm(x, self.t[name + ".weight"], self.t[name + ".bias"], self.config["layer_norm_epsilon"])

    def linear(self, name, x):
        return x @ self.t[name + ".weight"] + self.t[name + ".bias"]

    def attend(self, p, x, loop, step):
        parts = np.split(self.linear(p + "c_attn", x), 3, axis=-1)
        q, k, v = (part.reshape(len(x), self.config["n_head"], -1) for part in parts)
        keys, values = step.cache.exchange(p, loop, step.positions, k, v)
        return self.linear(p + "c_proj", ops.attention(q, keys, values, step.positions))

    def enter(self, step):
        return self.t["wte.weight"][step.ids] + self.t["wpe.weight"][step.positions]

    def loop(self, state, entered, loop, step):
        for i in range(self.config["n_layer"]):
            p = f"h.{i}."
            state = state + self.attend(p + "attn.", self.norm(p + "ln_1", state), loop, step)
            inner = ops.gelu_tanh(self.linear(p + "mlp.c_fc", self.norm(p + "ln_2", state)))
            state = state + self.linear(p + "mlp.c_proj", inner)
        return state

    def leave(self, state, step):
        return ops.linear(self.norm("ln_f", state), self.t["wte.weight"])


MODEL = Gpt2
