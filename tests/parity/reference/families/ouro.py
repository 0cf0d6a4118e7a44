"""Ouro: all layers looped, a norm on what each branch gives, one after every loop, and a gate that reads that state."""

import numpy as np

from .. import decoder, ops
from ..cache import Cache
from . import llama

NAME = "ouro"


def config():
    return {
        "architectures": ["OuroForCausalLM"],
        "attention_dropout": 0.0,
        "auto_map": {
            "AutoConfig": "configuration_ouro.OuroConfig",
            "AutoModel": "modeling_ouro.OuroModel",
            "AutoModelForCausalLM": "modeling_ouro.OuroForCausalLM",
        },
        "bos_token_id": 0,
        "early_exit_threshold": 1.0,
        "eos_token_id": 0,
        "head_dim": 8,
        "hidden_act": "silu",
        "hidden_size": 24,
        "initializer_range": 0.02,
        "intermediate_size": 36,
        "layer_types": ["full_attention", "full_attention"],
        "max_position_embeddings": 65536,
        "max_window_layers": 2,
        "model_type": "ouro",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 1000000.0,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "total_ut_steps": 4,
        "transformers_version": "4.55.0",
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": 56,
    }


def shapes(c):
    hidden = c["hidden_size"]
    tensors = llama.shapes(c)
    for i in range(c["num_hidden_layers"]):
        p = f"model.layers.{i}."
        tensors |= {p + "input_layernorm_2.weight": (hidden,), p + "post_attention_layernorm_2.weight": (hidden,)}
    return tensors | {"model.early_exit_gate.weight": (1, hidden), "model.early_exit_gate.bias": (1,)}


SCALES = [("early_exit_gate.bias", -0.3, 0.0), ("early_exit_gate.weight", 0.0, 0.25)] + llama.SCALES


class Ouro(llama.Llama):
    looped = True

    def __init__(self, config, tensors):
        super().__init__(config, tensors)
        self.default_loops = config["total_ut_steps"]

    def layer(self, i, x, loop, step):
        p = f"model.layers.{i}."
        branch = self.attend(i, self.norm(p + "input_layernorm", x), loop, step)
        x = x + self.norm(p + "input_layernorm_2", branch)
        branch = self.feed(p + "mlp.", self.norm(p + "post_attention_layernorm", x))
        return x + self.norm(p + "post_attention_layernorm_2", branch)

    def loop(self, state, entered, loop, step):
        return self.norm("model.norm", super().loop(state, entered, loop, step))

    def gate(self, state):
        """Gate logits [..., tokens] of states [..., tokens, hidden]."""
        return self.linear("model.early_exit_gate", state)[..., 0]

    def leave(self, state, step):
        return self.head(state)


def exit_loops(gates, threshold):
    """Loops run by every token: the first t from 1 with 1 - prod_{j <= t}(1 - sigmoid(gate_j)) >= threshold, else all.

    gates [loops, tokens]. The last loop's gate does not count: what is left of the probability falls to it.
    """
    inside = 1.0 - np.cumprod(1.0 - ops.sigmoid(gates[:-1]), axis=0)
    reached = np.concatenate([inside, np.ones_like(inside[:1])]) >= threshold
    return reached.argmax(axis=0) + 1


def skip_by_gate(model, ids, threshold):
    """Token by token, leaving at the gate's loop without running the others; KV lookup `latest`."""
    cache, depths, rows = Cache(), [], []
    for position, token in enumerate(ids):
        step = decoder.Step(np.array([token]), np.array([position]), cache)
        state, gates = model.enter(step), []
        for loop in range(model.default_loops):
            state = model.loop(state, state, loop, step)
            gates.append(model.gate(state))
            inside = 1.0 - np.prod(1.0 - ops.sigmoid(np.array(gates)))
            if inside >= threshold:
                break
        depths.append(loop + 1)
        rows.append(model.leave(state, step)[0])
    return depths, np.stack(rows)


def expected_logits(model, states, gates):
    """sum_t p_t head(state_t), p_t the gate's probability that a token leaves after loop t.

    p_t = lambda_t prod_{j < t} (1 - lambda_j), lambda = sigmoid(gate); what is left falls to the last loop.
    """
    leaves = ops.sigmoid(gates[:-1])
    left = np.concatenate([np.ones_like(gates[:1]), np.cumprod(1.0 - leaves, axis=0)])
    shares = np.concatenate([left[:-1] * leaves, left[-1:]])
    return sum(share[:, None] * model.head(state) for share, state in zip(shares, states))


def gate_cases(model, ids, arrays, meaning):
    """The gate's logits, the loops it chooses, and the logits of a model that leaves there."""
    states = decoder.prefill(model, ids, model.default_loops).states
    gates = model.gate(states)
    arrays["gates"] = gates
    meaning["gates"] = "[loop, tokens] gate logits at default depth, all tokens at once"
    arrays["weighted"] = expected_logits(model, states, gates)
    meaning["weighted"] = "[tokens, vocabulary] expected logits over the loops at which the gate lets tokens leave"
    chosen = {}
    for threshold in (0.3, 0.5, 0.9):
        depths = exit_loops(gates, threshold)
        picked = states[depths - 1, np.arange(len(ids))]
        arrays[f"gathered.{threshold}"] = model.head(picked)
        meaning[f"gathered.{threshold}"] = "[tokens, vocabulary] all loops run by all, the head reads the chosen one"
        skipped, logits = skip_by_gate(model, ids, threshold)
        arrays[f"skipped.{threshold}"] = logits
        meaning[f"skipped.{threshold}"] = "[tokens, vocabulary] token by token, later loops not run, KV lookup latest"
        chosen[str(threshold)] = {"gathered": [int(d) for d in depths], "skipped": skipped}
    return {"gate_loops": chosen}


EXTRAS = (gate_cases,)
MODEL = Ouro
