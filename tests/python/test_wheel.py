"""What the wheel holds beside code."""

import pathlib
import re
import unittest

import gyre

PACKAGE = pathlib.Path(gyre.__file__).parent


class Licences(unittest.TestCase):
    def test_every_library_comes_with_its_licence(self):
        libraries = sorted((PACKAGE.parent / "gyre.libs").iterdir())
        names = [re.match(r"lib(\w+)-[0-9a-f]+\.so", library.name).group(1) for library in libraries]
        self.assertIn("gyre", names)
        for name in names:
            text = PACKAGE / "licences" / f"{name}.txt"
            self.assertTrue(text.is_file(), f"{name} is in the wheel without its licence")
            self.assertIn("opyright", text.read_text())


if __name__ == "__main__":
    unittest.main()
