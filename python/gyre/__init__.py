"""Runs and studies recurrent-depth (looped) transformers on CPUs.

    import gyre
    model = gyre.load("models/shakespeare")
    print(model.generate("ROMEO:", exit="accel:tau=0.2,form=relative").text)

What goes wrong is a `gyre.Error`, whose text is the one line that the command line would print.
"""

from importlib.metadata import version as _version

from gyre._exits import ExitRule
from gyre._gyre import Error, ExitStep, Token, require_exact_arithmetic
from gyre._hooks import Hook
from gyre._model import Model, load
from gyre._results import Generation, Trace
from gyre._stream import Stream
from gyre._text import Step, Text
from gyre._tokenizer import Tokenizer

__version__ = _version("gyre")

# As their users know them.
for _one in (Error, ExitRule, ExitStep, Generation, Hook, Model, Step, Stream, Text, Token, Tokenizer, Trace):
    _one.__module__ = "gyre"

__all__ = [
    "Error",
    "ExitRule",
    "ExitStep",
    "Generation",
    "Hook",
    "Model",
    "Step",
    "Stream",
    "Text",
    "Token",
    "Tokenizer",
    "Trace",
    "load",
    "require_exact_arithmetic",
]
