#!/usr/bin/env python3
"""Nothing of a checkpoint is run, and what is wrong with one is told in one line (scripts/convert_checkpoint)."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
import unittest
import unittest.mock
import zipfile

from converted import FolderTest, Harm, nanochat_model, needs_torch, run_tests, SCRIPT, torch, write_json, writing


@needs_torch
class CareTest(FolderTest):
    """Whatever a file holds, nothing of it is run."""

    def setUp(self):
        super().setUp()
        write_json(self.folder / "config.json", {"model_type": "llama"})
        self.file = self.folder / "model.pt"
        self.mark = self.folder / "harm"

    def test_runs_no_code_of_a_checkpoint(self):
        tensors = {"w": torch.ones(3)}
        beside = {"model": tensors, "x": Harm(self.mark)}
        for zipped in (True, False):
            more = [] if zipped else [beside]
            for value in (Harm(self.mark), tensors | {"x": Harm(self.mark)}, [Harm(self.mark)], *more):
                with self.subTest(zipped=zipped, value=type(value).__name__):
                    torch.save(value, self.file, _use_new_zipfile_serialization=zipped)
                    self.assert_refused(self.file, "model.pt")
                    self.assertFalse(self.mark.exists())
        torch.save(beside, self.file)
        self.convert(self.file)
        self.assert_tensors(tensors)
        self.assertFalse(self.mark.exists())

    def test_the_mark_would_be_there(self):
        torch.save({"x": Harm(self.mark)}, self.file)
        torch.load(self.file, weights_only=False)
        self.assertTrue(self.mark.exists())

    def test_runs_no_code_by_way_of_getattr(self):
        # getattr(__import__("os"), "system")("touch ...")
        class Import:
            def __reduce__(self):
                return __import__, ("os",)

        class System:
            def __reduce__(self):
                return getattr, (Import(), "system")

        class Call:
            def __init__(self, mark):
                self.mark = mark

            def __reduce__(self):
                return eval, (f"__import__('os').system('touch {self.mark}')",)

        torch.save({"model": {"w": torch.ones(1)}, "x": [System(), Call(self.mark)]}, self.file)
        self.convert(self.file)
        self.assertFalse(self.mark.exists())

    def test_refuses_a_whole_module(self):
        torch.save(torch.nn.Linear(2, 2), self.file)
        self.assert_refused(self.file, "whole object", "state_dict()")

    def test_refuses_torchscript(self):
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(self.file))
        self.assert_refused(self.file, "TorchScript")

    def test_reads_the_form_before_zip_files(self):
        tensors = {"w": torch.randn(3, 2), "v": torch.randn(4).bfloat16(), "turned": torch.randn(3, 2).t(),
                   "one": torch.ones(()), "empty": torch.ones(0, 2)}
        torch.save(tensors, self.file, _use_new_zipfile_serialization=False)
        self.convert(self.file)
        self.assert_tensors(tensors)

    def rewrite(self, change, compression=zipfile.ZIP_STORED):
        """other.pt: the parts of model.pt as `change` gives them, None for not at all."""
        other = self.folder / "other.pt"
        with zipfile.ZipFile(self.file) as whole, zipfile.ZipFile(other, "w", compression) as made:
            for name in whole.namelist():
                data = change(name.partition("/")[2], whole.read(name))
                if data is not None:
                    made.writestr(name, data)
        return other

    def test_refuses_parts_that_do_not_fit(self):
        torch.save({"w": torch.ones(4, 4)}, self.file)
        self.convert(self.rewrite(lambda name, data: data))
        subprocess.run(["rm", "-r", self.out], check=True)
        short = self.rewrite(lambda name, data: data[:-4] if name == "data/0" else data)
        self.assert_refused(short, "reaches beyond its numbers")
        self.assert_refused(self.rewrite(lambda name, data: None if name == "data/0" else data), "data/0")
        self.assert_refused(self.rewrite(lambda name, data: None if name == "data.pkl" else data), "one data.pkl")
        self.assert_refused(self.rewrite(lambda name, data: data, zipfile.ZIP_DEFLATED), "compressed")
        # The size 4 x 4 as 4 x -4, and as 4 x 5.
        for other, part in ((b"K\x04J\xfc\xff\xff\xff", "no sensible shape"), (b"K\x04K\x05", "beyond its numbers")):
            changed = self.rewrite(lambda name, data, other=other: data.replace(b"K\x04K\x04", other, 1))
            self.assert_refused(changed, part)

    def test_refuses_numbers_with_their_high_bytes_first(self):
        torch.save({"w": torch.ones(4, 4)}, self.file)
        with zipfile.ZipFile(self.file) as whole:
            if not any(name.endswith("byteorder") for name in whole.namelist()):
                self.skipTest("this PyTorch does not write the order of bytes")
        big = self.rewrite(lambda name, data: b"big" if name == "byteorder" else data)
        self.assert_refused(big, "high bytes first")

    def test_refuses_damaged_files(self):
        torch.save({"w": torch.randn(300)}, self.file)
        whole = self.file.read_bytes()
        half = whole[: len(whole) // 2]
        for data in (b"", b"nonsense", whole[:100], half, b"PK\x03\x04" + b"\0" * 60, pickle.dumps(3)):
            with self.subTest(len(data)):
                self.file.write_bytes(data)
                self.assert_refused(self.file, "model.pt")

    def test_refuses_what_holds_no_tensors(self):
        for value in ({}, {"a": 1}, [1], "text", {"model": {"a": 1}}):
            torch.save(value, self.file)
            self.assert_refused(self.file, "holds no model's tensors")
        torch.save({"model": {"a": torch.ones(1)}, "state_dict": {"a": torch.ones(1)}}, self.file)
        self.assert_refused(self.file, "several models: model, state_dict")

    def test_leaves_nothing_where_it_fails(self):
        torch.save({"w": torch.ones(3)}, self.file)
        for error in (KeyboardInterrupt, OSError("disk full"), SystemExit(143)):
            failing = unittest.mock.patch.object(writing, "write_safetensors", side_effect=error)
            with self.subTest(repr(error)), failing, self.assertRaises(BaseException):
                self.convert(self.file)
            self.assertFalse(self.out.exists())
            self.assert_no_rest()


class CommandTest(FolderTest):
    def run_script(self, *flags, **environment):
        return subprocess.run([sys.executable, SCRIPT, *map(str, flags)], capture_output=True, text=True,
                              env=os.environ | environment)

    def test_help_teaches_by_example(self):
        done = self.run_script("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("scripts/convert_checkpoint ~/.cache/nanochat", done.stdout)

    def test_wrong_flags(self):
        for flags in ([], ["x"], ["x", "--out", "y", "--config", "nowhere.json"]):
            self.assertEqual(self.run_script(*flags).returncode, 2)

    def test_names_what_is_not_there(self):
        nowhere = self.folder / "nowhere"
        for source, part in ((nowhere, "nowhere: no such file or folder"), (self.folder, "holds no checkpoint")):
            done = self.run_script(source, "--out", self.out)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(part, done.stderr)
        done = self.run_script(self.folder, "--out", self.folder)
        self.assertIn("is there already", done.stderr)
        done = self.run_script(self.folder, "--out", self.folder / "a" / "b")
        self.assertIn("a: no such folder", done.stderr)
        file = self.folder / "model.safetensors"
        file.write_bytes(b"")
        self.assertIn("gyre opens it as it is", self.run_script(self.folder, "--out", self.out).stderr)
        self.assertIn("safetensors already", self.run_script(file, "--out", self.out).stderr)

    def test_says_in_one_line_what_is_missing_without_torch(self):
        (self.folder / "torch.py").write_text("raise ImportError('No module named torch')")
        (self.folder / "model.pt").write_bytes(pickle.dumps(3))
        write_json(self.folder / "config.json", {"model_type": "llama"})
        done = self.run_script(self.folder / "model.pt", "--out", self.out, PYTHONPATH=str(self.folder))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertIn("pip install torch", done.stderr)

    def test_refuses_broken_configurations(self):
        (self.folder / "model.pt").write_bytes(b"")
        for text, part in (("{", "config.json"), ("[]", "must hold an object"), ("{}", "of no family")):
            (self.folder / "config.json").write_text(text)
            done = self.run_script(self.folder / "model.pt", "--out", self.out)
            self.assertEqual(done.returncode, 1)
            self.assertIn(part, done.stderr)

    @needs_torch
    def test_tells_what_it_did(self):
        config, tensors = nanochat_model()
        torch.save(tensors, self.folder / "model_1.pt")
        write_json(self.folder / "meta_1.json", {"model_config": config})
        done = self.run_script(self.folder, "--out", self.out)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for part in (f"looped nanochat: {len(tensors)} tensors", "million parameters", " kB;", "without effect: ",
                     f"now: build/gyre info -m {self.out}", "note: no tokenizer"):
            self.assertIn(part, done.stdout)
        again = self.run_script(self.folder, "--out", self.out)
        self.assertEqual(again.returncode, 1)
        told = json.loads(self.run_script(self.folder, "--out", self.folder / "second", "--json").stdout)
        self.assertEqual(told["tensors"], len(tensors))
        self.assertEqual((self.out / "model.safetensors").read_bytes(),
                         (self.folder / "second" / "model.safetensors").read_bytes())
        self.assertEqual((self.out.stat().st_mode & 0o777), 0o777 & ~current_umask())

    @needs_torch
    def test_interrupted_it_leaves_nothing(self):
        write_json(self.folder / "config.json", {"model_type": "llama"})
        torch.save({"w": torch.ones(3)}, self.folder / "model.pt")
        slow = self.folder / "slow.py"
        slow.write_text(
            "import importlib.machinery, importlib.util, pathlib, sys, time\n"
            f"loader = importlib.machinery.SourceFileLoader('convert_checkpoint', {str(SCRIPT)!r})\n"
            "module = importlib.util.module_from_spec(importlib.util.spec_from_loader('convert_checkpoint', loader))\n"
            "loader.exec_module(module)\n"
            "def wait(path, tensors):\n"
            "    path.write_bytes(b'half')\n"
            "    time.sleep(60)\n"
            "module.writing.write_safetensors = wait\n"
            "module.main()\n")
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(code):
                command = [sys.executable, slow, self.folder / "model.pt", "--out", self.out]
                running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
                until = time.monotonic() + 120
                while not list(self.folder.glob(".out.*/model.safetensors")) and time.monotonic() < until:
                    time.sleep(0.05)
                running.send_signal(number)
                errors = running.communicate(timeout=60)[1]
                self.assertEqual(running.returncode, code, errors)
                self.assertFalse(self.out.exists())
                self.assert_no_rest()


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


if __name__ == "__main__":
    run_tests()
