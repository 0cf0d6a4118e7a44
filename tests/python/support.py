"""What the tests share: the models that ship, and the program they are held against."""

import json
import os
import subprocess
import unittest
from pathlib import Path

import gyre

MODELS = Path(os.environ["GYRE_MODELS"])
BINARY = os.environ["GYRE_BINARY"]
SHAKESPEARE = MODELS / "shakespeare"


def run(*arguments, stdin=None):
    """What the program prints on standard output, and on standard error, as text."""
    done = subprocess.run(
        [BINARY, *map(str, arguments)], capture_output=True, text=True, input=stdin, timeout=300, check=False
    )
    return done.returncode, done.stdout, done.stderr


def run_json(*arguments):
    status, out, err = run(*arguments)
    assert status == 0, err
    return json.loads(out)


class ModelTest(unittest.TestCase):
    """Tests of one model that is opened once."""

    path = SHAKESPEARE

    @classmethod
    def setUpClass(cls):
        cls.model = gyre.load(cls.path, threads=2)

    @classmethod
    def tearDownClass(cls):
        cls.model.close()

    def refuses(self, words, call, *arguments, **named):
        """The call ends with one line that has these words, and the model still runs."""
        with self.assertRaises(gyre.Error) as caught:
            call(*arguments, **named)
        message = str(caught.exception)
        self.assertIn(words, message)
        self.assertNotIn("\n", message)
        return message
