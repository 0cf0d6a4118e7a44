"""Huginn (raven): prelude, a core fed W [s ; e] every loop, coda; norms on the sums, rotation of adjacent pairs.

The file holds the head a second time (`lm_head.weight`) and the rotations (`freqs_cis`), neither of which is needed.
`ln_f` stands before the coda and again after it. The first state is zero here (init_scale 0).
"""

import math

import numpy as np

from .. import ops
from ..stations import Stations, rotation_table

NAME = "raven"


def config():
    width, heads, prelude, core, coda, loops = 24, 3, 2, 3, 1, 6
    depth = prelude + coda + core * loops
    std = math.sqrt(2 / (5 * width))
    return {
        "activation_checkpoint_impl": "per-iteration",
        "architecture_class_name": "RecurrentGPT",
        "architectures": ["RavenForCausalLM"],
        "auto_map": {
            "AutoConfig": "raven_config_minimal.RavenConfig",
            "AutoModelForCausalLM": "raven_modeling_minimal.RavenForCausalLM",
        },
        "bias": False,
        "block_class_name": "SandwichBlock",
        "block_size": 64,
        "effective_expected_depth": depth,
        "head_dim": width // heads,
        "init_orthogonal": False,
        "init_strategy": "takase",
        "init_values": {
            "embed_scale": math.sqrt(width),
            "embedding": std,
            "out_proj": std / math.sqrt(2 * depth),
            "std": std,
        },
        "injection_type": "linear",
        "intermediate_size": 28,
        "mean_backprop_depth": 2,
        "mean_recurrence": loops,
        "mlp_class_name": "GatedMLP",
        "model_type": "huginn_raven",
        "n_embd": width,
        "n_heads": heads,
        "n_layers": prelude + core + coda,
        "n_layers_in_coda": coda,
        "n_layers_in_prelude": prelude,
        "n_layers_in_recurrent_block": core,
        "nonlin_name": "SiLU",
        "norm_class_name": "RMSNorm_llama",
        "norm_eps": 1e-06,
        "num_key_value_heads": heads,
        "padded_vocab_size": 56,
        "padding_multiple": 8,
        "qk_bias": True,
        "rope_base": 50000,
        "sampling_scheme": "poisson-lognormal-filling",
        "state_init": "like-init",
        "test_time_noise": 0,
        "test_time_noise_type": "fixed",
        "tie_embeddings": True,
        "torch_dtype": "float32",
        "transformers_version": "4.47.1",
        "vocab_size": 56,
    }


def blocks(c):
    parts = (("prelude", "prelude"), ("core_block", "recurrent_block"), ("coda", "coda"))
    return [f"transformer.{part}.{i}." for part, key in parts for i in range(c[f"n_layers_in_{key}"])]


def shapes(c):
    hidden, ffn, size = c["n_embd"], c["intermediate_size"], c["head_dim"]
    tensors = {
        "freqs_cis": (1, c["block_size"], 1, size // 2, 2),
        "lm_head.weight": (c["padded_vocab_size"], hidden),
        "transformer.adapter.weight": (hidden, 2 * hidden),
        "transformer.ln_f.weight": (hidden,),
        "transformer.wte.weight": (c["padded_vocab_size"], hidden),
    }
    for p in blocks(c):
        tensors |= {p + f"norm_{n}.weight": (hidden,) for n in (1, 2, 3, 4)}
        tensors |= {
            p + "attn.Wqkv.weight": (3 * hidden, hidden),
            p + "attn.proj.weight": (hidden, hidden),
            p + "attn.qk_bias": (2, 1, c["n_heads"], size),
            p + "mlp.fc.weight": (2 * ffn, hidden),
            p + "mlp.proj.weight": (hidden, ffn),
        }
    return tensors


# small projections back keep sixteen loops from blowing up rounding errors
SCALES = [("norm_", 1.0, 0.2), ("ln_f", 1.0, 0.2), ("qk_bias", 0.0, 0.5), ("wte", 0.0, 0.4), (".proj.", 0.0, 0.1)]


def finish(c, tensors):
    table = rotation_table(ops.frequencies(c["head_dim"], c["rope_base"]), c["block_size"])
    return tensors | {"lm_head.weight": tensors["transformer.wte.weight"], "freqs_cis": table}


class Raven(Stations):
    def __init__(self, config, tensors):
        super().__init__(config, tensors, config["mean_recurrence"], config["norm_eps"])
        c = config
        self.heads, self.kv_heads = c["n_heads"], c["num_key_value_heads"]
        self.head_size = c["head_dim"]
        self.scale = math.sqrt(c["n_embd"])
        self.inverse = ops.frequencies(self.head_size, c["rope_base"])

    def queries_keys_values(self, p, x):
        rows = np.cumsum([self.heads * self.head_size, self.kv_heads * self.head_size])
        q, k, v = np.split(self.linear(p + "Wqkv", x), rows, axis=-1)
        q, k, v = (y.reshape(len(x), -1, self.head_size) for y in (q, k, v))
        bias = self.t[p + "qk_bias"]
        return q + bias[0], k + bias[1], v

    def rotate(self, x, cos, sin):
        return ops.rotate_adjacent(x, cos, sin)

    def attend(self, p, x, loop, step):
        q, k, v = self.queries_keys_values(p, x)
        cos, sin = ops.rotation(step.positions, self.inverse)
        keys, values = step.cache.exchange(p, loop, step.positions, self.rotate(k, cos, sin), v)
        return self.linear(p + "proj", ops.attention(self.rotate(q, cos, sin), keys, values, step.positions))

    def feed(self, p, x):
        gate, up = np.split(self.linear(p + "fc", x), 2, axis=-1)
        return self.linear(p + "proj", ops.silu(gate) * up)

    def block(self, p, x, loop, step):
        x = self.norm(p + "norm_2", x + self.attend(p + "attn.", self.norm(p + "norm_1", x), loop, step))
        return self.norm(p + "norm_4", x + self.feed(p + "mlp.", self.norm(p + "norm_3", x)))

    def enter(self, step):
        embedding = self.t["transformer.wte.weight"][step.ids] * self.scale
        return self.part("prelude", self.config["n_layers_in_prelude"], embedding, 0, step)

    def loop(self, state, entered, loop, step):
        state = self.linear("transformer.adapter", np.concatenate([state, entered], axis=-1))
        return self.part("core_block", self.config["n_layers_in_recurrent_block"], state, loop, step)

    def leave(self, state, step):
        x = self.part("coda", self.config["n_layers_in_coda"], self.norm("transformer.ln_f", state), 0, step)
        return ops.linear(self.norm("transformer.ln_f", x), self.t["transformer.wte.weight"])


MODEL = Raven
