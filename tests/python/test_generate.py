"""Texts: those of the command line, token by token."""

import inspect
import pydoc
import shutil
import tempfile
import unittest
from pathlib import Path

import numpy as np

import gyre
from support import MODELS, SHAKESPEARE, ModelTest, run, run_json


class Generate(ModelTest):
    CASES = [
        {},
        {"exit": "accel:tau=0.2,form=relative", "seed": 7},
        {"exit": "any(step:tau=0.3;kl:tau=0.05):min=2", "temperature": 0.0},
        {"exit": "step:tau=0.3", "exit_prompt": "each"},
        {"loops": "2/3/1", "top_k": 5, "top_p": 0.9, "min_p": 0.01},
        {"loops": 6, "kv": "last", "kv_type": "bf16", "repetition_penalty": 1.2},
        {"draft": "loops=2,tokens=4", "temperature": 0.0},
        {"stop": ["\n", "and"], "seed": 3},
        {"first_state": "zero", "context": 40, "ignore_end": True},
    ]

    def test_writes_what_the_program_writes(self):
        for case in self.CASES:
            with self.subTest(case):
                flags = []
                for name, value in case.items():
                    if value is True:
                        flags.append(f"--{name.replace('_', '-')}")
                        continue
                    for one in value if isinstance(value, list) else [value]:
                        flags.append(f"--{name.replace('_', '-')}={one}")
                told = run_json(
                    "generate", "-m", SHAKESPEARE, "-p", "ROMEO:", "-n", 24, "--threads", 2, "--json", *flags
                )
                got = self.model.generate("ROMEO:", tokens=24, **case)
                tokens = told["tokens"]
                self.assertEqual(got.text, told["text"])
                self.assertEqual(got.stop_reason, told["stop_reason"])
                self.assertEqual([token["token"] for token in tokens], got.tokens[: len(tokens)])
                self.assertEqual(got.loops.tolist(), [token["group_loops"] for token in tokens])
                self.assertEqual([list(reasons) for reasons in got.reasons], [t["group_reasons"] for t in tokens])
                for key in ("model_sha256", "exit", "loops", "kv_policy", "kv_type", "seed", "threads", "isa"):
                    self.assertEqual(got.provenance[key], told[key])

    def test_a_stream_takes_what_a_text_takes_and_says_so(self):
        text, stream = inspect.signature(self.model.generate), inspect.signature(self.model.stream)
        self.assertEqual(stream.parameters, text.parameters)
        self.assertEqual(len(text.parameters), 23)
        self.assertEqual(text.parameters["temperature"].default, 0.8)
        self.assertIs(text.parameters["top_k"].kind, inspect.Parameter.KEYWORD_ONLY)
        self.assertEqual((text.return_annotation, stream.return_annotation), ("Generation", "Stream"))
        self.assertIn("a token at a time", inspect.getdoc(gyre.Model.stream))
        shown = pydoc.render_doc(gyre.Model.stream, renderer=pydoc.plaintext)
        self.assertRegex(shown, r"temperature: '?float'? = 0\.8")
        with self.assertRaisesRegex(TypeError, r"stream\(\) got an unexpected keyword argument 'colour'"):
            self.model.stream("To be", colour="red")
        with self.assertRaisesRegex(TypeError, r"stream\(\) missing a required argument: 'prompt'"):
            self.model.stream()
        for options in ({}, {"tokens": 5, "temperature": 0.0}, {"seed": 9, "top_k": 3, "stop": "e"}):
            with self.subTest(options):
                options = {"tokens": 12, **options}
                written = self.model.generate("To be", **options)
                streamed = [token.token for token in self.model.stream("To be", **options)]
                self.assertEqual(streamed, written.tokens[: len(streamed)])

    def test_logprobs_are_those_of_the_program(self):
        told = run_json(
            "generate", "-m", SHAKESPEARE, "-p", "To be", "-n", 6, "--threads", 2, "--json", "--logprobs", 2
        )["tokens"]
        got = self.model.generate("To be", tokens=6, logprobs=2)
        np.testing.assert_allclose(got.logprobs, [token["probabilities"]["logprob"] for token in told], rtol=1e-6)
        self.assertEqual(
            [[token for token, _ in row] for row in got.top_logprobs],
            [[one["token"] for one in token["probabilities"]["top_logprobs"]] for token in told],
        )
        self.assertIsNone(self.model.generate("To be", tokens=2).logprobs)

    def test_biases_tokens(self):
        forbidden = self.model.generate("ROMEO:", tokens=1, temperature=0.0).tokens[0]
        got = self.model.generate("ROMEO:", tokens=1, temperature=0.0, logit_bias={forbidden: -100.0})
        self.assertNotEqual(got.tokens[0], forbidden)

    def test_takes_tokens_and_arrays(self):
        wanted = self.model.generate("ROMEO:", tokens=8).tokens
        ids = self.model.encode("ROMEO:")
        for prompt in (ids, np.array(ids), np.array(ids, np.uint16), tuple(ids)):
            self.assertEqual(self.model.generate(prompt, tokens=8).tokens, wanted)

    def test_a_wavefront_of_positions(self):
        path = MODELS / "two-scale"
        told = run("generate", "-m", path, "-p", "ROMEO:", "-n", 6, "--diffuse", "inner=2", "--json")
        with gyre.load(path, threads=1) as model:
            if told[0] != 0:
                self.refuses(told[2].strip()[-30:], model.generate, "ROMEO:", tokens=6, diffuse="inner=2")
                return
            model.generate("ROMEO:", tokens=6, diffuse="inner=2")


class Streams(ModelTest):
    def test_gives_the_same_text_a_token_at_a_time(self):
        options = {"tokens": 30, "exit": "accel:tau=0.2", "logprobs": 1, "seed": 4}
        whole = self.model.generate("ROMEO:", **options)
        stream = self.model.stream("ROMEO:", **options)
        tokens = list(stream)
        self.assertEqual("".join(token.text for token in tokens), whole.text)
        self.assertEqual([token.token for token in tokens], whole.tokens)
        self.assertEqual([list(token.loops) for token in tokens], whole.loops.tolist())
        result = stream.result
        self.assertEqual((result.text, result.tokens, result.stop_reason), (whole.text, whole.tokens, "length"))
        np.testing.assert_array_equal(result.loops, whole.loops)
        np.testing.assert_array_equal(result.logprobs, whole.logprobs)
        self.assertEqual(result.provenance, whole.provenance)
        self.assertEqual(list(stream), [])

    def test_others_may_run_between_two_tokens(self):
        wanted = [self.model.generate("ROMEO:", tokens=10, seed=seed).text for seed in (1, 2)]
        streams = [self.model.stream("ROMEO:", tokens=10, seed=seed) for seed in (1, 2)]
        texts = ["", ""]
        for pair in zip(*streams):
            for place, token in enumerate(pair):
                texts[place] += token.text
            self.model.logprobs("To be")
        self.assertEqual(texts, wanted)

    def test_who_stops_asking_stops_the_text(self):
        stream = self.model.stream("ROMEO:", tokens=100)
        first = next(stream)
        self.assertEqual(stream.result.tokens, [first.token])
        self.assertEqual(stream.result.stop_reason, "interrupted")
        del stream
        self.model.generate("ROMEO:", tokens=2)

    def test_a_stop_text_is_not_given_away(self):
        whole = self.model.generate("ROMEO:", tokens=60, temperature=0.0).text
        stop = whole[10:13]
        text = "".join(token.text for token in self.model.stream("ROMEO:", tokens=60, temperature=0.0, stop=stop))
        self.assertEqual(text, whole[: whole.index(stop)])


class Mistakes(ModelTest):
    """One clear line, in the words of the program."""

    def test_words_are_those_of_the_program(self):
        cases = [
            ({"exit": "soon"}, ["--exit", "soon"]),
            ({"exit": "accel:tau=x"}, ["--exit", "accel:tau=x"]),
            ({"exit": "accel"}, ["--exit", "accel"]),
            ({"kv": "all"}, ["--kv", "all"]),
            ({"first_state": "one"}, ["--first-state", "one"]),
            ({"loops": "0"}, ["--loops", "0"]),
            ({"draft": "loops=99"}, ["--draft", "loops=99"]),
        ]
        for named, flags in cases:
            with self.subTest(named):
                status, _, err = run("generate", "-m", SHAKESPEARE, "-p", "a", *flags)
                self.assertEqual(status, 2)
                with self.assertRaises(gyre.Error) as caught:
                    self.model.generate("a", **named)
                told = err.strip().removeprefix("gyre: ").removesuffix("; see gyre generate --help")
                for name in ("kv", "first_state", "loops", "draft"):
                    told = told.replace("--" + name.replace("_", "-"), name)
                self.assertEqual(str(caught.exception), told)

    def test_paths(self):
        told = run("generate", "-m", "/no/such/model", "-p", "a")[2].strip().removeprefix("gyre: ")
        with self.assertRaises(gyre.Error) as caught:
            gyre.load("/no/such/model")
        self.assertEqual(str(caught.exception), told)
        self.refuses("path: float is no path", gyre.load, 1.5)
        self.refuses("weights", gyre.load, SHAKESPEARE, weights="f8")
        self.refuses("threads: -1 is no number", gyre.load, SHAKESPEARE, threads=-1)

    def test_values(self):
        cases = [
            ("tokens: this is no number of at least 1", {"tokens": 0}),
            ("tokens: 2.5 is not a whole number", {"tokens": 2.5}),
            ("tokens: True is not a whole number", {"tokens": True}),
            ("temperature: 'warm' is not a number", {"temperature": "warm"}),
            ("temperature", {"temperature": -1.0}),
            ("ignore_end: 1 is not True or False", {"ignore_end": 1}),
            ("seed: -1 is not a whole number", {"seed": -1}),
            ("logit_bias: there is no token 99", {"logit_bias": {99: 1.0}}),
            ("context: 999 is not within", {"context": 999}),
            ("loops: 2 counts for 5 groups", {"loops": [1, 2]}),
            ("stop: [3] is not a list", {"stop": [3]}),
        ]
        for words, named in cases:
            with self.subTest(named):
                self.refuses(words, self.model.generate, "a", **named)

    def test_prompts(self):
        self.refuses("prompt: there are no tokens", self.model.generate, "")
        self.refuses("prompt: there are no tokens", self.model.generate, [])
        self.refuses("prompt: 300 tokens are more than", self.model.generate, [1] * 300)
        self.refuses("token 99 is outside the vocabulary", self.model.generate, [1, 99, 2])
        self.refuses("prompt: -3 is the id of no token", self.model.generate, [1, -3])
        self.refuses("whole numbers is wanted, not float64", self.model.generate, [1.5])
        self.refuses("of shape (1, 2)", self.model.generate, [[1, 2]])
        self.refuses("lone surrogate", self.model.generate, "\ud800")
        self.refuses("é", self.model.generate, "é")  # which its vocabulary cannot spell
        self.refuses("tokens: 1 are too few", self.model.logprobs, [1])

    def test_use_after_close(self):
        model = gyre.load(SHAKESPEARE, threads=1)
        stream = model.stream("ROMEO:", tokens=5)
        next(stream)
        text = model.text()
        states = model.trace("ROMEO:").states("loop a", 2)
        kept = states.copy()
        model.close()
        model.close()
        self.assertTrue(model.closed)
        for call in (
            lambda: model.generate("a"),
            lambda: next(stream),
            lambda: text.append([1]),
            lambda: model.logits("a"),
            lambda: model.trace("a"),
            lambda: model.embed("a"),
            lambda: model.lens(states),
        ):
            self.refuses("the model is closed; load it again", call)
        del model, stream, text
        np.testing.assert_array_equal(states, kept)


class Chats(unittest.TestCase):
    def test_templates_are_those_of_the_model(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            shutil.copytree(SHAKESPEARE, path)
            (path / "chat_template.jinja").write_text(
                "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{{ mood }}me:"
            )
            talk = [{"role": "user", "content": "Who art thou?"}]
            with gyre.load(path, threads=1) as model:
                text = model.tokenizer.apply_chat_template(talk, tokenize=False, mood="O ")
                self.assertEqual(text, "user: Who art thou?\nO me:")
                ids = model.tokenizer.apply_chat_template(talk)
                self.assertEqual(model.decode(ids), "user: Who art thou?\nme:")
                self.assertEqual(model.generate(talk, tokens=9).text, model.generate(ids, tokens=9).text)
                with self.assertRaisesRegex(gyre.Error, "messages: Object of type object"):
                    model.tokenizer.apply_chat_template([{"role": object()}])
        with gyre.load(SHAKESPEARE, threads=1) as plain, self.assertRaisesRegex(gyre.Error, "chat template"):
            plain.generate(talk)


class Tokenizers(ModelTest):
    def test_texts_and_tokens(self):
        tokenizer = self.model.tokenizer
        ids = tokenizer.encode("To be")
        self.assertEqual(len(ids), 5)
        self.assertEqual(tokenizer.decode(ids), "To be")
        self.assertEqual(tokenizer.decode(ids[0]), "T")
        self.assertEqual(tokenizer.decode_bytes(np.array(ids)), b"To be")
        self.assertEqual(tokenizer.token(ids[1]), "o")
        self.assertEqual(len(tokenizer), 65)
        self.assertEqual(tokenizer.begin_tokens, [])
        self.refuses("there is no token 65", tokenizer.token, 65)
        self.refuses("text: int is no text", tokenizer.encode, 3)


if __name__ == "__main__":
    unittest.main()
