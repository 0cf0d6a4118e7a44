#!/usr/bin/env python3
"""Makes tests/parity/golden: tiny checkpoints of published families and what they must compute.

    make_golden.py [FAMILY...]           writes the folders of these families (all of them without a name)
    make_golden.py --check [FAMILY...]   computes everything again, from the checkpoints as they are on disk, and
                                         compares with the files there; status 1 and one line a difference over 1e-6

A folder holds the checkpoint as Hugging Face lays it out (config.json, model.safetensors or shards with their index),
expected.safetensors (float32, computed in float64) and expected.json (tokens, depths, policies, what each tensor is).
Needs NumPy only.
"""

import argparse
import json
import pathlib
import re
import shutil
import sys

import numpy as np

sys.dont_write_bytecode = True  # nothing but golden files is to appear in the tree

from reference import cases, safetensors, weights  # noqa: E402
from reference.families import FAMILIES  # noqa: E402

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"
TOLERANCE = 1e-6


def checkpoint(family):
    config = family.config()
    tensors = weights.fill(family.shapes(config), family.NAME, family.SCALES)
    finish = getattr(family, "finish", None)
    return config, finish(config, tensors) if finish else tensors


def write_json(path, value):
    """Indented, but a list of numbers or strings on one line."""
    text = json.dumps(value, indent=1)
    text = re.sub(r"\[\n\s+([^\[\]{}]*?)\n\s+\]", lambda m: "[" + re.sub(r"\n\s+", " ", m[1]) + "]", text)
    path.write_text(text + "\n")


def write_checkpoint(folder, config, tensors, shards):
    write_json(folder / "config.json", config)
    if shards == 1:
        safetensors.write(folder / "model.safetensors", tensors)
        return
    names, index = list(tensors), {}
    for shard, part in enumerate(np.array_split(np.array(names), shards), start=1):
        file = f"model-{shard:05}-of-{shards:05}.safetensors"
        safetensors.write(folder / file, {name: tensors[name] for name in part})
        index |= {str(name): file for name in part}
    total = sum(tensor.size * 4 for tensor in tensors.values())
    weight_map = dict(sorted(index.items()))
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": weight_map})


def read_checkpoint(folder):
    config = json.loads((folder / "config.json").read_text())
    tensors = {}
    for file in sorted(folder.glob("model*.safetensors")):
        tensors |= safetensors.read(file)
    return config, tensors


def make(family):
    folder = GOLDEN / family.NAME
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config, tensors = checkpoint(family)
    write_checkpoint(folder, config, tensors, getattr(family, "SHARDS", 1))
    facts, arrays = cases.compute(family, *read_checkpoint(folder))
    safetensors.write(folder / "expected.safetensors", {k: v.astype(np.float32) for k, v in arrays.items()})
    write_json(folder / "expected.json", facts)
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{family.NAME}: {len(tensors)} tensors, {len(arrays)} results, {size} bytes")


def differences(name, expected, found):
    if set(expected) != set(found):
        yield f"{name}: names differ: {sorted(set(expected) ^ set(found))}"
    for key in sorted(set(expected) & set(found)):
        if expected[key].shape != found[key].shape:
            yield f"{name}: {key}: shape {list(found[key].shape)} is not {list(expected[key].shape)}"
            continue
        error = np.abs(expected[key].astype(np.float64) - found[key])
        allowed = TOLERANCE * np.maximum(1.0, np.abs(found[key]))
        if not np.all(error <= allowed):
            yield f"{name}: {key}: differs by {error.max():.3g}"


def check(family):
    folder = GOLDEN / family.NAME
    config, tensors = read_checkpoint(folder)
    wanted_config, wanted = checkpoint(family)
    if config != wanted_config:
        yield f"{family.NAME}: config.json differs"
    yield from differences(f"{family.NAME}/model", tensors, wanted)
    facts, arrays = cases.compute(family, config, tensors)
    yield from differences(f"{family.NAME}/expected", safetensors.read(folder / "expected.safetensors"), arrays)
    written = json.loads((folder / "expected.json").read_text())
    computed = json.loads(json.dumps(facts))
    for values in (written, computed):
        values.pop("least_gap", None)  # a measured figure, for the reader
    if written != computed:
        yield f"{family.NAME}: expected.json differs"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=", ".join(FAMILIES))
    arguments = parser.parse_args()
    unknown = set(arguments.families) - set(FAMILIES)
    if unknown:
        parser.error(f"unknown family {sorted(unknown)[0]}; there are {', '.join(FAMILIES)}")
    chosen = [FAMILIES[name] for name in arguments.families or FAMILIES]
    if not arguments.check:
        for family in chosen:
            make(family)
        return 0
    lines = [line for family in chosen for line in check(family)]
    for line in lines:
        print(line)
    print(f"{len(chosen)} families, {len(lines)} differences")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
