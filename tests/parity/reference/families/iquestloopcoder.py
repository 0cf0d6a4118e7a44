"""IQuest-Coder Loop: a Llama whose whole stack runs loop_num times, model.norm once behind the last pass.

From the second pass on a layer's queries attend twice: to the keys of the first pass, all of them, and to those of their
own, the last loop_window_size. A head mixes the two by a gate that reads its turned query: g = sigmoid(w . q + b),
g * first + (1 - g) * own, before o_proj.
"""

import numpy as np

from .. import ops
from ..switches import under
from . import llama

NAME = "iquestloopcoder"
SCALES = [("gate_projections", 0.0, 0.6)] + llama.SCALES


def config():
    return {
        "architectures": ["IQuestLoopCoderForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "auto_map": {
            "AutoConfig": "configuration_iquestloopcoder.IQuestLoopCoderConfig",
            "AutoModelForCausalLM": "modeling_iquestloopcoder.IQuestLoopCoderForCausalLM",
        },
        "bos_token_id": 1,
        "eos_token_id": [2, 54, 55],
        "head_dim": 8,
        "hidden_act": "silu",
        "hidden_size": 24,
        "initializer_range": 0.02,
        "intermediate_size": 36,
        "loop_num": 2,
        "loop_window_size": 4,
        "max_position_embeddings": 131072,
        "mlp_bias": False,
        "model_type": "iquestloopcoder",
        "num_attention_heads": 6,
        "num_hidden_layers": 3,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": 500000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": 56,
    }


def shapes(c):
    tensors = llama.shapes(c)
    for i in range(c["num_hidden_layers"]):
        gate = f"model.gate_projections.{i}."
        heads = c["num_attention_heads"]
        tensors |= {gate + "weight": (heads, c["head_dim"]), gate + "bias": (heads,)}
    return tensors


class IQuestLoopCoder(llama.Llama):
    looped = True
    policies = ("latest", "all_or_last", "anchor_2")  # those that keep the first pass, and every token in a window

    def __init__(self, config, tensors):
        # What the published class takes where the file is silent.
        super().__init__({"loop_num": 2, "loop_window_size": 64} | config, tensors)
        self.default_loops = self.config["loop_num"]

    def attend(self, i, x, loop, step):
        if loop == 0:
            return super().attend(i, x, loop, step)
        p = f"model.layers.{i}.self_attn."
        q, k, v = self.queries_keys_values(p, x)
        q, k = (self.rotations[i].turn(y, step.positions, int(step.positions[-1]) + 1) for y in (q, k))
        keys, values = step.cache.exchange(p, loop, step.positions, k, v)
        seen = ops.window(len(keys), step.positions, self.config["loop_window_size"])
        own = ops.attention(q, keys, values, step.positions, seen, self.scale)
        first = ops.attention(q, *step.cache.first_loop(p, step.positions), step.positions, None, self.scale)
        gate = f"model.gate_projections.{i}."
        logits = np.einsum("thd,hd->th", q, self.t[gate + "weight"]) + self.t[gate + "bias"]
        share = np.repeat(ops.sigmoid(logits), self.head_size, axis=1)
        return self.linear(p + "o_proj", share * first + (1.0 - share) * own)


SWITCHES = {
    "window_1": {"loop_window_size": 1},
    "no_window": {"loop_window_size": 131072},
    "three_loops": {"loop_num": 3},
    "one_loop": {"loop_num": 1},
    "silent": {"loop_num": None, "loop_window_size": None},
}


EXTRAS = (under(SWITCHES),)
MODEL = IQuestLoopCoder
