"""Functions that take what another takes, and say so: to inspect, to help() and to type checkers."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def taking_what(
    pattern: Callable[_Arguments, Any],
) -> Callable[[Callable[..., _Result]], Callable[_Arguments, _Result]]:
    """The function is called with every argument of `pattern` by its name, those that were left out at their default."""
    signature = inspect.signature(pattern)

    def decorate(function: Callable[..., _Result]) -> Callable[_Arguments, _Result]:
        own = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
            try:
                bound = signature.bind(*args, **named)
            except TypeError as mistake:
                raise TypeError(f"{function.__name__}() {mistake}") from None
            bound.apply_defaults()
            return function(**bound.arguments)

        call.__signature__ = signature.replace(return_annotation=own.return_annotation)  # type: ignore[attr-defined]
        call.__annotations__ = {**pattern.__annotations__, "return": own.return_annotation}
        return call

    return decorate
