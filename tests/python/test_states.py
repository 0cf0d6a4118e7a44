"""Logits, states and hooks."""

import unittest

import numpy as np

import gyre
from support import MODELS, ModelTest, run_json

PROMPT = "ROMEO: I"


def log_softmax(logits):
    logits = logits.astype(np.float64)
    return (
        logits
        - np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1, keepdims=True))
        - logits.max(-1, keepdims=True)
    )


class Logits(ModelTest):
    def test_are_those_of_single_steps(self):
        ids = self.model.encode(PROMPT)
        for exit in (None, "accel:tau=0.3"):
            logits = self.model.logits(ids, exit=exit)
            self.assertEqual((logits.dtype, logits.shape), (np.float32, (len(ids), 65)))
            text = self.model.text(exit=exit)
            for row, token in zip(logits, ids):
                np.testing.assert_array_equal(text.append(token).logits, row)
        self.assertFalse(np.array_equal(self.model.logits(ids, loops=1), self.model.logits(ids)))

    def test_logprobs_are_of_what_follows(self):
        ids = self.model.encode(PROMPT)
        all_of_them = log_softmax(self.model.logits(ids))
        wanted = [all_of_them[t, ids[t + 1]] for t in range(len(ids) - 1)]
        np.testing.assert_allclose(self.model.logprobs(ids), wanted, atol=1e-5)

    def test_scores_sum_them_and_say_what_is_greedy(self):
        context = self.model.encode("ROMEO:")
        greedy = self.model.generate(context, tokens=3, temperature=0.0).tokens
        other = self.model.encode("xyz", begin=False)
        for exit in (None, "fixed:loops=2"):
            greedy = self.model.generate(
                context, tokens=3, temperature=0.0, exit=exit, exit_prompt="each" if exit else "last"
            ).tokens
            questions = [(context, [greedy, other, other[:1]]), (other, [context])]
            scores = self.model.score(questions, exit=exit)
            for (before, continuations), row in zip(questions, scores):
                for behind, (sum_, _) in zip(continuations, row):
                    logprobs = self.model.logprobs(before + behind, exit=exit)[len(before) - 1 :]
                    self.assertAlmostEqual(sum_, float(logprobs.astype(np.float64).sum()), places=5)
            self.assertEqual([greedy for _, greedy in scores[0]], [True, False, False])
        self.assertEqual(self.model.score([]), [])
        self.refuses("is empty; give at least one token each", self.model.score, [(context, [[]])])
        self.refuses("do not fit", self.model.score, [(context * 50, [other])])

    def test_the_lens_reads_states(self):
        trace = self.model.trace(PROMPT)
        logits = self.model.logits(PROMPT)
        np.testing.assert_array_equal(self.model.lens(trace.states("coda", 1)), logits)
        np.testing.assert_array_equal(trace.logits, logits[-1])
        self.refuses("an array of shape (n, 192) is wanted, not (3,)", self.model.lens, np.zeros(3, np.float32))
        self.refuses("floating-point numbers, not int64", self.model.lens, np.zeros((1, 192), np.int64))


class Traces(ModelTest):
    def test_every_group_and_loop(self):
        trace = self.model.trace(PROMPT)
        self.assertEqual(trace.states("loop b").shape, (5, 8, 192))
        self.assertEqual(list(trace), self.model.hook_points)
        self.assertEqual(trace.loops.tolist(), [[1, 4, 4, 4, 1]] * 8)
        # What leaves a group is what enters the next.
        np.testing.assert_array_equal(trace["blocks.1.loops.4.hook_resid_post"], trace["blocks.2.hook_resid_pre"])
        np.testing.assert_array_equal(trace["blocks.0.hook_resid_post"], trace.states(0, 1))
        self.assertTrue(all(np.isfinite(states).all() for states in trace.values()))

    def test_some_of_them(self):
        whole = self.model.trace(PROMPT)
        some = self.model.trace(PROMPT, groups=["loop b", 4], keep=[4, 1])
        self.assertEqual((some.kept("loop b"), some.kept("coda")), ([4, 1], [1]))
        np.testing.assert_array_equal(some.states("loop b", 4), whole.states(2, 4))
        np.testing.assert_array_equal(some.states("loop b"), whole.states(2)[[4, 1]])
        self.refuses("group prelude was not traced; there are 2 (loop b), 4 (coda)", some.states, "prelude")
        self.refuses("loop 2 of group 2 was not kept; there are [4, 1]", some.states, 2, 2)
        self.refuses("there is no group 'core'; there are prelude, loop a", self.model.trace, PROMPT, groups=["core"])
        self.refuses("no group runs a loop 9; there are 0 to 4", self.model.trace, PROMPT, keep=9)

    def test_loops_that_did_not_run_are_nan(self):
        trace = self.model.trace(PROMPT, exit="fixed:loops=2")
        self.assertTrue(np.isfinite(trace.states(1, 2)).all())
        self.assertTrue(np.isnan(trace.states(1, 3)).all())
        self.assertEqual(trace.loops[0].tolist(), [1, 2, 2, 2, 1])

    def test_views_are_read_only_and_nobody_copies(self):
        trace = self.model.trace(PROMPT)
        whole, one = trace.states("loop a"), trace.states("loop a", 3)
        self.assertTrue(np.shares_memory(whole, one))
        self.assertFalse(one.flags.writeable)
        with self.assertRaises(ValueError):
            one[0, 0] = 1
        kept = one.copy()
        del trace, whole
        np.testing.assert_array_equal(one, kept)  # the view holds the memory

    def test_dlpack(self):
        states = self.model.trace(PROMPT).states("loop a", 3)
        if tuple(map(int, np.__version__.split(".")[:2])) < (2, 1):
            self.skipTest("NumPy exports no read-only arrays before 2.1")
        again = np.from_dlpack(states)
        self.assertTrue(np.shares_memory(again, states))
        try:
            import torch
        except ImportError:
            return
        tensor = torch.from_dlpack(states)
        self.assertEqual(tensor.data_ptr(), states.__array_interface__["data"][0])


class Hooks(ModelTest):
    def test_read_what_a_trace_holds(self):
        seen = {}
        with self.model.hook("loop a", lambda states, point: seen.__setitem__(point.loop, states)):
            self.model.logits(PROMPT)
        trace = self.model.trace(PROMPT)
        self.assertEqual(sorted(seen), [0, 1, 2, 3, 4])
        for loop, states in seen.items():
            np.testing.assert_array_equal(states, trace.states("loop a", loop))
        seen.clear()
        self.model.logits(PROMPT)
        self.assertEqual(seen, {})

    def test_by_name_and_loop(self):
        points = []
        note = lambda states, point: points.append((point, states.shape))  # noqa: E731
        hooks = [
            self.model.hook("blocks.2.loops.3.hook_resid_post", note),
            self.model.hook("blocks.0.hook_resid_post", note),
            self.model.hook("blocks.1.hook_resid_pre", note),
            self.model.hook(3, note, loop=2),
        ]
        self.model.generate("ROMEO:", tokens=1)
        for hook in hooks:
            hook.remove()
            hook.remove()
        # The prompt but its last token, then that.
        self.assertEqual(
            [(p.group, p.loop, p.position, shape) for p, shape in points],
            [(g, k, p, (n, 192)) for p, n in ((0, 5), (5, 1)) for g, k in ((0, 1), (1, 0), (2, 3), (3, 2))],
        )

    def test_replace_states(self):
        source = self.model.trace("JULIET: O", groups=1, keep=2).states(1, 2)
        base = self.model.logits("ROMEO: AB")
        with self.model.hook(1, lambda states, point: source, loop=2):
            patched = self.model.trace("ROMEO: AB")
        np.testing.assert_array_equal(patched.states(1, 2), source)
        self.assertFalse(np.array_equal(patched.logits, base[-1]))
        with self.model.hook(1, lambda states, point: states.astype(np.float64), loop=2):
            np.testing.assert_array_equal(self.model.logits("ROMEO: AB"), base)
        with self.model.hook(1, lambda states, point: None):
            np.testing.assert_array_equal(self.model.logits("ROMEO: AB"), base)
        # What a hook writes into its copy goes nowhere.
        with self.model.hook(1, lambda states, point: states.fill(0)):
            np.testing.assert_array_equal(self.model.logits("ROMEO: AB"), base)

    def test_steer_what_is_written(self):
        rng = np.random.default_rng(1)
        push = rng.normal(size=192).astype(np.float32)
        plain = self.model.generate("ROMEO:", tokens=20)
        with self.model.hook("loop c", lambda states, point: states + 8 * push, loop=1):
            steered = self.model.generate("ROMEO:", tokens=20)
            self.assertEqual("".join(t.text for t in self.model.stream("ROMEO:", tokens=20)), steered.text)
            scored = self.model.score([(self.model.encode("ROMEO:"), [steered.tokens])])
        self.assertNotEqual(steered.text, plain.text)
        self.assertNotEqual(scored, self.model.score([(self.model.encode("ROMEO:"), [steered.tokens])]))
        self.assertEqual(self.model.generate("ROMEO:", tokens=20).text, plain.text)

    def test_wrong_states_are_named(self):
        where = "hook at group 1, loop 2: "
        cases = [
            (lambda s, p: s[:1], "an array of shape (6, 192) is wanted, not (1, 192)"),
            (lambda s, p: s.astype(np.int32), "states are floating-point numbers, not int32"),
            (lambda s, p: 3, "states are floating-point numbers, not int64"),
            (lambda s, p: "zero", "states are floating-point numbers, not <U4"),
            (lambda s, p: s * np.nan, "there are numbers that are not finite"),
        ]
        for function, words in cases:
            with self.model.hook(1, function, loop=2):
                self.refuses(where + words, self.model.logits, "ROMEO:")
        self.model.logits("ROMEO:")
        self.refuses("hook: int is no function", self.model.hook, 1, 3)
        self.refuses('"blocks.x" is no point', self.model.hook, "blocks.x", print)
        self.refuses("there is no group 9", self.model.hook, "blocks.9.hook_resid_pre", print)
        self.refuses("the group loops 4 times; name one", self.model.hook, "blocks.1.hook_resid_post", print)
        self.refuses("names a loop already", self.model.hook, "blocks.1.hook_resid_pre", print, loop=1)

    def test_an_exception_comes_through(self):
        class Enough(Exception):
            pass

        def angry(states, point):
            raise Enough("now")

        wanted = self.model.generate("ROMEO:", tokens=5).text
        stream = self.model.stream("ROMEO:", tokens=5)
        text = self.model.text()
        with self.model.hook(2, angry, loop=3):
            for call in (
                lambda: self.model.generate("ROMEO:", tokens=5),
                lambda: self.model.trace("ROMEO:"),
                lambda: self.model.score([([1, 2], [[3, 4]])]),
                lambda: text.append([1, 2]),
            ):
                with self.assertRaisesRegex(Enough, "now"):
                    call()
        self.assertEqual(len(text), 0)
        self.assertEqual(self.model.generate("ROMEO:", tokens=5).text, wanted)
        self.assertEqual("".join(token.text for token in stream), wanted)

    def test_a_hook_cannot_run_its_own_model(self):
        with self.model.hook(1, lambda states, point: self.model.logits("a")):
            self.refuses("a hook or an exit rule cannot run it; load the model a second time", self.model.logits, "b")
        self.model.logits("b")


class Texts(ModelTest):
    def test_fork_and_go_back(self):
        text = self.model.text(exit="fixed:loops=2", context=64)
        self.assertEqual((len(text), text.context, text.loops), (0, 64, (1, 4, 4, 4, 1)))
        text.append(self.model.encode("ROMEO"))
        fork = text.fork()
        step = text.append(10)
        self.assertEqual((step.loops, step.reasons[1]), ((1, 2, 2, 2, 1), "fixed"))
        np.testing.assert_array_equal(fork.append(10).logits, step.logits)
        text.truncate(5)
        self.assertEqual(len(text), 5)
        np.testing.assert_array_equal(text.append(10).logits, step.logits)
        self.assertGreater(text.nbytes, 0)
        self.refuses("the prompt is empty", text.append, [])


class Embeddings(unittest.TestCase):
    def test_are_those_of_the_program(self):
        import json
        import tempfile

        from support import SHAKESPEARE, run

        texts = ["To be, or not to be", "that is the question"]
        with tempfile.NamedTemporaryFile("w") as file, gyre.load(SHAKESPEARE, threads=1) as model:
            file.write("\n".join(texts) + "\n")
            file.flush()
            for flags, named in (
                ([], {}),
                (["--pooling", "last", "--no-normalize"], {"pooling": "last", "normalize": False}),
            ):
                status, out, err = run("embed", "-m", SHAKESPEARE, "--text", file.name, "--threads", 1, *flags)
                self.assertEqual(status, 0, err)
                told = [json.loads(line)["embedding"] for line in out.splitlines()]
                got = model.embed(texts, **named)
                np.testing.assert_allclose(got, told, rtol=1e-5, atol=1e-6)
                np.testing.assert_array_equal(model.embed(texts[1], **named)[0], got[1])
            self.assertEqual(model.embed([]).shape, (0, 192))
            with self.assertRaisesRegex(gyre.Error, "texts: number 1 is int, no text"):
                model.embed(["a", 3])
            with self.assertRaisesRegex(gyre.Error, "max_tokens: 999 is not within the 256 positions"):
                model.embed("a", max_tokens=999)


class Facts(ModelTest):
    def test_are_those_of_info(self):
        told = run_json("info", "-m", self.path, "--json")
        self.assertEqual(self.model.groups, ["prelude", "loop a", "loop b", "loop c", "coda"])
        self.assertEqual(self.model.loops, (1, 4, 4, 4, 1))
        self.assertEqual(self.model.spec["hidden_size"], self.model.hidden_size)
        self.assertEqual((self.model.vocabulary_size, self.model.context, self.model.family), (65, 256, "gyre"))
        self.assertIn(self.model.sha256, str(told))
        self.assertIn("shakespeare", repr(self.model))
        with gyre.load(MODELS / "arithmetic", threads=1) as other:
            self.assertNotEqual(other.sha256, self.model.sha256)


if __name__ == "__main__":
    unittest.main()
