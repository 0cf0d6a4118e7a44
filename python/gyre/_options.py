"""Options of the compiled part, from arguments."""

from __future__ import annotations

from typing import Any

from gyre._gyre import Error

_KINDS = {str: "a text", int: "a whole number", float: "a number", bool: "True or False", list: "a list"}


def fill(options: Any, values: dict[str, Any]) -> Any:
    """Sets fields; what does not fit is named."""
    for name, value in values.items():
        before = getattr(options, name)
        kind = type(before)
        # A truth value is no number, though Python takes it for one.
        if isinstance(value, bool) != (kind is bool):
            raise Error(f"{name}: {value!r} is not {_KINDS.get(kind, kind.__name__)}")
        try:
            setattr(options, name, value)
        except (TypeError, OverflowError, RuntimeError, ValueError):
            raise Error(f"{name}: {value!r} is not {_KINDS.get(kind, kind.__name__)}") from None
    return options
