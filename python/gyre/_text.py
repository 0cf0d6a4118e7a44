"""A running text, for programs that draw tokens themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gyre import _gyre
from gyre._arrays import Floats, Tokens, tokens_of


class Step(NamedTuple):
    """What came of the last token that was appended."""

    logits: Floats
    """float32 [vocabulary], of the token that follows"""
    loops: tuple[int, ...]
    """that it ran in each group"""
    reasons: tuple[str, ...]
    """why it left each"""


class Text:
    """A text with its keys and values: append tokens, look at logits, fork, cut back."""

    def __init__(self, text: _gyre.Text, hooks: Callable[[], _gyre.RunOptions]) -> None:
        self._text = text
        self._hooks = hooks

    def append(self, tokens: Tokens | int) -> Step:
        """Several tokens run at full depth, a single one as deep as the text's exit lets it. One that fails leaves the
        text as it was."""
        ids = tokens_of([tokens] if isinstance(tokens, int) else tokens)
        return Step(*self._text.append(ids, self._hooks()))

    def fork(self) -> Text:
        """Another that goes on from here; what both have is stored once."""
        return Text(self._text.fork(), self._hooks)

    def truncate(self, tokens: int) -> None:
        """Only the first `tokens` are left."""
        self._text.truncate(tokens)

    def __len__(self) -> int:
        return int(self._text.length)

    @property
    def context(self) -> int:
        """Positions there is room for."""
        return int(self._text.context)

    @property
    def loops(self) -> tuple[int, ...]:
        """The most of each group."""
        return self._text.loops

    @property
    def nbytes(self) -> int:
        """Of keys and values."""
        return int(self._text.bytes)
