#!/usr/bin/env python3
"""Texts as vectors: the same lines by `gyre embed` and by PyTorch with transformers, in turn, as texts a second.

    python3 bench/embed.py BINARY FOLDER TEXTS [--batch 8,32] [--rounds N] [--threads N]

FOLDER is a sentence encoder (BERT, XLM-R) that both read, TEXTS a file of one text a line. Both times leave the reading of
the model out. PyTorch takes texts sorted by length, in batches of each of these sizes, each batch filled up to its longest
text; mean pooling and normalisation as gyre does them. Prints medians, ratios of the rounds, CPU seconds, and the largest
difference of the vectors. Needs torch, transformers and tokenizers.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
import tokenizers
import torch
import transformers


def by_gyre(options: argparse.Namespace, out: pathlib.Path) -> tuple[float, float, int]:
    """Seconds by the clock, and of the processors, the second with the reading of the model; and most tokens of a text."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [options.binary, "embed", "-m", options.folder, "--text", options.texts, "--out", str(out), "--json",
               "--threads", str(options.threads)]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return report["seconds"], after.ru_utime - before.ru_utime, report["max_tokens"]


class Peer:
    """The model in PyTorch."""

    def __init__(self, folder: str):
        self.tokenizer = tokenizers.Tokenizer.from_file(str(pathlib.Path(folder) / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.model = transformers.AutoModel.from_pretrained(folder, torch_dtype=torch.float32).eval()

    def vectors(self, texts: list[str], batch: int, most_tokens: int) -> numpy.ndarray:
        self.tokenizer.enable_truncation(most_tokens)
        ids = [self.tokenizer.encode(text).ids for text in texts]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        out = numpy.empty((len(texts), self.model.config.hidden_size), numpy.float32)
        with torch.inference_mode():
            for begin in range(0, len(order), batch):
                some = order[begin:begin + batch]
                length = max(len(ids[i]) for i in some)
                padding = self.model.config.pad_token_id or 0
                rows = torch.tensor([ids[i] + [padding] * (length - len(ids[i])) for i in some])
                mask = torch.tensor([[1] * len(ids[i]) + [0] * (length - len(ids[i])) for i in some])
                states = self.model(input_ids=rows, attention_mask=mask).last_hidden_state
                weights = mask.unsqueeze(-1).float()
                pooled = (states * weights).sum(1) / weights.sum(1)
                out[some] = torch.nn.functional.normalize(pooled, dim=-1).numpy()
        return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("folder")
    parser.add_argument("texts")
    parser.add_argument("--batch", default="8,32")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    texts = pathlib.Path(options.texts).read_text(encoding="utf-8").splitlines()
    if not texts or not all(text.strip() for text in texts):
        sys.exit(f"{options.texts}: a line is empty; give one text a line")
    torch.set_num_threads(options.threads)
    peer = Peer(options.folder)
    batches = [int(size) for size in options.batch.split(",")]
    seconds: dict[str, list[float]] = {name: [] for name in ["gyre", *[f"PyTorch, {size}" for size in batches]]}
    cpu: dict[str, list[float]] = {name: [] for name in seconds}
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "vectors.npy"
        for round_number in range(options.rounds + 1):
            wall, used, most_tokens = by_gyre(options, out)
            own = numpy.load(out)
            times = {"gyre": (wall, used)}
            for size in batches:
                start, begin = time.perf_counter(), time.process_time()
                theirs = peer.vectors(texts, size, most_tokens)
                times[f"PyTorch, {size}"] = (time.perf_counter() - start, time.process_time() - begin)
            if round_number == 0:  # the first warms both up
                print(f"largest difference of the vectors {numpy.abs(own - theirs).max():.1e}")
                continue
            for name, (wall, used) in times.items():
                seconds[name].append(wall)
                cpu[name].append(used)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {options.threads} threads, "
          f"{len(texts)} texts, {options.rounds} rounds")
    for name, walls in seconds.items():
        ratios = [other / mine for other, mine in zip(walls, seconds["gyre"])]
        print(f"{name:14} {len(texts) / statistics.median(walls):7.1f} texts/s  {statistics.median(cpu[name]):6.2f} CPU s  "
              f"gyre is {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f}-{max(ratios):.2f})")


if __name__ == "__main__":
    main()
