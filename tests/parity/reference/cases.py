"""What is computed of each family and written down as expected."""

import numpy as np

from . import decoder, encoder
from .cache import Policy
from .weights import uniform

TOKENS = 14
LOOPS = (1, 2, 4, 16)
STATES = 6
CONTINUATION = 16
PROMPT = 5

POLICIES = {
    "latest": Policy("loop", 0, "latest"),
    "full": Policy("loop", 0, "full"),
    "last": Policy("loop", 0, "last"),
    "all_or_last": Policy("loop", 0, "all_or_last"),
    "ring_2": Policy("ring", 2),
    "ring_3": Policy("ring", 3),
    "run_2": Policy("run", 2),
    "anchor_2": Policy("anchor", 2),
}
DEPTHS = (4, 1, 3, 2, 6, 1, 2, 5, 1, 3, 4, 2, 6, 1)


def tokens_of(name, count, vocabulary):
    return [int(x) for x in uniform(f"{name}/tokens", count) * vocabulary]


def same(what, a, b):
    error = np.abs(a - b).max()
    if error > 1e-9:
        raise AssertionError(f"{what}: off by {error:.3g}")


def compute(family, config, tensors):
    """(facts, arrays): what goes to expected.json and to expected.safetensors."""
    if not hasattr(family, "MODEL"):  # no next token
        return encoder.compute(family, config, tensors, tokens_of(family.NAME, TOKENS, config["vocab_size"]))
    model = family.MODEL(config, tensors)
    ids = tokens_of(family.NAME, getattr(family, "TOKENS", TOKENS), config["vocab_size"])
    facts = {"family": family.NAME, "tokens": ids, "default_loops": model.default_loops}
    arrays, meaning = {}, {}
    loops = LOOPS if model.looped else (1,)
    for count in loops:
        name = f"logits.loops_{count}" if model.looped else "logits"
        result = decoder.prefill(model, ids, count)
        arrays[name] = result.logits
        meaning[name] = "[tokens, vocabulary]" + (f", every token after loop {count}" if model.looped else "")
        stepwise = decoder.decode(model, ids, [count] * len(ids))
        if model.varies:
            arrays[name + ".one_by_one"] = stepwise
            meaning[name + ".one_by_one"] = "the same token by token, keys staying as they were turned"
        else:
            same(f"{family.NAME}: all at once and token by token", result.logits, stepwise)
    if model.looped:
        arrays["states"] = result.states[:STATES]
        meaning["states"] = f"[loop, tokens, hidden] state after each of the first {STATES} loops, all tokens at once"
        facts["loops"] = list(loops)
    continuation, gap = decoder.greedy(model, ids, CONTINUATION, model.default_loops)
    facts |= {"greedy": continuation, "least_gap": gap}
    if model.looped:
        facts["exits"] = exits(model, ids, arrays, meaning)
    for extra in getattr(family, "EXTRAS", ()):
        facts |= extra(model, ids, arrays, meaning)
    facts["tensors"] = meaning
    return facts, arrays


def exits(model, ids, arrays, meaning):
    """Every token with its own number of loops, under every KV policy that the model allows."""
    most = max(model.default_loops, *DEPTHS)
    policies = {name: POLICIES[name] for name in model.policies or POLICIES}
    for name, policy in policies.items():
        arrays[f"exits.{name}"] = decoder.decode(model, ids, DEPTHS, policy)
        meaning[f"exits.{name}"] = "[tokens, vocabulary] token by token, depths as in exits.depths"
        after = decoder.decode(model, ids, DEPTHS, policy, PROMPT, most)
        arrays[f"prompt_exits.{name}"] = after
        meaning[f"prompt_exits.{name}"] = "the same after a prompt that went in at once, see exits.prompt"
    if "last" in policies:
        ring = decoder.decode(model, ids, DEPTHS, Policy("ring", 1), PROMPT, most)
        same("a ring of one is `last`", arrays["prompt_exits.last"], ring)
    return {
        "depths": list(DEPTHS),
        "prompt": {"tokens": PROMPT, "loops": most},
        "policies": {
            name: {"slots": policy.slots, "count": policy.count, "lookup": policy.lookup}
            for name, policy in policies.items()
        },
    }
