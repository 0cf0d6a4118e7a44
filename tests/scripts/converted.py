"""What the tests of scripts/convert_checkpoint share: small random checkpoints in each published layout, and a folder to
convert them in.

What needs PyTorch or NumPy is skipped where they are missing, and so is what compares with the packages tiktoken,
tokenizers and jinja2. With build/gyre there (or GYRE=PROGRAM), the tests open what was converted.
"""

import contextlib
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import pickle
import random
import struct
import subprocess
import sys
import tempfile
import types
import unittest

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "convert_checkpoint"
GYRE = pathlib.Path(os.environ.get("GYRE", ROOT / "build" / "gyre"))
sys.path.insert(0, str(ROOT / "tests" / "parity"))


def load_script():
    loader = importlib.machinery.SourceFileLoader("convert_checkpoint", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("convert_checkpoint", loader))
    loader.exec_module(module)
    return module


script = load_script()
sys.path.insert(0, str(ROOT / "scripts"))

from checkpoints import families, tiktoken_file, writing  # noqa: E402
from checkpoints.refusal import Refusal  # noqa: E402


def package(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


torch = package("torch") if package("numpy") else None
needs_torch = unittest.skipUnless(torch, f"{sys.executable} has no torch, or no numpy")
if torch:
    from reference import weights
    from reference.families import attractor, nanochat_looped, parcae, raven_training
else:
    weights = attractor = nanochat_looped = parcae = raven_training = None


def write_json(path, value):
    path.write_text(json.dumps(value))


def read_safetensors(path):
    """{name: tensor} read here, without the script's help."""
    kinds = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64, "U8": torch.uint8,
             "BOOL": torch.bool}
    data = bytearray(path.read_bytes())
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    assert header.pop("__metadata__") == {"format": "pt"}
    tensors, end = {}, 0
    for name, entry in header.items():
        begin, past = entry["data_offsets"]
        assert begin == end, "tensors follow one another"
        end = past
        piece = data[8 + length + begin : 8 + length + past]
        kind = kinds[entry["dtype"]]
        flat = torch.frombuffer(piece, dtype=kind) if piece else torch.empty(0, dtype=kind)
        assert (8 + length + begin) % flat.element_size() == 0, "every tensor lies aligned"
        tensors[name] = flat.reshape(entry["shape"])
    assert 8 + length + end == len(data)
    return tensors


def nanochat_model(**changes):
    """(configuration, tensors) of a small looped nanochat."""
    config = nanochat_looped.config() | changes
    config = {key: value for key, value in config.items() if value is not None}
    made = weights.fill(nanochat_looped.shapes(config), "seed", nanochat_looped.SCALES)
    tensors = {name: torch.from_numpy(tensor.copy()) for name, tensor in made.items()}
    if config.get("input_injection") == "passthrough":
        del tensors["inject.weight"]
    return config, tensors


def parcae_model(**changes):
    """(configuration, tensors as state_dict() gives them) of a small Parcae."""
    config = parcae.config() | changes
    made = weights.fill(parcae.shapes(config), "seed", parcae.SCALES)
    tensors = {name: torch.from_numpy(tensor.copy()) for name, tensor in parcae.finish(config, made).items()}
    if config["tie_embeddings"]:
        tensors["lm_head.weight"] = tensors["transformer.wte.weight"]
    else:
        tensors["lm_head.weight"] = torch.randn(tensors["lm_head.weight"].shape)
    return config, tensors


def small_encoding():
    """(pattern, ranks, special tokens) of a byte-level tokenizer of 60 merges."""
    ranks = {bytes([byte]): byte for byte in range(256)}
    rng = random.Random(1)
    text = [b"the loop", b" the", b" then", b" there", b" loops", "café".encode(), b"12", b"  ", b"aaa", b"abab"]
    while len(ranks) < 316:
        word = rng.choice(text)
        parts = [word[i : i + 1] for i in range(len(word))]
        while len(parts) > 1 and rng.random() < 0.8:
            joined = [a + b for a, b in zip(parts, parts[1:])]
            known = [ranks.get(pair, len(ranks)) for pair in joined]
            at = known.index(min(known))
            if joined[at] not in ranks:
                ranks[joined[at]] = len(ranks)
                break
            parts[at : at + 2] = [joined[at]]
        else:
            text.append(bytes(rng.choice(b"abc") for _ in range(5)))
    names = ["<|bos|>", "<|user_start|>", "<|user_end|>", "<|assistant_start|>", "<|assistant_end|>"]
    return r"\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]+|\s+", ranks, {name: 316 + i for i, name in enumerate(names)}


@contextlib.contextmanager
def pickled_as(module_name, class_name, kind):
    """While it holds, `kind` pickles under another name."""
    made, before = types.ModuleType(module_name), sys.modules.get(module_name)
    parent = module_name.partition(".")[0]
    parent_before = sys.modules.get(parent)
    sys.modules.setdefault(parent, types.ModuleType(parent))
    sys.modules[module_name] = made
    setattr(made, class_name, kind)
    kind.__module__, kind.__qualname__, kind.__name__ = module_name, class_name, class_name
    try:
        yield
    finally:
        for name, old in ((module_name, before), (parent, parent_before)):
            if old is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = old


def pickled_encoding(state):
    """What pickle makes of a tiktoken.Encoding of these fields."""
    class Encoding:
        def __getstate__(self):
            return state

    with pickled_as("tiktoken.core", "Encoding", Encoding):
        return pickle.dumps(Encoding())


def encoding_state(pattern, ranks, special):
    return {"name": "rustbpe", "pat_str": pattern, "mergeable_ranks": ranks, "special_tokens": special}


class Harm:
    """Runs a command where a pickle of it is loaded without care."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


class FolderTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.out = self.folder / "out"

    def convert(self, source, config=None, tokenizer=None):
        return script.convert(source, self.out, config, tokenizer)

    def assert_refused(self, source, *parts, config=None, tokenizer=None):
        with self.assertRaises(Refusal) as caught:
            self.convert(source, config, tokenizer)
        for part in parts:
            self.assertIn(part, str(caught.exception))
        self.assertFalse(self.out.exists())
        self.assert_no_rest()

    def assert_no_rest(self):
        self.assertEqual([path.name for path in self.folder.glob(".*")], [])

    def assert_tensors(self, want):
        """model.safetensors holds these tensors, to the bit and in their types."""
        got = read_safetensors(self.out / "model.safetensors")
        self.assertEqual(sorted(got), sorted(want))
        for name, tensor in want.items():
            self.assertEqual(got[name].dtype, tensor.dtype, name)
            self.assertEqual(list(got[name].shape), list(tensor.shape), name)
            self.assertTrue(torch.equal(got[name], tensor), name)

    def assert_gyre_opens(self, family):
        if not GYRE.is_file():
            return
        done = subprocess.run([GYRE, "info", "-m", self.out, "--json"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["family"], family)


def run_tests():
    """The tests of the program; tests/check_golden.sh, which looks for a Python that has torch, says --check."""
    unittest.main(argv=[sys.argv[0], *(flag for flag in sys.argv[1:] if flag != "--check")])
