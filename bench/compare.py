#!/usr/bin/env python3
"""gyre against llama.cpp on the same GGUF files: prompts and generation, both programs in turn.

  bench/compare.py --llama-bench PATH MODEL.gguf...
  bench/compare.py --llama-bench PATH --rounds 7 --threads 2 looped-q4_0.gguf --json

Every round runs both, the one that begins changing from round to round; a ratio is of the two figures of one round, and
what is printed are medians. gyre's own ratios (a batch, an exit) come from the same rounds. Both keep keys and values
in 16 bits.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def output_of(command):
    """What a program printed as JSON; its last words, when it fails."""
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if run.returncode != 0:
        last = (run.stderr.strip().splitlines() or ["no message"])[-1]
        sys.exit(f"compare: {pathlib.Path(command[0]).name} failed: {last}")
    return json.loads(run.stdout)


def run_gyre(options, model, flags):
    """Tokens/s of the prompt (None without one) and of generation."""
    command = [options.gyre, "bench", "-m", model, "--threads", options.threads, "--kv-type", "bf16", "--rounds", 1]
    command += ["--json", *flags]
    result = output_of(command)
    prompt = result.get("prompt", {}).get("tokens_per_second")
    return prompt, result["generation"]["tokens_per_second"]


def run_llama(options, model):
    command = [options.llama_bench, "-m", model, "-p", options.prompt, "-n", options.tokens, "-t", options.threads]
    rows = output_of([*command, "-r", 1, "-o", "json"])
    prompt = next(row["avg_ts"] for row in rows if row["n_gen"] == 0)
    return prompt, next(row["avg_ts"] for row in rows if row["n_prompt"] == 0)


def loops_of(options, model):
    """The most loops of a group, as gyre info tells them."""
    spec = output_of([options.gyre, "info", "-m", model, "--json"])["spec"]
    return max(group.get("loops", 1) for group in spec["groups"])


def own_variants(options, model):
    """gyre against itself: name, flags, and whether time or speed is the ratio."""
    generation = ["--prompt", 0, "--tokens", options.tokens]
    variants = [("8 sequences at once, speed against one", [*generation, "--batch", 8], "speed")]
    loops = loops_of(options, model)
    if loops > 1:
        exit_at = max(1, round(loops * 6 / 16))
        variants.append((f"exit after {exit_at} of {loops} loops, time a token",
                         [*generation, "--exit", f"fixed:loops={exit_at}"], "time"))
        never = ["--exit", "accel:tau=1e-30"]
        variants.append(("a latent exit that never fires, time a token", [*generation, *never], "time"))
    return variants


def compare(options, model):
    flags = ["--prompt", options.prompt, "--tokens", options.tokens]
    rows = {f"prompt of {options.prompt}": [], f"generation of {options.tokens}": []}
    prompt_row, generation_row = rows.values()
    variants = own_variants(options, model) if options.own else []
    own = {name: [] for name, _, _ in variants}
    for number in range(options.rounds):
        sides = [lambda: run_gyre(options, model, flags), lambda: run_llama(options, model)]
        if number % 2:
            theirs, ours = sides[1](), sides[0]()
        else:
            ours, theirs = sides[0](), sides[1]()
        prompt_row.append((ours[0], theirs[0]))
        generation_row.append((ours[1], theirs[1]))
        for name, variant, kind in variants:
            base = run_gyre(options, model, ["--prompt", 0, "--tokens", options.tokens])[1]
            other = run_gyre(options, model, variant)[1]
            own[name].append((other, base) if kind == "speed" else (1 / other, 1 / base))
        if sys.stderr.isatty():
            print(f"\r{pathlib.Path(model).name}: round {number + 1} of {options.rounds}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return {"model": pathlib.Path(model).name, "against_llama_cpp": summary(rows), "against_itself": summary(own)}


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


def show(result):
    print(f"\n{result['model']}")
    print(f"  {'work':46} {'gyre':>9} {'llama.cpp':>10} {'ratio':>6}  (of every round)")
    for name, row in result["against_llama_cpp"].items():
        print(f"  {name:46} {row['gyre']:9.1f} {row['other']:10.1f} {row['ratio']:6.2f}  {rounds_of(row)}")
    for name, row in result["against_itself"].items():
        print(f"  {name:46} {'':9} {'':10} {row['ratio']:6.3f}  {rounds_of(row)}")


def rounds_of(row):
    return "(" + " ".join(f"{ratio:.3f}" for ratio in row["ratios"]) + ")"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL.gguf", help="files that both programs read")
    parser.add_argument("--llama-bench", required=True, type=pathlib.Path, help="llama.cpp's llama-bench")
    parser.add_argument("--gyre", default=ROOT / "build/gyre", type=pathlib.Path)
    parser.add_argument("--threads", default=2, type=int)
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--prompt", default=512, type=int, help="tokens of the prompt")
    parser.add_argument("--tokens", default=128, type=int, help="tokens generated")
    parser.add_argument("--own", action="store_true", help="also gyre against itself: a batch, exits")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for file in [options.llama_bench, options.gyre, *options.models]:
        if not pathlib.Path(file).exists():
            sys.exit(f"compare: {file} is not there")
    results = [compare(options, model) for model in options.models]
    if options.json:
        print(json.dumps(results, indent=2))
        return
    for result in results:
        show(result)


if __name__ == "__main__":
    main()
