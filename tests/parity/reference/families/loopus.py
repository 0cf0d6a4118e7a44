"""LoopUS: a Qwen 3 whose middle layers loop, each time taking a share of the change that the change itself decides.

    d = layers(h) - h;  h <- h + exp(-softplus(W_delta (W_r d) + b) * exp(A_log)) * d

Encoder, reasoning and decoder blocks number their layers from 0; the lists of config.json say which of the base model
they are. The exit head, LayerNorm and a linear map to one number, reads the state after a loop as the published
inference does; `gates` holds its values, `skipped.T` what comes of leaving at the first sigmoid above T.
"""

import numpy as np

from .. import decoder, ops
from ..cache import Cache
from . import qwen3

NAME = "loopus"


def config():
    base = qwen3.config() | {"num_hidden_layers": 5, "tie_word_embeddings": False}
    return {
        "N": 4,
        "architectures": ["LDSForCausalLM"],
        "base_config_dict": base,
        "base_model_name_or_path": "Qwen/Qwen3-0.6B",
        "convergence_epsilon": 0.01,
        "decoder_layer_indices": [4],
        "encoder_layer_indices": [0, 2],
        "halting_strategy": "threshold",
        "hidden_size": base["hidden_size"],
        "model_type": "lds",
        "q_eval_interval": 1,
        "q_threshold": 0.9,
        "reasoning_layer_indices": [1, 3],
        "torch_dtype": "float32",
        "transformers_version": "4.57.0",
        "vocab_size": base["vocab_size"],
    }


def places(c):
    """Layers of the base model by block and number there."""
    blocks = ("encoder", "reasoning", "decoder")
    return {(block, j): i for block in blocks for j, i in enumerate(c[f"{block}_layer_indices"])}


def shapes(c):
    base, hidden = c["base_config_dict"], c["hidden_size"]
    rank = -(-hidden // 16)
    whole, tensors = qwen3.shapes(base), {}
    for (block, j), i in places(c).items():
        front = f"model.layers.{i}."
        tensors |= {
            f"{block}.layers.{j}.{name.removeprefix(front)}": shape
            for name, shape in whole.items()
            if name.startswith(front)
        }
    return tensors | {
        "decoder.lm_head.weight": (base["vocab_size"], hidden),
        "decoder.norm.weight": (hidden,),
        "encoder.embed_tokens.weight": (base["vocab_size"], hidden),
        "q_head.0.bias": (hidden,),
        "q_head.0.weight": (hidden,),
        "q_head.1.bias": (1,),
        "q_head.1.weight": (1, hidden),
        "reasoning.gate.A_log": (hidden,),
        "reasoning.gate.delta_proj.bias": (hidden,),
        "reasoning.gate.delta_proj.weight": (hidden, rank),
        "reasoning.gate.dt_input_proj.weight": (rank, hidden),
    }


SCALES = [
    ("norm", 1.0, 0.2),
    ("embed_tokens", 0.0, 1.0),
    ("q_head.0.weight", 1.0, 0.3),
    ("q_head.1.weight", 0.0, 0.6),
    (".bias", 0.0, 0.5),
    ("A_log", 0.0, 1.0),
    # small projections back keep sixteen loops from blowing up rounding errors
    ("o_proj", 0.0, 0.1),
    ("down_proj", 0.0, 0.1),
]


class LoopUs(qwen3.Qwen3):
    looped = True

    def __init__(self, config, tensors):
        layers = {f"{block}.layers.{j}.": f"model.layers.{i}." for (block, j), i in places(config).items()}
        named = {}
        for name, tensor in tensors.items():
            front = next((own for own in layers if name.startswith(own)), None)
            named[layers[front] + name.removeprefix(front) if front else name] = tensor
        super().__init__(config["base_config_dict"], named)
        self.own, self.default_loops = config, config["N"]

    def part(self, block, x, loop, step):
        for i in self.own[f"{block}_layer_indices"]:
            x = self.layer(i, x, loop, step)
        return x

    def enter(self, step):
        return self.part("encoder", self.t["encoder.embed_tokens.weight"][step.ids], 0, step)

    def loop(self, state, entered, loop, step):
        change = self.part("reasoning", state, loop, step) - state
        gate = self.linear("reasoning.gate.delta_proj", self.linear("reasoning.gate.dt_input_proj", change))
        return state + np.exp(-ops.softplus(gate) * np.exp(self.t["reasoning.gate.A_log"])) * change

    def leave(self, state, step):
        x = self.norm("decoder.norm", self.part("decoder", state, 0, step))
        return ops.linear(x, self.t["decoder.lm_head.weight"])

    def gate(self, state):
        normed = ops.layer_norm(state, self.t["q_head.0.weight"], self.t["q_head.0.bias"], 1e-5)
        return self.linear("q_head.1", normed)[..., 0]


def skip(model, ids, threshold, alone):
    """Token by token; it leaves where the share of the loop, or of all loops so far, is above the threshold."""
    cache, depths, rows = Cache(), [], []
    for position, token in enumerate(ids):
        step = decoder.Step(np.array([token]), np.array([position]), cache)
        state, stays = model.enter(step), []
        for loop in range(model.default_loops):
            state = model.loop(state, state, loop, step)
            stays.append(1.0 - ops.sigmoid(model.gate(state))[0])
            if 1.0 - (stays[-1] if alone else np.prod(stays)) > threshold:
                break
        depths.append(loop + 1)
        rows.append(model.leave(state, step)[0])
    return depths, np.stack(rows)


def exits(model, ids, arrays, meaning):
    chosen = {}
    for rule, threshold, alone in (("threshold=0.6,of=loop", 0.6, True), ("threshold=0.8", 0.8, False)):
        depths, arrays["skipped." + rule] = skip(model, ids, threshold, alone)
        meaning["skipped." + rule] = f"[tokens, vocabulary] token by token under gate:{rule}"
        chosen[rule] = depths
    return {"gate_loops": chosen}


EXTRAS = (exits,)
MODEL = LoopUs
