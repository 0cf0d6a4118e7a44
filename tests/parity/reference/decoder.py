"""Running a family's model: a prompt at once, token by token, with a number of loops for every token, greedily."""

from dataclasses import dataclass

import numpy as np

from .cache import Cache, PER_LOOP


@dataclass
class Step:
    """The tokens of one pass and where they stand: what every layer needs besides its input."""

    ids: np.ndarray
    positions: np.ndarray
    cache: Cache


class Model:
    """What a family supplies. All states are [tokens, hidden]."""

    looped = False
    policies = ()  # names of KV policies; none: it allows all
    default_loops = 1
    varies = False  # whether the same token is another one in a longer sequence

    def starts_anew(self, length):
        """Whether `greedy` forgets its cache, and runs everything again, when the sequence has come to this length."""
        return False

    def enter(self, step):
        """Embedding and everything before the loops."""
        raise NotImplementedError

    def first_state(self, entered):
        return entered

    def loop(self, state, entered, loop, step):
        """One loop, counted from 0; includes whatever stands between loops."""
        raise NotImplementedError

    def shown(self, state):
        """The part of a state that is handed on, where it has others."""
        return state

    def leave(self, state, step):
        """Everything after the loops: logits [tokens, vocabulary]."""
        raise NotImplementedError


@dataclass
class Pass:
    logits: np.ndarray
    states: np.ndarray  # [loops, tokens, hidden]


def run(model, ids, start, loops, cache):
    """One pass over `ids` at positions start, start + 1, ..., all with the same number of loops."""
    step = Step(np.asarray(ids), np.arange(start, start + len(ids)), cache)
    entered = model.enter(step)
    state, states = model.first_state(entered), []
    for loop in range(loops):
        state = model.loop(state, entered, loop, step)
        states.append(model.shown(state))
    return Pass(model.leave(state, step), np.stack(states))


def prefill(model, ids, loops):
    return run(model, ids, 0, loops, Cache())


def decode(model, ids, depths, policy=PER_LOOP, prompt=0, prompt_loops=0):
    """Logits [tokens, vocabulary] with depths[i] loops for token i, one token at a time.

    The first `prompt` tokens go in at once with `prompt_loops` loops each, and their depths are not asked.
    """
    cache, rows = Cache(policy), []
    if prompt:
        rows.extend(run(model, ids[:prompt], 0, prompt_loops, cache).logits)
    for position in range(prompt, len(ids)):
        rows.append(run(model, ids[position : position + 1], position, depths[position], cache).logits[0])
    return np.stack(rows)


def greedy(model, prompt, count, loops):
    """`count` tokens after the prompt and the least gap between the best and the second-best logit on the way."""
    cache, tokens, gap = Cache(), list(prompt), np.inf
    logits = run(model, prompt, 0, loops, cache).logits[-1]
    for _ in range(count):
        second, best = np.sort(logits)[-2:]
        gap = min(gap, best - second)
        tokens.append(int(np.argmax(logits)))
        if model.starts_anew(len(tokens)):
            cache = Cache()
            logits = run(model, tokens, 0, loops, cache).logits[-1]
        else:
            logits = run(model, tokens[-1:], len(tokens) - 1, loops, cache).logits[0]
    return tokens[len(prompt) :], float(gap)
