"""LoopFormer's plain looped baseline: all layers several times, RMS norms, learned positions, gelu, tied head.

Matrices are [out, in]; norms are torch's RMSNorm without an epsilon, which then is float32's. The number of loops is an
argument of the published forward pass, eight by default; training files have it as `max_model_loops`.
"""

import numpy as np

from .. import decoder, ops
from ..decoder import Model
from ..weights import normal

NAME = "base_loop"
EPS = 2.0**-23


def config():
    return {
        "architectures": ["BaseLoopForCausalLM"],
        "bias": False,
        "block_size": 32,
        "dropout": 0.0,
        "intermediate_dim": 40,
        "model_type": "base_loop",
        "n_embd": 24,
        "n_head": 3,
        "n_layer": 2,
        "torch_dtype": "float32",
        "transformers_version": "4.56.0",
        "vocab_size": 52,
    }


def shapes(c):
    hidden, inner = c["n_embd"], c["intermediate_dim"]
    tensors = {
        "gpt.lm_head.weight": (c["vocab_size"], hidden),
        "gpt.transformer.norm_f.weight": (hidden,),
        "gpt.transformer.wpe.weight": (c["block_size"], hidden),
        "gpt.transformer.wte.weight": (c["vocab_size"], hidden),
    }
    for i in range(c["n_layer"]):
        p = f"gpt.transformer.h.blocks.{i}."
        tensors |= {
            p + "attn.c_attn.weight": (3 * hidden, hidden),
            p + "attn.c_proj.weight": (hidden, hidden),
            p + "mlp.c_fc.weight": (inner, hidden),
            p + "mlp.c_proj.weight": (hidden, inner),
            p + "norm_1.weight": (hidden,),
            p + "norm_2.weight": (hidden,),
        }
    return tensors


SCALES = [("norm_", 1.0, 0.2), ("wpe", 0.0, 0.7), ("wte", 0.0, 1.0), ("c_proj", 0.0, 0.05)]


def finish(c, tensors):
    return tensors | {"gpt.lm_head.weight": tensors["gpt.transformer.wte.weight"]}


class BaseLoop(Model):
    looped = True

    def __init__(self, config, tensors):
        self.config = config
        self.t = {name.removeprefix("gpt."): tensor.astype(np.float64) for name, tensor in tensors.items()}
        self.default_loops = config.get("max_model_loops", 8)

    def norm(self, name, x):
        return ops.rms_norm(x, self.t[name + ".weight"], EPS)

    def linear(self, name, x):
        return ops.linear(x, self.t[name + ".weight"], self.t.get(name + ".bias"))

    def attend(self, p, x, loop, step):
        q, k, v = (y.reshape(len(x), self.config["n_head"], -1) for y in np.split(self.linear(p + "c_attn", x), 3, -1))
        keys, values = step.cache.exchange(p, loop, step.positions, k, v)
        return self.linear(p + "c_proj", ops.attention(q, keys, values, step.positions))

    def enter(self, step):
        return self.t["transformer.wte.weight"][step.ids] + self.t["transformer.wpe.weight"][step.positions]

    def loop(self, state, entered, loop, step):
        for i in range(self.config["n_layer"]):
            p = f"transformer.h.blocks.{i}."
            state = state + self.attend(p + "attn.", self.norm(p + "norm_1", state), loop, step)
            inner = ops.gelu(self.linear(p + "mlp.c_fc", self.norm(p + "norm_2", state)))
            state = state + self.linear(p + "mlp.c_proj", inner)
        return state

    def leave(self, state, step):
        return ops.linear(self.norm("transformer.norm_f", state), self.t["transformer.wte.weight"])


def biases(model, ids, arrays, meaning):
    """The same weights with biases on every linear map, which are in arrays as BIAS.bias."""
    added = {}
    for name, tensor in model.t.items():
        if ".c_" in name:
            bias = name.removesuffix("weight") + "bias"
            added[bias] = normal(f"{NAME}/{bias}", tensor.shape[:1], std=0.2).astype(np.float64)
            arrays["gpt." + bias] = added[bias]
            meaning["gpt." + bias] = "[rows] a bias of `logits.biases`"
    arrays["logits.biases"] = decoder.prefill(BaseLoop(model.config, model.t | added), ids, 2).logits
    meaning["logits.biases"] = "[tokens, vocabulary] after two loops under bias true"
    return {}


EXTRAS = (biases,)
MODEL = BaseLoop
