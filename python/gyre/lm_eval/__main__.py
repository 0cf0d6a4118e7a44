"""lm_eval with one more model: python -m gyre.lm_eval run --model gyre ..."""

import gyre.lm_eval  # noqa: F401
from lm_eval.__main__ import cli_evaluate

cli_evaluate()
