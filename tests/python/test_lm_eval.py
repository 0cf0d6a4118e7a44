"""The model for lm-evaluation-harness, held against `gyre eval --task`, which counts as the harness does.

What its evaluator wants of a model is a class with three methods, called here with as much of the harness as they need.
The harness itself runs in a process of its own, where scripts/setup installed it.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
import types
import unittest
from pathlib import Path
from types import SimpleNamespace

import gyre
from support import SHAKESPEARE, ModelTest, run_json

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lm_eval_tasks import NAMES, OFFLINE, check_samples, write_tasks  # noqa: E402

WORDS = [
    "To be, or not to be, that is the question",
    "Friends, Romans, countrymen, lend me your ears",
    "My kingdom for a horse",
    "All the world is a stage, and all the men and women merely players",
]


def stand_in():
    """As much of the harness as the class needs, where it is not installed."""
    try:
        import lm_eval.api.model  # noqa: F401

        return {}
    except ImportError:
        pass

    class LM:
        def __init__(self):
            self.cache_hook = SimpleNamespace(add_partial=lambda *arguments: None)

    registered = {}

    def register_model(name):
        return lambda kind: registered.setdefault(name, kind)

    class Progress:
        def __init__(self, *arguments, **named):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *failure):
            return None

        def update(self):
            pass

    for name in ("lm_eval", "lm_eval.api", "lm_eval.api.model", "lm_eval.api.registry", "tqdm"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["lm_eval.api.model"].LM = LM
    sys.modules["lm_eval.api.registry"].register_model = register_model
    sys.modules["tqdm"].tqdm = Progress
    return registered


REGISTERED = stand_in()
import gyre.lm_eval  # noqa: E402


def requests(*arguments):
    return [SimpleNamespace(args=one) for one in arguments]


INSTALLED = Path(os.environ["GYRE_ROOT"]) / "build/tools/lm_eval"


class WholeHarness(unittest.TestCase):
    @unittest.skipUnless((INSTALLED / "lm_eval").exists(), "no lm_eval in build/tools; scripts/setup test brings it")
    def test_counts_what_gyre_eval_counts(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            data = write_tasks(folder)
            command = [sys.executable, "-m", "gyre.lm_eval", "run", "--model", "gyre", "--tasks", *NAMES]
            command += ["--model_args", f"path={SHAKESPEARE}", "threads=2", "--include_path", name]
            command += ["--output_path", str(folder / "out"), "--log_samples"]
            environment = {**os.environ, **OFFLINE, "HF_HOME": str(folder / "hf"), "PYTHONPATH": str(INSTALLED)}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
            self.assertEqual(done.returncode, 0, done.stderr[-2000:])
            samples = {}
            for task in NAMES:
                (file,) = (folder / "out").rglob(f"samples_{task}_*.jsonl")
                lines = [json.loads(line) for line in file.read_text().splitlines()]
                samples[task] = sorted(lines, key=lambda sample: sample["doc_id"])
            check_samples(samples, SHAKESPEARE, data)


class Harness(ModelTest):
    def setUp(self):
        self.lm = gyre.lm_eval.GyreLM(path=str(SHAKESPEARE), threads=2)

    def test_is_registered(self):
        if REGISTERED:
            self.assertIs(REGISTERED["gyre"], gyre.lm_eval.GyreLM)
        with self.assertRaisesRegex(gyre.Error, "model_args: there is no colour"):
            gyre.lm_eval.GyreLM(path=str(SHAKESPEARE), colour="red")

    def test_log_likelihoods_are_those_of_gyre_eval(self):
        pairs = [(text[: text.rindex(" ")], text[text.rindex(" ") :]) for text in WORDS]
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            file.writelines(json.dumps({"text": text}) + "\n" for text in WORDS)
            file.flush()
            for rule in (None, "accel:tau=0.3,form=absolute"):
                told = run_json(
                    "eval",
                    "-m",
                    SHAKESPEARE,
                    "--task",
                    f"lambada:{file.name}",
                    "--threads",
                    2,
                    "--json",
                    "--items",
                    *([] if rule is None else ["--exit", rule]),
                )
                items = find(told, "item_results")
                wanted = [item["log_likelihood"] for item in items]
                lm = gyre.lm_eval.GyreLM(path=str(SHAKESPEARE), threads=2, exit=rule)
                got = lm.loglikelihood(requests(*pairs), disable_tqdm=True)
                for want, (sum_, _) in zip(wanted, got):
                    self.assertAlmostEqual(sum_, want, places=5)

    def test_contexts_and_continuations(self):
        encode = self.model.encode
        self.assertEqual(self.lm._pair("To be ", "or"), (encode("To be"), encode(" or")))
        self.assertEqual(self.lm._pair("", "or"), (encode("o"), encode("r")))
        self.assertEqual(self.lm.loglikelihood(requests(("To", "")), disable_tqdm=True), [(0.0, True)])
        long = "To be or not " * 40
        ((sum_, _),) = self.lm.loglikelihood(requests((long, "to be")), disable_tqdm=True)
        window = encode(long.rstrip() + " to be")[-257:]
        self.assertAlmostEqual(sum_, float(self.model.logprobs(window)[-6:].sum()), places=4)
        with self.assertRaisesRegex(gyre.Error, "a continuation of 520 tokens is longer than 256"):
            self.lm.loglikelihood(requests(("a", long)), disable_tqdm=True)

    def test_results_are_the_same_however_many_run_together(self):
        asked = []
        for text in WORDS:
            words = text.split(" ")
            for place in range(1, len(words)):
                context = " ".join(words[:place])
                asked += [(context, " " + words[place]), (context, " sword")]
        calls = []

        def counted(model):
            score = model.score
            model.score = lambda questions, **run: calls.append(len(questions)) or score(questions, **run)

        results = {}
        for size in (1, 5, "auto", None):
            lm = gyre.lm_eval.GyreLM(path=str(SHAKESPEARE), threads=2, batch_size=size)
            counted(lm.model)
            calls.clear()
            results[size] = lm.loglikelihood(requests(*asked), disable_tqdm=True)
            contexts = len({context for context, _ in asked})
            self.assertEqual(sum(calls), contexts)
            self.assertEqual(max(calls), {1: 1, 5: 5}.get(size, contexts))
        for size in (5, "auto", None):
            # To the bit: a float that is printed whole is the float.
            self.assertEqual(repr(results[size]), repr(results[1]), size)
        self.assertEqual(len(results[1]), len(asked))

    def test_batch_sizes(self):
        for size in (0, -1, "many", [2]):
            with self.assertRaisesRegex(gyre.Error, "batch_size: .* is neither"):
                gyre.lm_eval.GyreLM(path=str(SHAKESPEARE), batch_size=size)
        self.assertEqual(gyre.lm_eval.GyreLM(path=str(SHAKESPEARE), batch_size="4").batch_size, 4)
        self.assertIsNone(gyre.lm_eval.GyreLM(path=str(SHAKESPEARE), batch_size="auto:4").batch_size)

    def test_whole_texts_in_windows(self):
        text = WORDS[3]
        short = gyre.lm_eval.GyreLM(path=str(SHAKESPEARE), threads=2, max_length=10)
        ids = self.model.encode(text)
        sum_ = 0.0
        # This model has nothing that begins a text, so its first token is given.
        for begin in range(1, len(ids), 10):
            end = min(begin + 10, len(ids))
            window = ids[max(0, end - 11) : end]
            sum_ += float(self.model.logprobs(window)[-(end - begin) :].sum())
        (got,) = short.loglikelihood_rolling(requests((text,)), disable_tqdm=True)
        self.assertAlmostEqual(got, sum_, places=4)
        (whole,) = self.lm.loglikelihood_rolling(requests((text,)), disable_tqdm=True)
        self.assertAlmostEqual(whole, float(self.model.logprobs(ids).sum()), places=4)
        self.assertTrue(math.isfinite(got))

    def test_texts(self):
        settings = {"until": ["\n"], "max_gen_toks": 20, "do_sample": False}
        got = self.lm.generate_until(requests(("ROMEO:\nI", settings), ("To be", settings)), disable_tqdm=True)
        for prompt, text in zip(("ROMEO:\nI", "To be"), got):
            self.assertEqual(text, self.model.generate(prompt, tokens=20, temperature=0.0, stop="\n").text)
        # Under an exit rule every token of a prompt obeys it too.
        named = {"tokens": 20, "temperature": 0.0, "exit": "fixed:loops=1"}
        early = gyre.lm_eval.GyreLM(path=str(SHAKESPEARE), threads=2, exit="fixed:loops=1")
        (got,) = early.generate_until(requests((WORDS[3], {"max_gen_toks": 20})), disable_tqdm=True)
        self.assertEqual(got, self.model.generate(WORDS[3], exit_prompt="each", **named).text)
        self.assertNotEqual(got, self.model.generate(WORDS[3], **named).text)


def find(tree, key):
    """The first value of a key, wherever it is."""
    if isinstance(tree, dict):
        if key in tree:
            return tree[key]
        tree = list(tree.values())
    if isinstance(tree, list):
        for one in tree:
            found = find(one, key)
            if found is not None:
                return found
    return None


if __name__ == "__main__":
    unittest.main()
