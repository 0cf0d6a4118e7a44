"""GPT-2: layer norms with biases, learned positions, one [in, out] matrix for q, k and v, gelu by tanh, tied head.

The published files name tensors without the `transformer.` in front and carry each layer's causal mask as `attn.bias`.
"""

import math

import numpy as np

from .. import decoder, ops
from ..decoder import Model
from ..weights import normal

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

    def score_scale(self, layer, head_size):
        scale = 1.0 / math.sqrt(head_size) if self.config.get("scale_attn_weights", True) else 1.0
        return scale / (layer + 1) if self.config.get("scale_attn_by_inverse_layer_idx", False) else scale

    def attend(self, layer, p, x, loop, step):
        parts = np.split(self.linear(p + "c_attn", x), 3, axis=-1)
        q, k, v = (part.reshape(len(x), self.config["n_head"], -1) for part in parts)
        keys, values = step.cache.exchange(p, loop, step.positions, k, v)
        scale = self.score_scale(layer, q.shape[-1])
        return self.linear(p + "c_proj", ops.attention(q, keys, values, step.positions, scale=scale))

    def activation(self, x):
        exact = self.config["activation_function"] == "gelu"
        return ops.gelu(x) if exact else ops.gelu_tanh(x)

    def enter(self, step):
        return self.t["wte.weight"][step.ids] + self.t["wpe.weight"][step.positions]

    def loop(self, state, entered, loop, step):
        for i in range(self.config["n_layer"]):
            p = f"h.{i}."
            state = state + self.attend(i, p + "attn.", self.norm(p + "ln_1", state), loop, step)
            inner = self.activation(self.linear(p + "mlp.c_fc", self.norm(p + "ln_2", state)))
            state = state + self.linear(p + "mlp.c_proj", inner)
        return state

    def leave(self, state, step):
        head = "wte.weight" if self.config.get("tie_word_embeddings", True) else "lm_head.weight"
        return ops.linear(self.norm("ln_f", state), self.t[head])


def variants(model, ids, arrays, meaning):
    """The same weights under other values of the switches."""
    head = normal(f"{NAME}/untied/lm_head.weight", (model.config["vocab_size"], model.config["n_embd"]))
    inner = 2 * model.config["n_embd"]
    narrow = {}
    for name, tensor in model.t.items():
        if name.endswith("mlp.c_fc.weight") or name.endswith("mlp.c_fc.bias"):
            tensor = tensor[..., :inner]
        narrow[name] = tensor[:inner] if name.endswith("mlp.c_proj.weight") else tensor
    arrays["lm_head.weight"] = head
    meaning["lm_head.weight"] = "[vocabulary, hidden] the head of `logits.untied`"

    def logits(name, text, tensors=model.t, **switches):
        other = Gpt2(model.config | switches, tensors)
        arrays["logits." + name] = decoder.prefill(other, ids, 1).logits
        meaning["logits." + name] = f"[tokens, vocabulary] {text}"

    logits("untied", "under tie_word_embeddings false", model.t | {"lm_head.weight": head}, tie_word_embeddings=False)
    logits("unscaled", "under scale_attn_weights false", scale_attn_weights=False)
    logits("by_layer", "under scale_attn_by_inverse_layer_idx true", scale_attn_by_inverse_layer_idx=True)
    logits(
        "unscaled_by_layer", "under both", scale_attn_weights=False, scale_attn_by_inverse_layer_idx=True
    )
    logits("gelu", "under activation_function gelu", activation_function="gelu")
    logits("narrow", f"under n_inner {inner}, by the first channels of each MLP", narrow, n_inner=inner)
    return {}


EXTRAS = (variants,)
MODEL = Gpt2
