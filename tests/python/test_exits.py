"""Exit rules written in Python."""

import unittest

import numpy as np

import gyre
from support import ModelTest


class Acceleration(gyre.ExitRule):
    """What the library calls accel:tau=…,form=relative, over again."""

    def __init__(self, tau=0.2):
        self.tau = tau

    def leave(self, step):
        if step.loop < 2:
            return None
        return "acceleration" if step.acceleration < self.tau * step.state_norm else None


class Rules(ModelTest):
    def test_a_function(self):
        got = self.model.generate("ROMEO:", tokens=10, exit=lambda step: step.loop == 2)
        wanted = self.model.generate("ROMEO:", tokens=10, exit="fixed:loops=2")
        self.assertEqual(got.text, wanted.text)
        np.testing.assert_array_equal(got.loops, wanted.loops)
        self.assertEqual(got.reasons[0][1], "python:<lambda>")
        self.assertEqual(got.provenance["exit"], "python:<lambda>")

    def test_a_rule_of_the_library_over_again(self):
        for exit_prompt in ("last", "each"):
            named = {"tokens": 30, "exit_prompt": exit_prompt}
            got = self.model.generate("ROMEO:", exit=Acceleration, **named)
            wanted = self.model.generate("ROMEO:", exit="accel:tau=0.2,form=relative", **named)
            if not np.array_equal(got.loops, wanted.loops):
                self.fail(f"{got.loops.tolist()} {wanted.loops.tolist()}")
            self.assertEqual(got.text, wanted.text)
            self.assertEqual(got.reasons, wanted.reasons)
        self.assertGreater(len({tuple(row) for row in got.loops.tolist()}), 1)

    def test_what_it_reads(self):
        seen = []

        class Reader(gyre.ExitRule):
            reads = ("state", "lens")

            def leave(self, step):
                seen.append((step.group, step.loop, step.position, step.state, step.logits, step.step_norm))

        ids = self.model.encode("ROMEO")
        trace = self.model.trace(ids, exit=Reader())
        self.assertEqual([row[:3] for row in seen], [(g, k, p) for p in range(5) for g in (1, 2, 3) for k in (1, 2, 3)])
        for group, loop, position, state, logits, norm in seen:
            np.testing.assert_array_equal(state, trace.states(group, loop)[position])
            np.testing.assert_array_equal(logits, self.model.lens(state[None])[0])
            self.assertEqual(norm, 0)

    def test_norms_are_those_of_states(self):
        steps = []

        def note(step):
            if (step.group, step.position) == (2, 4):
                steps.append((step.state_norm, step.step_norm, step.acceleration, step.first_step_norm))

        trace = self.model.trace("ROMEO", exit=note)
        states = trace.states(2).astype(np.float64)[:, 4]
        moves = np.diff(states, axis=0)
        for k, (state, step, acceleration, first) in enumerate(steps, start=1):
            self.assertAlmostEqual(state, np.linalg.norm(states[k]), places=3)
            self.assertAlmostEqual(step, np.linalg.norm(moves[k - 1]), places=3)
            self.assertAlmostEqual(first, np.linalg.norm(moves[0]), places=3)
            if k > 1:
                self.assertAlmostEqual(acceleration, np.linalg.norm(moves[k - 1] - moves[k - 2]), places=3)
        self.assertEqual(len(steps), 3)

    def test_entering(self):
        entered = []

        class Enters(gyre.ExitRule):
            def enter(self, group, position):
                entered.append((group, position))

            def leave(self, step):
                return True

        self.model.generate("RO", tokens=2, exit=Enters)
        self.assertEqual(entered, [(g, p) for p in (1, 2) for g in (1, 2, 3)])

    def test_objects_and_classes(self):
        made = []

        class Counted(gyre.ExitRule):
            def __init__(self):
                made.append(self)

            def leave(self, step):
                return None

        self.model.generate("ROMEO:", tokens=2, exit=Counted)
        self.assertEqual(len(made), 1)
        made.clear()
        self.model.generate("ROMEO:", tokens=2, exit=Counted, exit_prompt="each")
        self.assertEqual(len(made), 1 + 6)
        made.clear()
        one = Counted()
        self.model.generate("ROMEO:", tokens=2, exit=one, exit_prompt="each")
        self.assertEqual(made, [one])

    def test_numpy_answers(self):
        got = self.model.generate("ROMEO:", tokens=3, exit=lambda step: np.float32(step.loop) == 2)
        self.assertEqual(got.loops[0].tolist(), [1, 2, 2, 2, 1])


class Mistakes(ModelTest):
    def test_nonsense_is_named(self):
        for answer, words in (
            (3.5, "it returned 3.5 (float); return None or False to go on, True or a word to leave"),
            (0, "it returned 0 (int)"),
            ("", "an empty word says nothing"),
            (np.zeros(2), "(ndarray)"),
        ):
            self.refuses(words, self.model.generate, "ROMEO:", exit=lambda step: answer)  # noqa: B023
        self.model.generate("ROMEO:", tokens=1)

    def test_what_is_no_rule(self):
        self.refuses("exit: int is no rule", self.model.generate, "a", exit=3)
        self.refuses("the class int is no gyre.ExitRule", self.model.generate, "a", exit=int)

        class Reads(gyre.ExitRule):
            reads = ("everything",)

        self.refuses('reads "everything", which there is not', self.model.generate, "a", exit=Reads)
        Reads.reads = ("lens", "coda")
        self.refuses("by lens or by coda", self.model.generate, "a", exit=Reads)
        Reads.reads = ("gate",)
        self.refuses("this model has no exit gate", self.model.generate, "a", exit=Reads)
        Reads.reads = ("norms",)
        with self.assertRaises(NotImplementedError):
            self.model.generate("a", exit=Reads)
        self.refuses("full depth verifies", self.model.generate, "a", exit=lambda s: True, draft="loops=2")

    def test_an_exception_comes_through(self):
        for failure in (ZeroDivisionError, KeyboardInterrupt, gyre.Error):

            def angry(step):
                raise failure("now")  # noqa: B023

            with self.assertRaisesRegex(failure, "now"):
                self.model.generate("ROMEO:", exit=angry)
        stream = self.model.stream("ROMEO:", tokens=4, exit=Sometimes())
        tokens = []
        while len(tokens) < 4:
            try:
                tokens.append(next(stream).token)
            except ValueError:
                continue
        self.assertEqual(tokens, self.model.generate("ROMEO:", tokens=4).tokens)

    def test_a_step_is_of_its_moment(self):
        kept = []

        class Keeps(gyre.ExitRule):
            reads = ("state",)

            def leave(self, step):
                kept.append(step)

        self.model.generate("ROMEO:", tokens=1, exit=Keeps)
        self.assertEqual(kept[0].loop, 1)
        self.refuses("can be read only while the rule is asked", lambda: kept[0].state)
        self.refuses("the rule does not read logits", self.model.generate, "a", exit=lambda step: step.logits)


class Sometimes(gyre.ExitRule):
    """Fails now and then, in the middle of a pass."""

    def __init__(self):
        self.asked = 0

    def leave(self, step):
        self.asked += 1
        if self.asked % 20 == 0:
            raise ValueError("now")


if __name__ == "__main__":
    unittest.main()
