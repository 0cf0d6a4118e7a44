"""BERT's layers: every token sees the whole text, a layer norm follows every sum, positions are learned."""

import math

import numpy as np

from . import ops


def shapes(c, top):
    """Tensors of the body; `top` is what every name begins with."""
    hidden, ffn = c["hidden_size"], c["intermediate_size"]

    def linear(name, rows, columns):
        return {top + name + ".weight": (rows, columns), top + name + ".bias": (rows,)}

    def norm(name):
        return {top + name + ".weight": (hidden,), top + name + ".bias": (hidden,)}

    tensors = {
        top + "embeddings.word_embeddings.weight": (c["vocab_size"], hidden),
        top + "embeddings.position_embeddings.weight": (c["max_position_embeddings"], hidden),
        top + "embeddings.token_type_embeddings.weight": (c["type_vocab_size"], hidden),
    } | norm("embeddings.LayerNorm")
    for i in range(c["num_hidden_layers"]):
        p = f"encoder.layer.{i}."
        for part in ("query", "key", "value"):
            tensors |= linear(f"{p}attention.self.{part}", hidden, hidden)
        tensors |= linear(p + "attention.output.dense", hidden, hidden) | norm(p + "attention.output.LayerNorm")
        tensors |= linear(p + "intermediate.dense", ffn, hidden) | linear(p + "output.dense", hidden, ffn)
        tensors |= norm(p + "output.LayerNorm")
    return tensors


SCALES = [
    ("LayerNorm.weight", 1.0, 0.2),
    (".bias", 0.0, 0.2),
    ("word_embeddings", 0.0, 1.0),
    ("_embeddings", 0.0, 0.5),
]
ACTIVATIONS = {"gelu": ops.gelu, "gelu_new": ops.gelu_tanh}


def states(c, tensors, ids, top, first_position):
    """[tokens, hidden] of one text, whose first token has the row `first_position` of the table of positions."""
    t = {name.removeprefix(top): tensor.astype(np.float64) for name, tensor in tensors.items()}

    def linear(name, x):
        return ops.linear(x, t[name + ".weight"], t[name + ".bias"])

    def norm(name, x):
        return ops.layer_norm(x, t[name + ".weight"], t[name + ".bias"], c["layer_norm_eps"])

    def heads(x):
        return x.reshape(len(x), c["num_attention_heads"], -1).transpose(1, 0, 2)

    x = t["embeddings.word_embeddings.weight"][ids] + t["embeddings.token_type_embeddings.weight"][0]
    x = x + t["embeddings.position_embeddings.weight"][first_position : first_position + len(ids)]
    x = norm("embeddings.LayerNorm", x)
    for i in range(c["num_hidden_layers"]):
        p = f"encoder.layer.{i}."
        q, k, v = (heads(linear(f"{p}attention.self.{part}", x)) for part in ("query", "key", "value"))
        shares = ops.softmax(q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1]))
        mixed = (shares @ v).transpose(1, 0, 2).reshape(x.shape)
        x = norm(p + "attention.output.LayerNorm", x + linear(p + "attention.output.dense", mixed))
        inner = ACTIVATIONS[c["hidden_act"]](linear(p + "intermediate.dense", x))
        x = norm(p + "output.LayerNorm", x + linear(p + "output.dense", inner))
    return x


def compute(family, config, tensors, ids):
    """(facts, arrays), as those of cases.compute."""
    arrays, meaning = {}, {}
    for name, text, switches in (
        ("states", "behind the last layer", {}),
        ("states.gelu_new", "under hidden_act gelu_new", {"hidden_act": "gelu_new"}),
    ):
        arrays[name] = family.states(config | switches, tensors, ids)
        meaning[name] = f"[tokens, hidden] {text}"
    arrays["states.short"] = family.states(config, tensors, ids[:5])
    meaning["states.short"] = "[5, hidden] of a text of the first five tokens"
    return {"family": family.NAME, "tokens": ids, "tensors": meaning}, arrays
