#!/usr/bin/env python3
"""What the Python package costs: the same text written by it and by the program, in turn, as tokens a second.

    python3 bench/python_generate.py BINARY MODEL [--tokens N] [--rounds N] [--threads N] [--exit RULE]

The program's time is what it says of its prompt and passes; the package's is that of the whole call, by the clock. Run
it with a Python that has the package (build/python-environment/bin/python).
"""

import argparse
import json
import statistics
import subprocess
import time

import gyre


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("model")
    parser.add_argument("--prompt", default="ROMEO:")
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--exit", default="fixed")
    options = parser.parse_args()

    model = gyre.load(options.model, threads=options.threads)
    named = {"tokens": options.tokens, "exit": options.exit, "ignore_end": True}
    command = [
        options.binary,
        "generate",
        "-m",
        options.model,
        "-p",
        options.prompt,
        "-n",
        str(options.tokens),
        "--threads",
        str(options.threads),
        "--exit",
        options.exit,
        "--ignore-end",
        "--json",
    ]

    def program():
        told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        return told["text"], told["prefill_milliseconds"] + sum(token["milliseconds"] for token in told["tokens"])

    def package():
        start = time.perf_counter()
        text = model.generate(options.prompt, **named).text
        return text, 1000 * (time.perf_counter() - start)

    def streamed():
        start = time.perf_counter()
        text = "".join(token.text for token in model.stream(options.prompt, **named))
        return text, 1000 * (time.perf_counter() - start)

    ways = {"program": program, "package": package, "streamed": streamed}
    times = {name: [] for name in ways}
    texts = set()
    for turn in range(options.rounds + 1):
        for name in list(ways) if turn % 2 == 0 else reversed(ways):
            # A program that has just read the model has it in the processor's caches; so has the package then.
            model.generate(options.prompt, tokens=1)
            text, milliseconds = ways[name]()
            texts.add(text)
            times[name].append(milliseconds)
    assert len(texts) == 1, "the texts differ"
    for name, all_times in times.items():
        print(f"{name:9} {options.tokens / statistics.median(all_times[1:]) * 1000:9.1f} tokens/s", end="")
        ratios = [one / other for one, other in zip(times["program"][1:], all_times[1:])]
        print(f"   {statistics.median(ratios):.3f} of the program's ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
