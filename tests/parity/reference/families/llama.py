"""Llama 3: pre-norm blocks, grouped queries, rotated halves with Llama 3's stretched frequencies, gated SiLU."""

import numpy as np

from .. import decoder, ops, rope
from ..decoder import Model
from ..switches import under
from ..weights import normal

NAME = "llama"
SHARDS = 2


def config():
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 54,
        "eos_token_id": 55,
        "head_dim": 8,
        "hidden_act": "silu",
        "hidden_size": 24,
        "initializer_range": 0.02,
        "intermediate_size": 36,
        "max_position_embeddings": 2048,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": 4,
        "num_hidden_layers": 3,
        "num_key_value_heads": 2,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": {
            "factor": 8.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 256,
            "rope_type": "llama3",
        },
        "rope_theta": 500000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "transformers_version": "4.45.0.dev0",
        "use_cache": True,
        "vocab_size": 56,
    }


def sizes(c):
    """hidden, width of all query heads, width of all kv heads, feed-forward."""
    size = c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]
    return c["hidden_size"], c["num_attention_heads"] * size, c["num_key_value_heads"] * size, c["intermediate_size"]


def shapes(c):
    """Biases are where attention_bias (q, k, v and o) and mlp_bias (all three) are true."""
    hidden, queries, keys, ffn = sizes(c)
    tensors = {"model.embed_tokens.weight": (c["vocab_size"], hidden)}
    biased = (ATTENTION_MAPS if c.get("attention_bias") else ()) + (MLP_MAPS if c.get("mlp_bias") else ())
    for i in range(c["num_hidden_layers"]):
        p = f"model.layers.{i}."
        tensors |= {
            p + "input_layernorm.weight": (hidden,),
            p + "mlp.down_proj.weight": (hidden, ffn),
            p + "mlp.gate_proj.weight": (ffn, hidden),
            p + "mlp.up_proj.weight": (ffn, hidden),
            p + "post_attention_layernorm.weight": (hidden,),
            p + "self_attn.k_proj.weight": (keys, hidden),
            p + "self_attn.o_proj.weight": (hidden, queries),
            p + "self_attn.q_proj.weight": (queries, hidden),
            p + "self_attn.v_proj.weight": (keys, hidden),
        }
        tensors |= {p + part + ".bias": tensors[p + part + ".weight"][:1] for part in biased}
    tensors["model.norm.weight"] = (hidden,)
    if not c["tie_word_embeddings"]:
        tensors["lm_head.weight"] = (c["vocab_size"], hidden)
    return tensors


SCALES = [("norm", 1.0, 0.2), ("embed_tokens", 0.0, 1.0)]

ATTENTION_MAPS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
MLP_MAPS = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")

# The names that transformers has for them; those by tanh differ in rounding only.
ACTIVATIONS = {
    "gelu": ops.gelu,
    "gelu_fast": ops.gelu_tanh,
    "gelu_new": ops.gelu_tanh,
    "gelu_pytorch_tanh": ops.gelu_tanh,
    "silu": ops.silu,
    "swish": ops.silu,
}


class Llama(Model):
    partial_rotation = False  # Llama's class does not split heads: docs/rotation.md
    length = None  # taken for that of the sequence where it is set

    def __init__(self, config, tensors):
        c = self.config = config
        self.t = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
        self.eps = c["rms_norm_eps"]
        self.heads, self.kv_heads = c["num_attention_heads"], c["num_key_value_heads"]
        self.head_size = c.get("head_dim") or c["hidden_size"] // self.heads
        self.rotations = self.layer_rotations()
        self.windows = self.layer_windows()
        self.activation = ACTIVATIONS[c.get("hidden_act", "silu")]
        self.varies = any(rotation.varies for rotation in self.rotations)
        self.scale = self.head_size**-0.5

    def layer_rotations(self):
        given = rope.parameters(self.config)
        if given.get("partial_rotary_factor", 1.0) != 1.0 and not self.partial_rotation:
            if given["rope_type"] != "default":
                raise ValueError("cos and sin are narrower than the heads")
            del given["partial_rotary_factor"]
        rotation = rope.Rotation(given, self.head_size, self.config["max_position_embeddings"])
        return [rotation] * self.config["num_hidden_layers"]

    def layer_windows(self):
        """How many positions each layer sees, None for all."""
        return [None] * self.config["num_hidden_layers"]

    def norm(self, name, x):
        return ops.rms_norm(x, self.t[name + ".weight"], self.eps)

    def linear(self, name, x):
        return ops.linear(x, self.t[name + ".weight"], self.t.get(name + ".bias"))

    def queries_keys_values(self, p, x):
        """q, k [tokens, heads, head_size] before rotation, and v."""
        q, k, v = (self.linear(p + name, x) for name in ("q_proj", "k_proj", "v_proj"))
        return (y.reshape(len(x), -1, self.head_size) for y in (q, k, v))

    def attend(self, i, x, loop, step):
        p = f"model.layers.{i}.self_attn."
        length = self.length or int(step.positions[-1]) + 1
        q, k, v = self.queries_keys_values(p, x)
        q, k = (self.rotations[i].turn(y, step.positions, length) for y in (q, k))
        keys, values = step.cache.exchange(p, loop, step.positions, k, v)
        visible = ops.window(len(keys), step.positions, self.windows[i]) if self.windows[i] else None
        return self.linear(p + "o_proj", ops.attention(q, keys, values, step.positions, visible, self.scale))

    def feed(self, p, x):
        gate, up = self.linear(p + "gate_proj", x), self.linear(p + "up_proj", x)
        return self.linear(p + "down_proj", self.activation(gate) * up)

    def layer(self, i, x, loop, step):
        p = f"model.layers.{i}."
        x = x + self.attend(i, self.norm(p + "input_layernorm", x), loop, step)
        return x + self.feed(p + "mlp.", self.norm(p + "post_attention_layernorm", x))

    def enter(self, step):
        return self.t["model.embed_tokens.weight"][step.ids]

    def loop(self, state, entered, loop, step):
        for i in range(self.config["num_hidden_layers"]):
            state = self.layer(i, state, loop, step)
        return state

    def head(self, x):
        tied = self.config["tie_word_embeddings"]
        return ops.linear(x, self.t["model.embed_tokens.weight" if tied else "lm_head.weight"])

    def leave(self, state, step):
        return self.head(self.norm("model.norm", state))


def biased(model, ids, arrays, meaning, name, maps, keep=False):
    """logits.NAME: the same weights with biases on these maps of every layer, which are in arrays as BIAS.bias."""
    biases = {}
    for i in range(model.config["num_hidden_layers"]):
        for part in maps:
            bias = f"model.layers.{i}.{part}.bias"
            rows = model.t[bias.removesuffix("bias") + "weight"].shape[0]
            # as float32 holds them: the file keeps no more
            biases[bias] = normal(f"{model.config['model_type']}/{bias}", (rows,), std=0.3).astype(np.float64)
    if keep:
        arrays |= biases
        meaning |= {bias: "[rows] a bias of `logits.biases` and the like" for bias in biases}
    arrays["logits." + name] = decoder.prefill(type(model)(model.config, model.t | biases), ids, 1).logits
    meaning["logits." + name] = "[tokens, vocabulary] with biases on " + ", ".join(maps)


def attention_biases(model, ids, arrays, meaning):
    biased(model, ids, arrays, meaning, "attention_bias", ATTENTION_MAPS, keep=True)
    return {}


def variants(model, ids, arrays, meaning):
    """Biases on some linear maps or all, and other rotations."""
    biased(model, ids, arrays, meaning, "biases", ATTENTION_MAPS + MLP_MAPS, keep=True)
    biased(model, ids, arrays, meaning, "attention_bias", ATTENTION_MAPS)
    biased(model, ids, arrays, meaning, "mlp_bias", MLP_MAPS)
    biased(model, ids, arrays, meaning, "qkv_bias", ATTENTION_MAPS[:3])

    def rotated(name, scaling):
        other = type(model)(model.config | {"rope_scaling": scaling}, model.t)
        arrays["logits." + name] = decoder.prefill(other, ids, 1).logits
        meaning["logits." + name] = f"[tokens, vocabulary] under rope_scaling {scaling}"

    rotated("plain", None)
    rotated("linear", {"rope_type": "linear", "factor": 4.0})
    return {}


ACTIVATION_SWITCHES = {"gelu": {"hidden_act": "gelu"}, "gelu_tanh": {"hidden_act": "gelu_pytorch_tanh"}}

EXTRAS = (variants, under(ACTIVATION_SWITCHES))
MODEL = Llama
