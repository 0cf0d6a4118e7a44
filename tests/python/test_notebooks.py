"""The notebooks of examples/python run from their first cell to their last."""

import contextlib
import io
import json
import os
import unittest
from pathlib import Path

FOLDER = Path(os.environ["GYRE_ROOT"]) / "examples" / "python"


class Notebooks(unittest.TestCase):
    def test_every_cell_runs(self):
        notebooks = sorted(FOLDER.glob("*.ipynb"))
        self.assertTrue(notebooks)
        for path in notebooks:
            names = {"__name__": "__main__"}
            cells = json.loads(path.read_text())["cells"]
            for number, cell in enumerate(cells):
                if cell["cell_type"] != "code":
                    continue
                with self.subTest(f"{path.name}, cell {number}"), contextlib.redirect_stdout(io.StringIO()):
                    exec(compile("".join(cell["source"]), f"{path.name}[{number}]", "exec"), names)


if __name__ == "__main__":
    unittest.main()
