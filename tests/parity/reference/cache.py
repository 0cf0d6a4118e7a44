"""Keys and values of looped models, and what a token reads of an earlier one that ran fewer or more loops.

A layer of a looped part writes one key and one value per token and loop. A `Policy` says two things.

Slots: where loop t (from 0) is written. A slot holds one entry per token; a later write replaces an earlier one.

    loop        slot t                        every loop keeps its own
    ring K      slot t mod K                  the last K loops of every token survive
    run K       slot t div K                  of every K loops in a row the last one survives
    anchor A    slot t if t < A, else A       the first A loops keep their own, all later ones share one

Lookup: which slot of an earlier (or the same) token is read by a token at loop t. Let s be the slot of t.

    latest      the largest slot <= s that the earlier token has written
    full        s; a token that never wrote it is not there for this loop
    last        the largest slot it has written at all, also one deeper than t
    all_or_last s where every token so far has written s, else `last` for every one of them

`latest` reads s itself wherever it is there, so "the exact one where it is there, else the latest" (Huginn's
`available-m4`) is the same lookup. Under a ring, slot s holds whatever loop was written there last: a token at loop 0
may read loop 4 of its neighbour from a ring of 4. One token at a time, a ring of 1 and loop + last read the same.

The definitions follow HuginnDynamicCache of seal-rg/recurrent-pretraining, with its step index, 2 + layers * t + layer
in the recurrent block, taken apart into loop and layer: `latest-m4` is loop + latest; `latest-m4-compress-sN` is
ring N / layers + latest; `compress-anchor` is anchor 8; `always-last-m4` is loop + all_or_last, since that cache
returns the exact entries before it asks for the strategy when none is missing. Its `compress-rN` divides the step
index, so that for N >= 2 different layers of the block share a slot; `run` divides the loop, keeps layers apart, and is
not that.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Policy:
    slots: str = "loop"  # loop, ring, run or anchor
    count: int = 0       # K or A; unused for loop
    lookup: str = "latest"

    def slot(self, loop):
        if self.slots == "loop":
            return loop
        if self.slots == "ring":
            return loop % self.count
        if self.slots == "run":
            return loop // self.count
        if self.slots == "anchor":
            return min(loop, self.count)
        raise ValueError(f"unknown slots {self.slots!r}")


PER_LOOP = Policy()


class Cache:
    def __init__(self, policy=PER_LOOP):
        self.policy = policy
        self.layers = {}  # layer name -> list over positions of {slot: (key, value)}

    def first_loop(self, layer, positions):
        """Keys and values of the first loop up to these tokens; no later loop may have its slot."""
        entries = [entry[self.policy.slot(0)] for entry in self.layers[layer][: int(positions[-1]) + 1]]
        return np.stack([key for key, _ in entries]), np.stack([value for _, value in entries])

    def exchange(self, layer, loop, positions, keys, values):
        """Writes keys, values [tokens, kv_heads, size] of one loop; returns what these tokens read, [known, ...]."""
        entries = self.layers.setdefault(layer, [])
        slot = self.policy.slot(loop)
        for position, key, value in zip(positions, keys, values):
            while len(entries) <= position:
                entries.append({})
            entries[position][slot] = (key, value)
        known = entries[: int(positions[-1]) + 1]
        lookup = self.policy.lookup
        if lookup == "full":
            known, lookup = [entry for entry in known if slot in entry], "latest"
        if lookup == "all_or_last":
            lookup = "latest" if all(slot in entry for entry in known) else "last"
        read = [entry[max(entry) if lookup == "last" else max(s for s in entry if s <= slot)] for entry in known]
        return np.stack([key for key, _ in read]), np.stack([value for _, value in read])
