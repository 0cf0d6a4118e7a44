"""Models of gyre for lm-evaluation-harness (github.com/EleutherAI/lm-evaluation-harness).

    python -m gyre.lm_eval run --model gyre --model_args path=models/shakespeare --tasks lambada_openai

is `lm_eval` with one more model; in a program of your own, `import gyre.lm_eval` registers it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import gyre
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model

# Tokens that run together: enough to fill the machine, few enough for their logits and keys.
_TOGETHER = 2048


@register_model("gyre")
class GyreLM(LM):  # type: ignore[misc]
    """model_args: path (or pretrained), and loops, exit, threads, weights, adapter, max_length, max_gen_toks.

    batch_size (--batch_size) is how many contexts run together, each with all that is asked behind it: they share
    passes over the weights, and results are the same to the bit whatever it is. "auto", or none, takes as many as hold
    2048 tokens.

    With an exit rule every token is a pass of its own, and obeys it. Texts are cut where lm-evaluation-harness cuts
    them: blanks that end a context go to the continuation, both become tokens together, and what is longer than the
    model's context (at most 4096, or max_length) loses its beginning.
    """

    def __init__(
        self,
        path: str = "",
        pretrained: str = "",
        loops: str | int | None = None,
        exit: str | None = None,
        threads: int = 0,
        weights: str = "",
        adapter: str = "",
        max_length: int = 0,
        max_gen_toks: int = 256,
        batch_size: Any = None,
        max_batch_size: Any = None,
        device: Any = None,
        **others: Any,
    ) -> None:
        super().__init__()
        if others:
            raise gyre.Error(f"model_args: there is no {', '.join(others)}; see gyre.lm_eval")
        self.model = gyre.load(path or pretrained, threads=int(threads), weights=weights, adapter=adapter)
        self._run: dict[str, Any] = {"loops": loops, "exit": exit}
        self.max_length = int(max_length) or min(self.model.context, 4096)
        self.max_gen_toks = int(max_gen_toks)
        self.batch_size = _batch_size(batch_size)

    @property
    def tokenizer_name(self) -> str:
        return str(self.model.path).replace("/", "__")

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        return self.model.tokenizer.apply_chat_template(
            chat_history, tokenize=False, add_generation_prompt=add_generation_prompt
        )

    def chat_template(self, chat_template: bool | str = False) -> str:
        return "" if not chat_template else "the model's own"

    # Tokens.

    @property
    def _first(self) -> list[int]:
        """What stands before a text that has nothing before it."""
        return self.model.tokenizer.begin_tokens or self.model.tokenizer.end_tokens[:1]

    def _pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        encode = self.model.encode
        if not context:
            first, behind = self._first, encode(continuation, begin=False)
            if not first:  # of a text without anything before it the first token is given
                first, behind = behind[:1], behind[1:]
            elif behind[:1] == first[-1:]:
                behind = behind[1:]
            return first, behind
        bare = context.rstrip()
        continuation, context = context[len(bare) :] + continuation, bare
        together = encode(context + continuation)
        before = encode(context) if context else self.model.tokenizer.begin_tokens
        return together[: len(before)], together[len(before) :]

    def _cut(self, before: list[int], behind: list[int]) -> tuple[list[int], list[int]]:
        """What fits into a window, the last of it."""
        if len(behind) > self.max_length:
            raise gyre.Error(f"lm_eval: a continuation of {len(behind)} tokens is longer than {self.max_length}")
        # The last token is asked about and need not run.
        return (before + behind)[-(self.max_length + 1) : len(before)], behind

    def _score(self, pairs: Sequence[tuple[list[int], list[int]]], progress: Any) -> list[tuple[float, bool]]:
        """Those of one context share it; the longest go first, so that what does not fit into memory says so soon."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for place, (before, _) in enumerate(pairs):
            groups.setdefault(tuple(before), []).append(place)
        result: list[tuple[float, bool]] = [(0.0, True)] * len(pairs)
        for some in _pieces(sorted(groups.items(), key=lambda one: -len(one[0])), self.batch_size):
            scores = self.model.score(
                [(list(before), [pairs[place][1] for place in places]) for before, places in some], **self._run
            )
            for (_, places), row in zip(some, scores):
                for place, score in zip(places, row):
                    result[place] = score
                    progress.update()
        return result

    # What the harness asks.

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        pairs = []
        for request in requests:
            before, behind = self._pair(*request.args)
            pairs.append(self._cut(before, behind) if behind else (before, behind))
        asked = [place for place, (_, behind) in enumerate(pairs) if behind]
        result: list[tuple[float, bool]] = [(0.0, True)] * len(pairs)  # nothing is certain to follow
        with _progress(len(asked), "loglikelihood", disable_tqdm) as progress:
            scores = self._score([pairs[place] for place in asked], progress)
        for place, score in zip(asked, scores):
            result[place] = score
        for request, score in zip(requests, result):
            self.cache_hook.add_partial("loglikelihood", request.args, score)
        return result

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """Whole texts, in windows that follow one another: every token is asked about once."""
        pairs, owners = [], []
        for place, request in enumerate(requests):
            for window in self._windows(self.model.encode(request.args[0], begin=False)):
                pairs.append(window)
                owners.append(place)
        result = [0.0] * len(requests)
        with _progress(len(pairs), "loglikelihood_rolling", disable_tqdm) as progress:
            for place, (sum_, _) in zip(owners, self._score(pairs, progress)):
                result[place] += sum_
        for request, sum_ in zip(requests, result):
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, sum_)
        return result

    def _windows(self, tokens: list[int]) -> Iterator[tuple[list[int], list[int]]]:
        first = self._first or tokens[:1]
        if not self._first:
            tokens = tokens[1:]
        most = self.max_length
        for begin in range(0, len(tokens), most):
            behind = tokens[begin : begin + most]
            # Of the last window as much stands before as fits.
            before = (first + tokens[:begin])[-(most + 1 - len(behind)) :] if begin else first[-1:]
            yield before, behind

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        texts = []
        with _progress(len(requests), "generate_until", disable_tqdm) as progress:
            for request in requests:
                context, settings = request.args
                texts.append(self._generate(context, dict(settings)))
                self.cache_hook.add_partial("generate_until", request.args, texts[-1])
                progress.update()
        return texts

    def _generate(self, context: str, settings: dict[str, Any]) -> str:
        until = settings.get("until") or []
        stop = [one for one in ([until] if isinstance(until, str) else until) if one]
        most = int(settings.get("max_gen_toks", settings.get("max_new_tokens", self.max_gen_toks)))
        sampled = bool(settings.get("do_sample", float(settings.get("temperature") or 0.0) > 0))
        temperature = float(settings.get("temperature") or 1.0) if sampled else 0.0
        room = max(1, self.max_length - most)
        ids = (self.model.encode(context) or self._first)[-room:]
        return self.model.generate(
            ids,
            tokens=most,
            temperature=temperature,
            top_p=float(settings.get("top_p", 1.0)) if sampled else 1.0,
            top_k=int(settings.get("top_k", 0)) if sampled else 0,
            stop=stop,
            exit_prompt="each" if self._run["exit"] else "last",
            context=min(self.model.context, len(ids) + most),
            **self._run,
        ).text


def _batch_size(given: Any) -> int | None:
    """None: by their tokens."""
    if given is None or (isinstance(given, str) and given.split(":")[0] == "auto"):
        return None
    try:
        size = int(given)
    except (TypeError, ValueError):
        size = 0
    if size < 1:
        raise gyre.Error(f'batch_size: {given!r} is neither "auto" nor a number of at least 1')
    return size


def _pieces(
    groups: Iterable[tuple[tuple[int, ...], list[int]]], most: int | None
) -> Iterator[list[tuple[tuple[int, ...], list[int]]]]:
    """Contexts that run together: so many, or as many as hold so many tokens."""
    some: list[tuple[tuple[int, ...], list[int]]] = []
    tokens = 0
    for before, places in groups:
        full = tokens + len(before) > _TOGETHER if most is None else len(some) == most
        if some and full:
            yield some
            some, tokens = [], 0
        some.append((before, places))
        tokens += len(before) + 16 * len(places)
    if some:
        yield some


def _progress(count: int, name: str, disabled: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=count, desc=name, disable=disabled)
