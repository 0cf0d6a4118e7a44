#!/usr/bin/env python3
"""Tokens/s of `gyre train` against Python's PyTorch on the same specification, in turn, on this machine.

The PyTorch side is written as one writes it by hand: modules, scaled_dot_product_attention where PyTorch has it,
torch.optim.AdamW, gradients through every loop, and autocast where the precision is bf16. Both sides run the same config
with its loops fixed at the default, in the same precision, on the same threads and with the same instructions.

  bench/train.py --config configs/two-scale-tiny.json --precision f32 --isa avx2 --rounds 7
"""

import argparse
import json
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

# PyTorch chooses its instructions while it is imported.
FLAGS = {"avx2": {"avx2", "fma"}, "avx512": {"avx512f", "avx512bw", "avx512vl", "avx512dq"}}


def instruction_sets():
    """Those of FLAGS that this processor has, the widest last."""
    line = next((row for row in open("/proc/cpuinfo") if row.startswith("flags")), "")
    return [isa for isa, flags in FLAGS.items() if flags <= set(line.split())]


def asked_isa():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--isa")
    return parser.parse_known_args()[0].isa or (instruction_sets() or ["default"])[-1]


if asked_isa() in instruction_sets():
    os.environ["ATEN_CPU_CAPABILITY"] = asked_isa()
    os.environ["GYRE_ISA"] = asked_isa()
    if asked_isa() == "avx2":
        os.environ["DNNL_MAX_CPU_ISA"] = "AVX2"
        os.environ["MKL_ENABLE_INSTRUCTIONS"] = "AVX2"
        os.environ["OPENBLAS_CORETYPE"] = "Haswell"

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent


class RmsNorm(torch.nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def make_norm(spec):
    eps = spec.get("norm_eps", 1e-5)
    size = spec["hidden_size"]
    return RmsNorm(size, eps) if spec.get("norm", "rms") == "rms" else torch.nn.LayerNorm(size, eps)


class Layer(torch.nn.Module):
    def __init__(self, spec):
        super().__init__()
        hidden, ffn, bias = spec["hidden_size"], spec["ffn_size"], spec.get("biases", False)
        self.heads = spec["heads"]
        self.gated = spec.get("mlp", "silu_gated") == "silu_gated"
        self.rotary = spec.get("position", "rotary_half") != "learned"
        self.norm_1, self.norm_2 = make_norm(spec), make_norm(spec)
        self.qkv = torch.nn.Linear(hidden, 3 * hidden, bias)
        self.out = torch.nn.Linear(hidden, hidden, bias)
        self.up = torch.nn.Linear(hidden, 2 * ffn if self.gated else ffn, bias)
        self.down = torch.nn.Linear(ffn, hidden, bias)

    def forward(self, x, rope, mask):
        rows, positions, hidden = x.shape
        q, k, v = self.qkv(self.norm_1(x)).view(rows, positions, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if self.rotary:
            q, k = rotate(q, rope), rotate(k, rope)
        x = x + self.out(attend(q, k, v, mask).transpose(1, 2).reshape(rows, positions, hidden))
        h = self.up(self.norm_2(x))
        if self.gated:
            a, b = h.chunk(2, -1)
            return x + self.down(F.silu(a) * b)
        return x + self.down(F.gelu(h, approximate="tanh"))


def attend(q, k, v, mask):
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    scores = (q @ k.transpose(-2, -1)) / math.sqrt(q.shape[-1])
    return F.softmax(scores.masked_fill(mask, float("-inf")), dim=-1).to(v.dtype) @ v


def rotate(x, rope):
    cosines, sines = rope
    a, b = x.chunk(2, -1)
    return torch.cat([a * cosines - b * sines, b * cosines + a * sines], -1).to(x.dtype)


class Looped(torch.nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.spec = spec
        self.embed = torch.nn.Embedding(spec["vocab_size"], spec["hidden_size"])
        self.place = torch.nn.Embedding(spec["context"], spec["hidden_size"])
        torch.nn.init.normal_(self.embed.weight, std=0.02)
        self.groups = torch.nn.ModuleList(
            torch.nn.ModuleList(Layer(spec) for _ in range(group.get("layers", 1))) for group in spec["groups"])
        self.norm = make_norm(spec)

    def forward(self, tokens):
        positions = torch.arange(tokens.shape[1])
        size = self.spec["hidden_size"] // self.spec["heads"]
        angles = positions[:, None] * 10000.0 ** (-torch.arange(size // 2) * 2 / size)
        rope = (angles.cos(), angles.sin())
        mask = torch.ones(len(positions), len(positions), dtype=torch.bool).triu(1)
        x = self.embed(tokens)
        if self.spec.get("position") == "learned":
            x = x + self.place(positions)
        for group, layers in zip(self.spec["groups"], self.groups):
            for _ in range(group.get("loops", 1)):
                for layer in layers:
                    x = layer(x, rope, mask)
        return self.norm(x) @ self.embed.weight.T


def pytorch_rate(spec, steps, threads):
    torch.set_num_threads(threads)
    training = spec["training"]
    rows, columns = training["batch"], training["sequence"]
    model = Looped(spec)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    times = []
    for _ in range(steps):
        tokens = torch.randint(spec["vocab_size"], (rows, columns + 1))
        begin = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=training.get("precision", "bf16") == "bf16"):
            logits = model(tokens[:, :-1])
            loss = F.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        times.append(time.perf_counter() - begin)
    return rows * columns / statistics.median(times[1:])


def gyre_rate(gyre, config, data, steps, threads, folder):
    out = pathlib.Path(tempfile.mkdtemp(dir=folder)) / "run"
    subprocess.run([gyre, "train", "--config", config, "--data", data, "--out", out, "--steps", str(steps),
                    "--threads", str(threads)], check=True, stderr=subprocess.DEVNULL)
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return statistics.median([row["tokens_per_second"] for row in rows if "loss" in row][1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default=ROOT / "configs/two-scale-tiny.json")
    parser.add_argument("--gyre", default=ROOT / "build/gyre")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--precision", choices=["f32", "bf16"], help="default: the config's")
    parser.add_argument("--isa", choices=list(FLAGS), help="default: the widest that this processor has")
    arguments = parser.parse_args()
    if arguments.isa and arguments.isa not in instruction_sets():
        sys.exit(f"bench/train.py: this processor has no {arguments.isa}; it has {', '.join(instruction_sets()) or 'neither'}")
    spec = json.loads(pathlib.Path(arguments.config).read_text())
    plain = spec.get("norm_placement", "pre") == "pre" and all("injection" not in group for group in spec["groups"])
    if not plain:
        sys.exit("bench/train.py: the PyTorch side knows pre-norm stacks without injection; give such a config")
    spec["training"].update(vocabulary="bytes", loop_sampling="fixed", backprop_loops=0, evaluate_windows=1,
                            evaluate_loops=[], dropout=0.0)
    spec["vocab_size"] = 256
    if arguments.precision:
        spec["training"]["precision"] = arguments.precision
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        config, data = pathlib.Path(folder) / "config.json", pathlib.Path(folder) / "text.txt"
        config.write_text(json.dumps(spec))
        data.write_text("".join(random.choices("abcdefgh \n", k=200_000)))
        for number in range(arguments.rounds):
            ours = gyre_rate(arguments.gyre, config, data, arguments.steps, arguments.threads, folder)
            theirs = pytorch_rate(spec, arguments.steps, arguments.threads)
            ratios.append(ours / theirs)
            print(f"round {number + 1}: gyre {ours:.0f} tokens/s, PyTorch {torch.__version__} {theirs:.0f} tokens/s, "
                  f"ratio {ratios[-1]:.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}; {arguments.threads} threads, "
          f"{asked_isa()}, {spec['training'].get('precision', 'bf16')}, {spec['name']})")


if __name__ == "__main__":
    main()
