"""Signals, threads, and processes."""

import os
import signal
import threading
import unittest

import gyre
from support import SHAKESPEARE, ModelTest

FOR_EVER = {"loops": [1, 4000, 4000, 4000, 1]}


class Signals(ModelTest):
    def interrupted(self, call):
        """Ctrl-C while the call runs, which would go on for minutes."""
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with self.assertRaises(KeyboardInterrupt):
            call()
        timer.join()

    def test_ctrl_c_breaks_a_pass_off(self):
        text = self.model.text(**FOR_EVER)
        self.interrupted(lambda: text.append([1] * 200))
        self.assertEqual(len(text), 0)  # broken off, not finished
        self.interrupted(lambda: self.model.logits([1] * 200, **FOR_EVER))
        self.interrupted(lambda: self.model.score([([1] * 99, [[2] * 9])] * 3, **FOR_EVER))
        self.assertEqual(len(self.model.generate("ROMEO:", tokens=3).tokens), 3)

    def test_ctrl_c_ends_a_text(self):
        wanted = self.model.generate("R", tokens=5, exit=lambda step: step.loop == 4, **FOR_EVER).tokens
        for_ever = True

        def waits(step):
            return not for_ever and step.loop == 4

        stream = self.model.stream("R", tokens=5, exit=waits, **FOR_EVER)
        self.interrupted(lambda: next(stream))
        self.assertEqual(stream.result.tokens, [])
        for_ever = False
        self.assertEqual([token.token for token in stream], wanted)  # and goes on

    def test_a_handler_of_ones_own(self):
        class Alarm(Exception):
            pass

        def ring(number, frame):
            raise Alarm

        before = signal.signal(signal.SIGALRM, ring)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with self.assertRaises(Alarm):
                self.model.logits([1] * 200, **FOR_EVER)
            # One that does not raise lets the work go on.
            rung = []
            signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
            signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
            while not rung:
                self.model.logits([1] * 200, loops=[1, 50, 50, 50, 1])
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


class Threads(ModelTest):
    def test_the_lock_of_the_interpreter_is_free(self):
        counted = 0
        done = False

        def count():
            nonlocal counted
            while not done:
                counted += 1

        counter = threading.Thread(target=count)
        counter.start()
        # Between two statements the interpreter may switch, for 5 ms; a pass of a second lets the other count on.
        before = counted
        self.model.logits([1] * 200, loops=[1, 30, 30, 30, 1])
        after = counted
        done = True
        counter.join()
        self.assertGreater(after - before, 100_000)

    def test_threads_share_a_model(self):
        wanted = [self.model.generate("ROMEO:", tokens=12, seed=seed).text for seed in range(6)]
        got = [None] * 6
        failures = []

        def write(seed):
            try:
                got[seed] = self.model.generate("ROMEO:", tokens=12, seed=seed, exit=lambda step: False).text
            except BaseException as failure:
                failures.append(failure)

        threads = [threading.Thread(target=write, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((got, failures), (wanted, []))

    def test_closing_while_another_thread_works(self):
        model = gyre.load(SHAKESPEARE, threads=1)
        began = threading.Event()
        results = []

        def note(states, point):
            began.set()

        def work():
            with model.hook(0, note):
                results.append(len(model.generate("ROMEO:", tokens=20).tokens))

        thread = threading.Thread(target=work)
        thread.start()
        began.wait()
        model.close()
        thread.join()
        self.assertEqual(results, [20])  # what runs ends well; what comes later is refused
        self.refuses("the model is closed", model.generate, "a")


class Processes(ModelTest):
    def test_a_fork_is_told_to_load_its_own(self):
        self.model.generate("ROMEO:", tokens=1)
        child = os.fork()
        if child == 0:
            try:
                self.model.generate("ROMEO:", tokens=1)
            except gyre.Error as error:
                os._exit(7 if "forked" in str(error) else 1)
            os._exit(2)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 7)


if __name__ == "__main__":
    unittest.main()
