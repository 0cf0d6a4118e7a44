"""Between texts and tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

from gyre import _gyre
from gyre._arrays import Tokens, tokens_of
from gyre._gyre import Error

Message = Mapping[str, Any]


def _json_of(value: Any, name: str) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError) as failure:
        raise Error(f"{name}: {failure}") from None


class Tokenizer:
    """The tokenizer of a model, and its chat template."""

    def __init__(self, opened: _gyre.Opened) -> None:
        self._opened = opened

    def encode(self, text: str, begin: bool = True) -> list[int]:
        """The tokens of a text; with `begin`, behind those that begin every text of this model (BOS where it has
        one)."""
        if not isinstance(text, str):
            raise Error(f"text: {type(text).__name__} is no text")
        try:
            text.encode()
        except UnicodeEncodeError as failure:
            raise Error(f"text: character {failure.start} is no character (a lone surrogate)") from None
        return list(self._opened.encode(text) if begin else self._opened.encode_further(text))

    def decode(self, tokens: Tokens | int) -> str:
        """The text of tokens; bytes that are no character become U+FFFD."""
        return self._opened.decode(tokens_of([tokens] if isinstance(tokens, int) else tokens)).decode(
            "utf-8", "replace"
        )

    def decode_bytes(self, tokens: Tokens) -> bytes:
        """The same as bytes."""
        return self._opened.decode(tokens_of(tokens))

    def token(self, id: int) -> str:
        """A token as the vocabulary spells it."""
        return self._opened.token_name(id)

    @overload
    def apply_chat_template(
        self,
        messages: Sequence[Message] | Message,
        *,
        tokenize: Literal[True] = True,
        tools: Any = None,
        documents: Any = None,
        **arguments: Any,
    ) -> list[int]: ...
    @overload
    def apply_chat_template(
        self,
        messages: Sequence[Message] | Message,
        *,
        tokenize: Literal[False],
        tools: Any = None,
        documents: Any = None,
        **arguments: Any,
    ) -> str: ...
    def apply_chat_template(
        self,
        messages: Sequence[Message] | Message,
        *,
        tokenize: bool = True,
        tools: Any = None,
        documents: Any = None,
        **arguments: Any,
    ) -> list[int] | str:
        """A conversation, a list of {"role", "content"}, as the model's own template writes it, up to where an answer
        begins: its tokens, or with `tokenize=False` its text. Further arguments are variables of the template."""
        talk: dict[str, Any] = dict(messages) if isinstance(messages, Mapping) else {"messages": list(messages)}
        if tools is not None:
            talk["tools"] = tools
        if documents is not None:
            talk["documents"] = documents
        conversation, variables = _json_of(talk, "messages"), _json_of(arguments, "arguments")
        if tokenize:
            return list(self._opened.encode_chat(conversation, variables))
        return self._opened.render_chat(conversation, variables)

    @property
    def begin_tokens(self) -> list[int]:
        """Those that begin every text."""
        return list(self._opened.encode(""))

    @property
    def end_tokens(self) -> list[int]:
        """A generated text ends before any of these."""
        return list(self._opened.end_tokens)

    def __len__(self) -> int:
        return int(self._opened.vocabulary_size)
