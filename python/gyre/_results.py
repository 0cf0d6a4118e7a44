"""What comes of a text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gyre._arrays import Floats, Integers
from gyre._gyre import Error


@dataclass(frozen=True)
class Generation:
    """A text that was written. T tokens, G groups of layers."""

    text: str
    """Without the prompt."""
    tokens: list[int]
    """Ids of its tokens. A token that ended it is none of them."""
    loops: Integers = field(repr=False)
    """int32 [T, G]: the loops that each token's pass ran in each group."""
    reasons: list[tuple[str, ...]] = field(repr=False)
    """[T][G]: why that pass left each group: the rule's word, "end" after the last loop, empty where it runs once."""
    logprobs: Floats | None = field(repr=False)
    """float32 [T]: natural log-probabilities before sampling; None unless they were asked for."""
    top_logprobs: list[list[tuple[int, float]]] = field(repr=False)
    """[T][n]: the likeliest tokens as (id, logprob), if they were asked for."""
    milliseconds: npt.NDArray[np.float64] = field(repr=False)
    """float64 [T]: of each token's pass."""
    stop_reason: str
    """length, context, stop_text or end_token."""
    prefill_milliseconds: float = field(repr=False)
    decode_milliseconds: float = field(repr=False)
    prompt_loops: Integers | None = field(repr=False)
    """int32 [tokens of the prompt but the last, G], where they had exits."""
    _provenance: str = field(repr=False)

    @property
    def provenance(self) -> dict[str, Any]:
        """What the result depends on: model, types, loops, exit, KV policy, seed, threads, instruction set."""
        result: dict[str, Any] = json.loads(self._provenance)
        return result

    def __str__(self) -> str:
        return self.text


class Trace(Mapping[str, Floats]):
    """The states of a text, loop by loop. T tokens, H numbers a state.

    The arrays are views of the memory that the engine's states were written to: read-only, not copied, alive as long as
    one of them is, and ready for `torch.from_dlpack`. As a mapping it goes by the names of hook points. A loop that a
    token did not run is NaN.
    """

    def __init__(
        self,
        groups: list[int],
        names: list[str],
        kept: list[list[int]],
        states: list[Floats],
        loops: Integers,
        logits: Floats,
        tokens: Integers,
    ) -> None:
        self.tokens = tokens
        """int32 [T]"""
        self.loops = loops
        """int32 [T, groups of the model]: that each token ran"""
        self.logits = logits
        """float32 [vocabulary]: behind the last token"""
        self._names = names
        self._kept = dict(zip(groups, kept))
        self._states = dict(zip(groups, states))

    def _number(self, group: int | str) -> int:
        number = self._names.index(group) if isinstance(group, str) and group in self._names else group
        if number not in self._states:
            there = ", ".join(f"{one} ({self._names[one]})" for one in self._states)
            raise Error(f"trace: group {group} was not traced; there are {there}")
        return int(number)

    def states(self, group: int | str, loop: int | None = None) -> Floats:
        """float32 [T, H] after loop `loop` of a group (0: as tokens enter it), by number or name; without a loop all
        that were kept, [loops kept, T, H]."""
        number = self._number(group)
        if loop is None:
            return self._states[number]
        if loop not in self._kept[number]:
            raise Error(f"trace: loop {loop} of group {group} was not kept; there are {self._kept[number]}")
        states: Floats = self._states[number][self._kept[number].index(loop)]
        return states

    def kept(self, group: int | str) -> list[int]:
        """The loops of a group that were kept, in the order of `states(group)`."""
        return list(self._kept[self._number(group)])

    def _points(self) -> dict[str, tuple[int, int]]:
        points = {}
        for group, loops in self._kept.items():
            for loop in loops:
                if loop == 0:
                    points[f"blocks.{group}.hook_resid_pre"] = (group, 0)
                    continue
                if int(self.loops[:, group].max()) == 1:
                    points[f"blocks.{group}.hook_resid_post"] = (group, 1)
                points[f"blocks.{group}.loops.{loop}.hook_resid_post"] = (group, loop)
        return points

    def __getitem__(self, name: str) -> Floats:
        group, loop = self._points()[name]
        return self.states(group, loop)

    def __iter__(self) -> Iterator[str]:
        return iter(self._points())

    def __len__(self) -> int:
        return len(self._points())
