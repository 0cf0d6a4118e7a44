"""Hooks between loops, and the names of the places where they hang.

The state of every token as it enters group g is `blocks.g.hook_resid_pre`; after loop k of it it is
`blocks.g.loops.k.hook_resid_post`. Of a group that runs once the latter is `blocks.g.hook_resid_post` too, so that a
plain transformer, each layer of which is a group, has TransformerLens's names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from gyre._arrays import Floats, states_of
from gyre._gyre import Error

if TYPE_CHECKING:
    from gyre._model import Model


class Point(NamedTuple):
    """Where a hook is called: a group, by number, and the loops done in it (0: as tokens enter); the first position."""

    group: int
    loop: int
    position: int


HookFunction = Callable[[Floats, Point], Any]

_NAME = re.compile(r"blocks\.(\d+)\.(?:hook_resid_(pre|post)|loops\.(\d+)\.hook_resid_post)")


def names_of(loops: list[int]) -> list[str]:
    """The names of all points of a model with so many loops a group."""
    names = []
    for group, count in enumerate(loops):
        names.append(f"blocks.{group}.hook_resid_pre")
        if count == 1:
            names.append(f"blocks.{group}.hook_resid_post")
        names += [f"blocks.{group}.loops.{loop}.hook_resid_post" for loop in range(1, count + 1)]
    return names


def place_of(name: str, loops: list[int]) -> tuple[int, int]:
    """Group and loop of a name."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise Error(
            f'hook: "{name}" is no point; they are called blocks.G.hook_resid_pre and blocks.G.loops.K.hook_resid_post'
        )
    group = int(match[1])
    if group >= len(loops):
        raise Error(f"hook: {name}: there is no group {group}; the model has {len(loops)}, from 0")
    if match[2] == "pre":
        return group, 0
    if match[2] == "post":
        if loops[group] != 1:
            raise Error(
                f"hook: {name}: the group loops {loops[group]} times; name one, "
                f"as blocks.{group}.loops.1.hook_resid_post"
            )
        return group, 1
    return group, int(match[3])


class Hook:
    """A function that is called between loops, while this stands in a `with`, or until `remove`."""

    def __init__(self, model: Model, group: int, loop: int | None, function: HookFunction) -> None:
        self.group = group
        self.loop = loop
        self._model = model
        self._function = function

    def _called(self, states: Floats, group: int, loop: int, position: int) -> Floats | None:
        answer = self._function(states, Point(group, loop, position))
        if answer is None:
            return None
        return states_of(answer, f"hook at group {group}, loop {loop}", shape=states.shape)

    def remove(self) -> None:
        """It is called no more; nothing happens when it was removed before."""
        if self in self._model._hooks:
            self._model._hooks.remove(self)

    def __enter__(self) -> Hook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
