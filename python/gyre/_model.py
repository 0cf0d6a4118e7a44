"""A model: opened once, and everything that can be done with it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from gyre import _gyre
from gyre._arrays import Floats, Integers, Tokens, states_of, tokens_of
from gyre._exits import Exit, set_exit
from gyre._gyre import Error
from gyre._hooks import Hook, HookFunction, names_of, place_of
from gyre._options import fill
from gyre._results import Generation, Trace
from gyre._signature import taking_what
from gyre._stream import Stream
from gyre._text import Text
from gyre._tokenizer import Message, Tokenizer

Prompt = str | Tokens | Sequence[Message]
Loops = int | str | Sequence[int] | None


def load(
    path: str | os.PathLike[str],
    *,
    threads: int = 0,
    weights: str = "",
    adapter: str | os.PathLike[str] = "",
    loop: str = "",
    damping: float = 1.0,
) -> Model:
    """Opens a model folder or a GGUF file.

    threads: 0 takes as many processors as this process may use.
    weights: rounds matrices at load to f32, bf16, q8_0, q4_0, q4_1, q4_k, q5_k, q6_k or ternary; "" leaves them as
        they are stored.
    adapter: folder of a LoRA adapter in PEFT's layout, run beside the weights.
    loop, damping: layers of a plain model that loop, as in "10-13x4".
    """
    return Model(path, threads=threads, weights=weights, adapter=adapter, loop=loop, damping=damping)


class Model:
    """A model and the threads that run it. `load` makes one.

    Threads of Python may share it: one runs at a time, the others wait, and the interpreter's lock is free meanwhile. A
    second copy of the model computes beside the first.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        threads: int = 0,
        weights: str = "",
        adapter: str | os.PathLike[str] = "",
        loop: str = "",
        damping: float = 1.0,
    ) -> None:
        values = {"weights": weights, "adapter": os.fspath(adapter), "loop": loop, "damping": damping}
        options = fill(_gyre.OpenOptions(), values)
        if isinstance(threads, bool) or not isinstance(threads, int) or not 0 <= threads <= 4096:
            raise Error(f"threads: {threads!r} is no number from 0 (all that this process may use) to 4096")
        try:
            name = os.fspath(path)
        except TypeError:
            raise Error(f"path: {type(path).__name__} is no path of a model folder or GGUF file") from None
        if isinstance(name, bytes):
            name = os.fsdecode(name)
        self.path: str = name
        self._opened = _gyre.Opened(self.path, options, threads)
        self._hooks: list[Hook] = []
        self.spec: dict[str, Any] = json.loads(self._opened.spec_json)
        """The description, as in gyre's config.json."""
        self.tokenizer = Tokenizer(self._opened)

    # What it is.

    @property
    def sha256(self) -> str:
        """Digest of the weights."""
        return str(self._opened.digest)

    @property
    def family(self) -> str:
        return str(self._opened.family)

    @property
    def notes(self) -> list[str]:
        """Where it gives another result than its authors' program."""
        return list(self._opened.notes)

    @property
    def vocabulary_size(self) -> int:
        return int(self._opened.vocabulary_size)

    @property
    def hidden_size(self) -> int:
        return int(self._opened.hidden_size)

    @property
    def context(self) -> int:
        """The most positions of a text."""
        return int(self._opened.context)

    @property
    def groups(self) -> list[str]:
        """Names of the groups of layers, in order. A plain transformer has one a layer."""
        return [group.get("name") or str(number) for number, group in enumerate(self.spec["groups"])]

    @property
    def loops(self) -> tuple[int, ...]:
        """The loops of each group unless told otherwise."""
        return tuple(self._opened.default_loops)

    @property
    def hook_points(self) -> list[str]:
        """Names of all places where states can be read and replaced, at the model's own loops."""
        return names_of(list(self.loops))

    def __repr__(self) -> str:
        return f"<gyre.Model {self.path}: {self.family}, groups {self.groups}, loops {list(self.loops)}>"

    # Its life.

    def close(self) -> None:
        """Gives its memory back once no text or stream of it is left; arrays that came of it stay."""
        self._opened.close()

    @property
    def closed(self) -> bool:
        return bool(self._opened.closed)

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Texts and tokens.

    def encode(self, text: str, begin: bool = True) -> list[int]:
        """As `tokenizer.encode`."""
        return self.tokenizer.encode(text, begin)

    def decode(self, tokens: Tokens | int) -> str:
        """As `tokenizer.decode`."""
        return self.tokenizer.decode(tokens)

    def _prompt(self, prompt: Prompt, name: str = "prompt") -> Integers:
        if isinstance(prompt, str):
            return tokens_of(self.encode(prompt), name)
        if isinstance(prompt, Sequence) and len(prompt) > 0 and isinstance(prompt[0], Mapping):
            return tokens_of(self.tokenizer.apply_chat_template(prompt), name)  # type: ignore[arg-type]
        return tokens_of(prompt, name)

    # How it runs.

    def _group(self, group: int | str) -> int:
        names = self.groups
        if isinstance(group, str) and group in names:
            return names.index(group)
        if isinstance(group, (int, np.integer)) and not isinstance(group, bool) and 0 <= group < len(names):
            return int(group)
        raise Error(f"group: there is no group {group!r}; there are {', '.join(names)}, or 0 to {len(names) - 1}")

    def _loops(self, loops: Loops) -> list[int]:
        if loops is None:
            return []
        if isinstance(loops, (int, np.integer)) and not isinstance(loops, bool):
            loops = str(int(loops))
        if isinstance(loops, str):
            return list(self._opened.loops(loops))
        return [int(count) for count in tokens_of(loops, "loops")]

    def _run(self, loops: Loops, exit: Exit, **values: Any) -> _gyre.RunOptions:
        run = _gyre.RunOptions()
        sequence = fill(_gyre.SequenceOptions(), values)
        sequence.loops = self._loops(loops)
        set_exit(run, sequence, exit)
        run.sequence = sequence
        self._add_hooks(run)
        return run

    def _add_hooks(self, run: _gyre.RunOptions) -> None:
        for hook in self._hooks:
            run.add_hook(hook.group, -1 if hook.loop is None else hook.loop, hook._called)

    def _hooked(self) -> _gyre.RunOptions:
        run = _gyre.RunOptions()
        self._add_hooks(run)
        return run

    def _drawing(self, values: dict[str, Any]) -> tuple[_gyre.RunOptions, _gyre.GenerateOptions]:
        bias = values.pop("logit_bias")
        logprobs = values.pop("logprobs")
        stop = values.pop("stop")
        run = self._run(
            values.pop("loops"),
            values.pop("exit"),
            **{
                name: values.pop(name)
                for name in ("context", "kv", "kv_type", "first_state", "test_noise", "whole_prompt", "diffuse")
            },
        )
        options = fill(_gyre.GenerateOptions(), values)
        sequence = run.sequence
        sequence.seed = options.seed
        run.sequence = sequence
        if isinstance(stop, str):
            stop = [stop]
        fill(options, {"stop": list(stop)})
        if logprobs is not None:
            fill(options, {"logprobs": logprobs})
        if bias:
            fill(options, {"logit_bias": list(bias.items())})
        return run, options

    # What it does.

    def generate(
        self,
        prompt: Prompt,
        *,
        tokens: int = 100,
        loops: Loops = None,
        exit: Exit = None,
        exit_prompt: str = "last",
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        logit_bias: Mapping[int, float] | None = None,
        seed: int = 1,
        stop: str | Sequence[str] = (),
        ignore_end: bool = False,
        logprobs: int | None = None,
        draft: str = "",
        diffuse: str = "",
        context: int = 0,
        kv: str = "latest",
        kv_type: str = "f32",
        first_state: str = "noise",
        test_noise: str = "",
        whole_prompt: bool = False,
    ) -> Generation:
        """Writes a text; what `gyre generate` writes with flags of the same names, seed by seed.

        prompt: a text, token ids, or a conversation (a list of {"role", "content"}), for which the model's chat
            template is run.
        tokens: the most to write.
        loops: the most loops, of every looped group, or a count for each; None is the model's own.
        exit: a rule as `--exit` takes it ("accel:tau=0.2"), or written in Python (see gyre.ExitRule); None is full
            depth.
        logprobs: 0 or more gives every token's log-probability, and those of so many of the likeliest.
        """
        values = {name: value for name, value in locals().items() if name not in ("self", "prompt")}
        ids = self._prompt(prompt)
        run, options = self._drawing(values)
        written = _gyre.generate(self._opened, ids, run, options)
        result = written.generation
        return Generation(
            text=result.text,
            tokens=list(result.tokens),
            loops=written.loops,
            reasons=written.reasons,
            logprobs=written.logprobs if logprobs is not None else None,
            top_logprobs=written.top_logprobs,
            milliseconds=written.milliseconds,
            stop_reason=result.stop_reason,
            prefill_milliseconds=result.prefill_milliseconds,
            decode_milliseconds=result.decode_milliseconds,
            prompt_loops=np.array(result.prompt_loops, np.int32) if result.prompt_loops else None,
            _provenance=written.provenance,
        )

    @taking_what(generate)
    def stream(self, prompt: Prompt, **options: Any) -> Stream:
        """The same text, a token at a time:

        for token in model.stream("ROMEO:"):
            print(token.text, end="", flush=True)

        It takes what `generate` takes.
        """
        ids = self._prompt(prompt)
        run, drawing = self._drawing(options)
        return Stream(_gyre.Stream(self._opened, ids, run, drawing), len(self.spec["groups"]))

    def logits(self, tokens: Prompt, *, loops: Loops = None, exit: Exit = None, seed: int = 1) -> Floats:
        """float32 [T, vocabulary]: row t is what the model says of the token behind the first t + 1. Under an exit
        every token is a pass of its own."""
        ids = self._prompt(tokens, "tokens")
        return _gyre.logits(self._opened, ids, self._run(loops, exit, seed=seed))[0]

    def logprobs(self, tokens: Prompt, *, loops: Loops = None, exit: Exit = None, seed: int = 1) -> Floats:
        """float32 [T - 1]: natural log-probabilities of every token but the first, given those before it."""
        ids = self._prompt(tokens, "tokens")
        return _gyre.logprobs(self._opened, ids, self._run(loops, exit, seed=seed))[0]

    def score(
        self,
        questions: Sequence[tuple[Tokens, Sequence[Tokens]]],
        *,
        loops: Loops = None,
        exit: Exit = None,
        seed: int = 1,
    ) -> list[list[tuple[float, bool]]]:
        """Of contexts and what may stand behind each: the log-likelihood of every continuation, and whether greedy
        decoding would write it. All run together: what is long is best given in pieces."""
        wanted = []
        for context, continuations in questions:
            one = (tokens_of(context, "context"), [tokens_of(ids, "continuation") for ids in continuations])
            if one[0].size == 0 or any(ids.size == 0 for ids in one[1]):
                raise Error("questions: a context or a continuation is empty; give at least one token each")
            wanted.append((one[0].tolist(), [ids.tolist() for ids in one[1]]))
        if not wanted:
            return []
        return _gyre.scores(self._opened, wanted, self._run(loops, exit, seed=seed))

    def trace(
        self,
        tokens: Prompt,
        *,
        groups: Sequence[int | str] | int | str | None = None,
        keep: Sequence[int] | int | None = None,
        loops: Loops = None,
        exit: Exit = None,
        seed: int = 1,
    ) -> Trace:
        """The states of a text, read-only and without a copy.

        groups: which, by number or name; None is all.
        keep: which loops of them, 0 being the state as it enters; None is all.
        """
        ids = self._prompt(tokens, "tokens")
        most = self._loops(loops) or list(self.loops)
        if groups is None:
            groups = range(len(most))
        elif isinstance(groups, (int, str)):
            groups = [groups]
        numbers = list(dict.fromkeys(self._group(group) for group in groups))
        if isinstance(keep, int):
            keep = [keep]
        kept = []
        for group in numbers:
            all_loops = range(most[group] + 1)
            if keep is None:
                kept.append(list(all_loops))
                continue
            for loop in keep:
                if loop not in range(max(most) + 1):
                    raise Error(f"keep: no group runs a loop {loop}; there are 0 to {max(most)}")
            kept.append([loop for loop in keep if loop in all_loops])
        run = self._run(loops, exit, seed=seed)
        states, depths, logits = _gyre.trace(self._opened, ids, list(zip(numbers, kept)), run)
        return Trace(numbers, self.groups, kept, states, depths, logits, ids)

    def hook(self, point: str | int, function: HookFunction, *, loop: int | None = None) -> Hook:
        """From now on `function(states, point)` is called between loops, by whatever this model runs: with a copy of
        the states, float32 [n, hidden], of n neighbouring positions, and where that is (`point.group`, `point.loop`,
        `point.position` of the first). It returns None, or an array of that form that takes their place:

            with model.hook("loop a", lambda states, point: states + steering, loop=2):
                model.generate("ROMEO:")

        point: one of `hook_points`, or a group by number or name; then `loop` says after which (0: as tokens enter),
            None after every loop.
        """
        if not callable(function):
            raise Error(f"hook: {type(function).__name__} is no function")
        if isinstance(point, str) and point.startswith("blocks.") and point not in self.groups:
            if loop is not None:
                raise Error(f"hook: {point} names a loop already; leave out loop")
            group, loop = place_of(point, list(self.loops))
        else:
            group = self._group(point)
        if loop is not None and (isinstance(loop, bool) or not isinstance(loop, int) or loop < 0):
            raise Error(f"loop: {loop!r} is no number of at least 0")
        hook = Hook(self, group, loop, function)
        self._hooks.append(hook)
        return hook

    def text(
        self,
        *,
        loops: Loops = None,
        exit: Exit = None,
        context: int = 0,
        kv: str = "latest",
        kv_type: str = "f32",
        first_state: str = "noise",
        seed: int = 1,
    ) -> Text:
        """An empty text to append tokens to."""
        run = self._run(loops, exit, context=context, kv=kv, kv_type=kv_type, first_state=first_state, seed=seed)
        return Text(_gyre.Text(self._opened, run), self._hooked)

    def lens(self, states: Any) -> Floats:
        """The logit lens: float32 [n, vocabulary] of states [n, hidden], by the final norm and the head."""
        return _gyre.lens(self._opened, states_of(states, "states", hidden=self.hidden_size))

    def embed(
        self,
        texts: str | Sequence[str],
        *,
        pooling: str = "",
        normalize: bool | None = None,
        max_tokens: int = 0,
    ) -> Floats:
        """float32 [texts, hidden], as `gyre embed` makes them. One text is a list of one.

        pooling: mean, cls or last; "" is as the model's own files say.
        normalize: whether vectors have length one; None is as they say.
        """
        if isinstance(texts, str):
            texts = [texts]
        texts = list(texts)
        if not texts:
            return np.zeros((0, self.hidden_size), np.float32)
        for place, text in enumerate(texts):
            if not isinstance(text, str):
                raise Error(f"texts: number {place} is {type(text).__name__}, no text")
        return _gyre.embed(self._opened, texts, pooling, normalize, max_tokens)
