#!/usr/bin/env python3
"""gyre against llama.cpp on the same GGUF files: prompts, generation, batches, both programs in turn.

  bench/compare.py --llama-bench PATH MODEL.gguf...
  bench/compare.py --llama-bench 'llama/{isa}/bin/llama-bench' --isa avx2 native --behind 4096 --batch 8 MODEL.gguf
  bench/compare.py --llama-bench PATH --rounds 7 --threads 2 looped-q4_0.gguf --json

Every round runs both, the one that begins changing from round to round; a ratio is of the two figures of one round, and
what is printed are medians with the least and the most. gyre's own ratios (a batch, an exit) come from the same rounds.
Both keep keys and values in 16 bits. --isa holds gyre to an instruction set (GYRE_ISA); the other side is a build of
its own for each, which {isa} in its path stands for. bench/build_llama makes them.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run(command, environment=None):
    """What a program printed; its last words, when it fails."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, env={**os.environ, **(environment or {})}
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        sys.exit(f"compare: {pathlib.Path(command[0]).name} failed: {last}")
    return done.stdout


class Gyre:
    def __init__(self, options, isa):
        self.options = options
        self.environment = {} if isa == "native" else {"GYRE_ISA": isa}
        self.about = {}

    def bench(self, model, *flags):
        command = [self.options.gyre, "bench", "-m", model, "--threads", self.options.threads, "--kv-type", "bf16"]
        result = json.loads(run([*command, "--rounds", 1, "--json", *flags], self.environment))
        self.about = {key: result[key] for key in ("version", "isa", "kernels") if key in result}
        return result

    def prompt(self, model, tokens):
        return self.bench(model, "--prompt", tokens, "--tokens", 0)["prompt"]["tokens_per_second"]

    def generation(self, model, *flags):
        result = self.bench(model, "--prompt", 0, "--tokens", self.options.tokens, *flags)
        return result["generation"]["tokens_per_second"]

    def loops(self, model):
        """The most loops of a group, as gyre info tells them."""
        spec = json.loads(run([self.options.gyre, "info", "-m", model, "--json"]))["spec"]
        return max(group.get("loops", 1) for group in spec["groups"])


class Llama:
    def __init__(self, options, isa):
        self.options = options
        self.program = pathlib.Path(options.llama_bench.replace("{isa}", isa))
        self.about = {}

    def bench(self, model, *flags):
        command = [self.program, "-m", model, "-t", self.options.threads, "-r", 1, "-o", "json"]
        row = json.loads(run([*command, *self.options.llama_flags.split(), *flags]))[0]
        self.about = {key: row[key] for key in ("build_commit", "build_number") if key in row}
        return row["avg_ts"]

    def prompt(self, model, tokens):
        return self.bench(model, "-p", tokens, "-n", 0)

    def generation(self, model, behind=0):
        depth = ["-d", behind] if behind else []
        return self.bench(model, "-p", 0, "-n", self.options.tokens, *depth)

    def batch(self, model, sequences):
        """Tokens/s of sequences that are decoded together, each behind a prompt of one token."""
        program = self.program.with_name("llama-batched-bench")
        command = [program, "-m", model, "-t", self.options.threads, "-npp", 1, "-ntg", self.options.tokens]
        command += ["-npl", sequences, "-c", sequences * (self.options.tokens + 8), "--output-format", "jsonl"]
        lines = [line for line in run(command).splitlines() if line.startswith("{")]
        return json.loads(lines[-1])["speed_tg"]


def works(options, model, ours, theirs):
    """Name of each piece of work and what runs it on either side."""
    yield (
        f"prompt of {options.prompt}",
        lambda: ours.prompt(model, options.prompt),
        lambda: theirs.prompt(model, options.prompt),
    )
    yield f"generation of {options.tokens}", lambda: ours.generation(model), lambda: theirs.generation(model)
    if options.behind:
        yield (
            f"prompt of {options.behind}",
            lambda: ours.prompt(model, options.behind),
            lambda: theirs.prompt(model, options.behind),
        )
        yield (
            f"generation behind {options.behind}",
            lambda: ours.generation(model, "--behind", options.behind),
            lambda: theirs.generation(model, options.behind),
        )
    if options.batch:
        yield (
            f"{options.batch} sequences at once",
            lambda: ours.generation(model, "--batch", options.batch),
            lambda: theirs.batch(model, options.batch),
        )


def own_variants(options, model, ours):
    """gyre against itself: name, flags, and whether time or speed is the ratio."""
    variants = [("8 sequences at once, speed against one", ["--batch", 8], "speed")]
    loops = ours.loops(model)
    if loops > 1:
        exit_at = max(1, round(loops * 6 / 16))
        variants.append((f"exit after {exit_at} of {loops} loops, time a token", ["--exit", f"fixed:loops={exit_at}"], "time"))
        variants.append(("a latent exit that never fires, time a token", ["--exit", "accel:tau=1e-30"], "time"))
    return variants


def compare(options, model, isa):
    ours, theirs = Gyre(options, isa), Llama(options, isa)
    rows, own = {}, {}
    for number in range(options.rounds):
        for name, we, they in works(options, model, ours, theirs):
            first, second = (they, we) if number % 2 else (we, they)
            figures = (first(), second())
            rows.setdefault(name, []).append(figures[::-1] if number % 2 else figures)
        for name, flags, kind in own_variants(options, model, ours) if options.own else []:
            base, other = ours.generation(model), ours.generation(model, *flags)
            own.setdefault(name, []).append((other, base) if kind == "speed" else (1 / other, 1 / base))
        if sys.stderr.isatty():
            print(f"\r{pathlib.Path(model).name}: round {number + 1} of {options.rounds}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return {
        "model": pathlib.Path(model).name,
        "isa": isa,
        "threads": options.threads,
        "gyre": ours.about,
        "llama_cpp": {**theirs.about, "flags": options.llama_flags},
        "against_llama_cpp": summary(rows),
        "against_itself": summary(own),
    }


def summary(rows):
    return {
        name: {
            "gyre": statistics.median(a for a, _ in pairs),
            "other": statistics.median(b for _, b in pairs),
            "ratio": statistics.median(a / b for a, b in pairs),
            "ratios": [a / b for a, b in pairs],
        }
        for name, pairs in rows.items()
    }


def spread(row):
    return f"{min(row['ratios']):.2f}-{max(row['ratios']):.2f}"


def show(result):
    print(f"\n{result['model']}, {result['isa']}, {result['threads']} threads; llama.cpp {result['llama_cpp']}")
    print(f"  {'work':46} {'gyre':>9} {'llama.cpp':>10} {'ratio':>6}  (least to most)")
    for name, row in result["against_llama_cpp"].items():
        print(f"  {name:46} {row['gyre']:9.1f} {row['other']:10.1f} {row['ratio']:6.2f}  ({spread(row)})")
    for name, row in result["against_itself"].items():
        print(f"  {name:46} {'':9} {'':10} {row['ratio']:6.3f}  ({spread(row)})")


def show_table(results):
    """Rows of a Markdown table: docs/performance.md has one."""
    print("| file | set | work | gyre | llama.cpp | ratio (least-most) |")
    print("|---|---|---|---:|---:|---|")
    for result in results:
        for name, row in result["against_llama_cpp"].items():
            print(
                f"| {result['model']} | {result['isa']} | {name} | {row['gyre']:.1f} | {row['other']:.1f} "
                f"| {row['ratio']:.2f} ({spread(row)}) |"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL.gguf", help="files that both programs read")
    parser.add_argument("--llama-bench", required=True, help="llama.cpp's llama-bench; {isa} stands for each of --isa")
    parser.add_argument("--llama-flags", default="", help="further flags for it, such as '-rtr 1' of ik_llama.cpp")
    parser.add_argument("--gyre", default=ROOT / "build/gyre", type=pathlib.Path)
    parser.add_argument("--isa", nargs="+", default=["native"], choices=["avx2", "avx512", "amx", "native"])
    parser.add_argument("--threads", default=2, type=int)
    parser.add_argument("--rounds", default=7, type=int)
    parser.add_argument("--prompt", default=512, type=int, help="tokens of the prompt")
    parser.add_argument("--tokens", default=128, type=int, help="tokens generated")
    parser.add_argument("--behind", default=0, type=int, help="also a prompt of so many tokens, and generation behind it")
    parser.add_argument("--batch", default=0, type=int, help="also so many sequences at once (llama-batched-bench)")
    parser.add_argument("--own", action="store_true", help="also gyre against itself: a batch, exits")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--table", action="store_true", help="print rows of a Markdown table")
    options = parser.parse_args()
    programs = [Llama(options, isa).program for isa in options.isa]
    for file in [*programs, options.gyre, *options.models]:
        if not pathlib.Path(file).exists():
            sys.exit(f"compare: {file} is not there")
    results = [compare(options, model, isa) for model in options.models for isa in options.isa]
    if options.json:
        print(json.dumps(results, indent=2))
    elif options.table:
        show_table(results)
    else:
        for result in results:
            show(result)


if __name__ == "__main__":
    main()
