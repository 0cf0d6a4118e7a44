"""HRM-Text: two stacks over the same tokens, a fast one (L) run L_cycles times for every run of a slow one (H).

    z_H = wte * embedding_scale, z_L = z_L_init
    H_cycles times:  L_cycles times z_L = L(z_L + z_H);  then z_H = H(z_H + z_L)
    logits = lm_head z_H

A stack is pre-norm Llama layers with a closing norm; norms have no weights; attention's output is gated by
sigmoid(W_gate x) per channel before o_proj; every run of a stack has KV of its own. One loop below is one H cycle: to a
KV policy, run i of L in cycle h is layer i of its own kind at loop h. `gqkv_proj` has rows gate | q | k | v, `gate_up_proj` gate | up.
With prefix_lm the prompt may see itself whole.
"""

import numpy as np

from .. import decoder, ops
from ..cache import Cache
from ..decoder import Model

NAME = "hrm_text"
STACKS = ("L_module", "H_module")


def config():
    return {
        "model_type": "hrm_text",
        "architectures": ["HrmTextForCausalLM"],
        "vocab_size": 52,
        "hidden_size": 16,
        "intermediate_size": 28,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 12,
        "H_cycles": 2,
        "L_cycles": 3,
        "L_bp_cycles": [0, 3],
        "max_position_embeddings": 64,
        "rms_norm_eps": 1e-06,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "initializer_range": 0.25,
        "embedding_scale": 4.0,
        "prefix_lm": True,
        "pad_token_id": 5,
        "bos_token_id": 6,
        "eos_token_id": 11,
        "auto_map": {
            "AutoConfig": "configuration_hrm_text.HrmTextConfig",
            "AutoModel": "modeling_hrm_text.HrmTextModel",
            "AutoModelForCausalLM": "modeling_hrm_text.HrmTextForCausalLM",
        },
    }


def shapes(c):
    hidden, width, ffn = c["hidden_size"], c["num_attention_heads"] * c["head_dim"], c["intermediate_size"]
    tensors = {"lm_head.weight": (c["vocab_size"], hidden), "model.embed_tokens.weight": (c["vocab_size"], hidden)}
    for stack in STACKS:
        for i in range(c["num_hidden_layers"]):
            p = f"model.{stack}.layers.{i}."
            tensors |= {
                p + "attn.gqkv_proj.weight": (4 * width, hidden),
                p + "attn.o_proj.weight": (hidden, width),
                p + "mlp.down_proj.weight": (hidden, ffn),
                p + "mlp.gate_up_proj.weight": (2 * ffn, hidden),
            }
    return tensors | {"model.z_L_init": (hidden,)}


SCALES = [("embed_tokens", 0.0, 0.2), ("z_L_init", 0.0, 1.0)]


class HrmText(Model):
    looped = True

    def __init__(self, config, tensors):
        c = self.config = config
        self.t = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
        self.default_loops = c["H_cycles"]
        self.inverse = ops.frequencies(c["head_dim"], c["rope_theta"])
        self.prefix = 0  # so many tokens at the start see one another whole

    def linear(self, name, x):
        return ops.linear(x, self.t[name + ".weight"])

    def norm(self, x):
        return ops.rms_norm(x, None, self.config["rms_norm_eps"])

    def attend(self, p, x, layer, loop, step):
        parts = np.split(self.linear(p + "gqkv_proj", x), 4, axis=-1)
        gate, q, k, v = (part.reshape(len(x), -1, self.config["head_dim"]) for part in parts)
        cos, sin = ops.rotation(step.positions, self.inverse)
        k = ops.rotate_half(k, cos, sin)
        keys, values = step.cache.exchange(layer, loop, step.positions, k, v)
        places = np.arange(len(keys))[None, :]
        visible = (places <= step.positions[:, None]) | (
            (places < self.prefix) & (step.positions[:, None] < self.prefix)
        )
        mixed = ops.attention(ops.rotate_half(q, cos, sin), keys, values, step.positions, visible)
        return self.linear(p + "o_proj", mixed * ops.sigmoid(gate.reshape(mixed.shape)))

    def feed(self, p, x):
        gate, up = np.split(self.linear(p + "gate_up_proj", x), 2, axis=-1)
        return self.linear(p + "down_proj", ops.silu(gate) * up)

    def stack(self, name, x, run, loop, step):
        for i in range(self.config["num_hidden_layers"]):
            p = f"model.{name}.layers.{i}."
            x = x + self.attend(p + "attn.", self.norm(x), f"{p}{run}", loop, step)
            x = x + self.feed(p + "mlp.", self.norm(x))
        return self.norm(x)

    def enter(self, step):
        return self.t["model.embed_tokens.weight"][step.ids] * self.config["embedding_scale"]

    def first_state(self, entered):
        """[2, tokens, hidden]: z_H and z_L."""
        return np.stack([entered, np.broadcast_to(self.t["model.z_L_init"], entered.shape)])

    def loop(self, state, entered, loop, step):
        high, low = state
        for i in range(self.config["L_cycles"]):
            low = self.stack("L_module", low + high, i, loop, step)
        return np.stack([self.stack("H_module", high + low, 0, loop, step), low])

    def shown(self, state):
        return state[0]

    def leave(self, state, step):
        return self.linear("lm_head", state[0])


def whole_prompt(model, ids, arrays, meaning):
    """The first tokens as a prompt that sees itself whole (token_type_ids 1), the rest causal."""
    prompt = 5
    model.prefix = prompt
    arrays["logits.prefix"] = decoder.run(model, ids, 0, model.default_loops, Cache()).logits
    model.prefix = 0
    meaning["logits.prefix"] = "[tokens, vocabulary] at default depth, the first `prefix` tokens seeing one another"
    return {"prefix": prompt}


EXTRAS = (whole_prompt,)
MODEL = HrmText
