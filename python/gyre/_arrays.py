"""What comes from a caller, as the arrays that the compiled part takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gyre._gyre import Error

Tokens = Sequence[int] | npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int32]


def tokens_of(tokens: Any, name: str = "tokens") -> Integers:
    """Ids of tokens as int32 [n]."""
    if isinstance(tokens, (str, bytes)):
        raise Error(f"{name}: here ids of tokens are wanted, not text; model.encode makes them")
    try:
        array = np.asarray(tokens)
    except Exception as failure:
        raise Error(f"{name}: {type(tokens).__name__} is no list of token ids ({failure})") from None
    if array.size == 0:
        return np.zeros(0, np.int32)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise Error(f"{name}: a list of whole numbers is wanted, not {array.dtype} of shape {array.shape}")
    lowest, highest = int(array.min()), int(array.max())
    if lowest < 0 or highest > np.iinfo(np.int32).max:
        outside = lowest if lowest < 0 else highest
        raise Error(f"{name}: {outside} is the id of no token")
    return np.ascontiguousarray(array, dtype=np.int32)


def states_of(states: Any, what: str, shape: tuple[int, ...] | None = None, hidden: int = 0) -> Floats:
    """States as float32 [n, hidden], or of exactly `shape`."""
    try:
        array = np.asarray(states)
    except Exception as failure:
        raise Error(f"{what}: {type(states).__name__} is no array ({failure})") from None
    if array.dtype.kind != "f":
        raise Error(f"{what}: states are floating-point numbers, not {array.dtype}")
    if shape is not None and array.shape != shape:
        raise Error(f"{what}: an array of shape {shape} is wanted, not {array.shape}")
    if shape is None and (array.ndim != 2 or array.shape[0] == 0 or array.shape[1] != hidden):
        raise Error(f"{what}: an array of shape (n, {hidden}) is wanted, not {array.shape}")
    if not np.isfinite(array).all():
        raise Error(f"{what}: there are numbers that are not finite")
    return np.ascontiguousarray(array, dtype=np.float32)
