#!/usr/bin/env python3
"""What gyre does with all its threads while another program holds one of the processors.

  bench/busy.py -m models/shakespeare
  bench/busy.py -m model.gguf --weights q4_0 --threads 2 --prompt 256 --rounds 9
  bench/busy.py -m models/shakespeare --before OLD/gyre --json

Every round runs `gyre bench` with one thread on the free machine, with all threads on the free machine, and with all
threads beside a process that spins on one processor, in an order that turns from round to round. A ratio is of two
figures of one round; what is printed are medians, with the least and the largest. --before runs another build of gyre
in the same rounds and gives ratios to it.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SPIN = "while True: pass"


@contextlib.contextmanager
def spinner(processor):
    """A process that keeps one processor busy."""
    process = subprocess.Popen(["taskset", "-c", str(processor), sys.executable, "-c", SPIN])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def run(gyre, options, threads):
    """Tokens/s of the prompt and of generation."""
    command = [gyre, "bench", "-m", options.model, "--threads", threads, "--prompt", options.prompt]
    command += ["--tokens", options.tokens, "--rounds", 1, "--json"]
    if options.weights:
        command += ["--weights", options.weights]
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if result.returncode != 0:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1]
        sys.exit(f"busy: {gyre} failed: {last}")
    figures = json.loads(result.stdout)
    return {name: figures[name]["tokens_per_second"] for name in ("prompt", "generation") if name in figures}


def run_beside(gyre, options, threads):
    with spinner(options.processor):
        return run(gyre, options, threads)


def measure(options):
    programs = {"now": options.gyre}
    if options.before:
        programs["before"] = options.before
    setups = []
    for name, gyre in programs.items():
        setups.append(((name, "one free"), lambda gyre=gyre: run(gyre, options, 1)))
        setups.append(((name, "all free"), lambda gyre=gyre: run(gyre, options, options.threads)))
        setups.append(((name, "all busy"), lambda gyre=gyre: run_beside(gyre, options, options.threads)))
    rounds = []
    for number in range(options.rounds):
        turn = number % len(setups)
        rounds.append({key: job() for key, job in setups[turn:] + setups[:turn]})
        if sys.stderr.isatty():
            print(f"\rround {number + 1} of {options.rounds}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return rounds


def spread(values):
    values = list(values)
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def summary(rounds):
    """Of each kind of work: tokens/s of each setup, and ratios within rounds."""
    result = {}
    for work in rounds[0][("now", "one free")]:

        def ratio(above, below, work=work):
            return spread(r[above][work] / r[below][work] for r in rounds)

        programs = sorted({name for name, _ in rounds[0]}, reverse=True)
        rows = result[work] = {"tokens_per_second": {}, "ratios": {}}
        for name, setup in rounds[0]:
            rows["tokens_per_second"][f"{name}: {setup}"] = spread(r[(name, setup)][work] for r in rounds)
        for name in programs:
            for setup in ("all free", "all busy"):
                rows["ratios"][f"{name}: {setup} / one free"] = ratio((name, setup), (name, "one free"))
        if "before" in programs:
            for setup in ("one free", "all free", "all busy"):
                rows["ratios"][f"now / before: {setup}"] = ratio(("now", setup), ("before", setup))
    return result


def show(result):
    for work, rows in result.items():
        print(work)
        for unit, lines in rows.items():
            for name, row in lines.items():
                digits = 1 if unit == "tokens_per_second" else 3
                figures = (f"{row[key]:9.{digits}f}" for key in ("median", "least", "most"))
                print(f"  {name:32} {' '.join(figures)}{' tokens/s' if digits == 1 else ''}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", required=True, type=pathlib.Path)
    parser.add_argument("--weights", help="as gyre bench takes it")
    parser.add_argument("--gyre", default=ROOT / "build/gyre", type=pathlib.Path)
    parser.add_argument("--before", type=pathlib.Path, help="another gyre, measured in the same rounds")
    parser.add_argument("--threads", default=len(os.sched_getaffinity(0)), type=int)
    parser.add_argument("--processor", default=max(os.sched_getaffinity(0)), type=int, help="that the other holds")
    parser.add_argument("--prompt", default=128, type=int, help="tokens of the prompt; 0: none")
    parser.add_argument("--tokens", default=128, type=int, help="tokens generated")
    parser.add_argument("--rounds", default=7, type=int)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for file in [options.gyre, options.model, *([options.before] if options.before else [])]:
        if not file.exists():
            sys.exit(f"busy: {file} is not there")
    if options.rounds < 1:
        sys.exit("busy: --rounds has to be at least 1")
    result = summary(measure(options))
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)


if __name__ == "__main__":
    main()
