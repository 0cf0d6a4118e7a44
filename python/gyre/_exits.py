"""Exit rules: by the text that the command line takes, or written in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from gyre import _gyre
from gyre._gyre import Error, ExitStep

Answer = bool | str | None


class ExitRule:
    """Decides after each loop of a looped group, but its last, whether a token leaves the group.

    Derive from it and write `leave`; what it looks at stands in `reads`, a tuple of:

    - "norms": norms of states and steps, and the acceleration (the default)
    - "state": the state itself, `step.state`
    - "gate": the model's exit gate, `step.gate`
    - "lens" or "coda": `step.logits`, read off the state by the head at once, or by every later group and the head

    Nothing else is computed. Given as a class (`exit=MyRule`), every text has an object of its own, and so has every
    token of a prompt under `exit_prompt="each"`; given as an object, they share it.
    """

    reads: ClassVar[tuple[str, ...]] = ("norms",)

    def enter(self, group: int, position: int) -> None:
        """A token enters a looped group."""

    def leave(self, step: ExitStep) -> Answer:
        """True, or a word that says why, to leave now; None or False to go on."""
        raise NotImplementedError


class _Function(ExitRule):
    """A rule of one function."""

    def __init__(self, function: Callable[[ExitStep], Answer]) -> None:
        self._function = function

    def leave(self, step: ExitStep) -> Answer:
        return self._function(step)


Exit = str | type[ExitRule] | ExitRule | Callable[[ExitStep], Answer] | None

_READS = ("norms", "state", "gate", "lens", "coda")


def _name_of(rule: Any) -> str:
    return str(getattr(rule, "__name__", None) or type(rule).__name__)


def set_exit(run: _gyre.RunOptions, sequence: _gyre.SequenceOptions, rule: Exit) -> None:
    """Puts a rule into options."""
    if rule is None:
        sequence.exit = "fixed"
        return
    if isinstance(rule, str):
        sequence.exit = rule
        return
    make: Callable[[], ExitRule]
    reads: Any = getattr(rule, "reads", ("norms",))
    if isinstance(rule, ExitRule):
        made = rule
        make = lambda: made  # noqa: E731
    elif isinstance(rule, type):
        if not issubclass(rule, ExitRule):
            raise Error(f"exit: the class {rule.__name__} is no gyre.ExitRule; derive from it")
        make = rule
    elif callable(rule):
        function = rule
        make = lambda: _Function(function)  # noqa: E731
    else:
        raise Error(f"exit: {type(rule).__name__} is no rule; give its text, a gyre.ExitRule or a function")
    name = f"python:{_name_of(rule)}"
    if isinstance(reads, str):
        reads = (reads,)
    for one in reads:
        if one not in _READS:
            raise Error(f'exit {name}: reads "{one}", which there is not; it may read {", ".join(_READS)}')
    if "lens" in reads and "coda" in reads:
        raise Error(f"exit {name}: logits are read by lens or by coda; name one of them")
    logits = "lens" if "lens" in reads else "coda" if "coda" in reads else ""
    run.set_rule(name, norms="norms" in reads, state="state" in reads, gate="gate" in reads, logits=logits, make=make)
