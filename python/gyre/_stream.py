"""A text while it is being written."""

from __future__ import annotations

from gyre import _gyre
from gyre._results import Generation


class Stream:
    """An iterator over the tokens of a text: each is computed when it is asked for, and comes as soon as its text is
    sure not to be part of a stop text. Between two of them the model may do other work. Who stops asking has stopped
    the text."""

    def __init__(self, stream: _gyre.Stream, groups: int) -> None:
        self._stream = stream
        self._groups = groups
        self._tokens: list[_gyre.Token] = []

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> _gyre.Token:
        token = self._stream.next()
        if token is None:
            raise StopIteration
        self._tokens.append(token)
        return token

    @property
    def result(self) -> Generation:
        """What the text has come to so far; one that goes on is "interrupted"."""
        return generation_of(self._stream.result(), self._tokens, self._groups, self._stream.provenance())


def generation_of(result: _gyre.Generation, tokens: list[_gyre.Token], groups: int, provenance: str) -> Generation:
    """The same form that `Model.generate` gives."""
    import numpy as np

    logprobs = [token.logprob for token in tokens]
    return Generation(
        text=result.text,
        tokens=list(result.tokens),
        loops=np.array([token.loops for token in tokens], np.int32).reshape(len(tokens), groups),
        reasons=[token.reasons for token in tokens],
        logprobs=None if not tokens or None in logprobs else np.array(logprobs, np.float32),
        top_logprobs=[token.top_logprobs for token in tokens],
        milliseconds=np.array([token.milliseconds for token in tokens], np.float64),
        stop_reason=result.stop_reason,
        prefill_milliseconds=result.prefill_milliseconds,
        decode_milliseconds=result.decode_milliseconds,
        prompt_loops=np.array(result.prompt_loops, np.int32) if result.prompt_loops else None,
        _provenance=provenance,
    )
