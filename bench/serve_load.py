#!/usr/bin/env python3
"""How much a server gives under load: gyre by its schedules in turn, or gyre and llama-server.

  bench/serve_load.py MODEL --exit random:weights=8/2/1/1 --loops 4        open loop: schedules rows and lockstep
  bench/serve_load.py MODEL --rates 4 6 8 10 --first-token 500             the same at chosen rates
  bench/serve_load.py MODEL.gguf --llama-server PATH --clients 1 8         closed loop: gyre and llama-server

Open loop: requests of 8 clients arrive by a Poisson process, whether or not the server keeps up. Each rate is run on
both sides, the one that begins changing from round to round; what counts are the tokens that came while requests
arrived, not those of the drain behind, and the 99th percentile of the time to a first token. "At equal first-token
time" is the output at the rate, between those that were run, at which that percentile reaches --first-token.

Closed loop: so many clients, each of which asks again as soon as it has its answer. A ratio is of the two figures of
one round; what is printed are medians with the least and the most. Random prompts of words, the same for both sides;
all answers have the length that was asked for.
"""

import argparse
import asyncio
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def free_port():
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """A program that serves the model on a port of its own, and how its requests look."""

    def __init__(self, name, command, extra):
        self.name, self.extra, self.port = name, extra, free_port()
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    async def ready(self):
        for _ in range(1200):
            if self.process.poll() is not None:
                sys.exit(f"serve_load: {self.name} ended; run it by hand to see why")
            try:
                status, _ = await request(self.port, "GET", "/health", None)
                if status == 200:
                    return
            except OSError:
                pass
            await asyncio.sleep(0.1)
        sys.exit(f"serve_load: {self.name} is not ready after two minutes")

    def stop(self):
        self.process.kill()
        self.process.wait()


async def request(port, method, path, body, client=None):
    """Status, and the times at which pieces of the answer's text came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        text = json.dumps(body).encode() if body is not None else b""
        key = f"Authorization: Bearer client-{client}\r\n" if client is not None else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{key}Connection: close\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text)
        await writer.drain()
        status = int((await reader.readline()).split()[1])
        times = []
        left = b""
        while part := await reader.read(65536):
            now = time.perf_counter()
            # A piece of text is a line of data; what is not whole yet waits.
            *lines, left = (left + part).split(b"\n")
            times += [now for line in lines if line.startswith(b"data: {") and b'"finish_reason":null' in line]
        return status, times
    finally:
        writer.close()


class Work:
    """What is asked, drawn once: the same for every side and round."""

    def __init__(self, options, count, seed):
        dice = random.Random(seed)
        letters = options.letters
        self.bodies = []
        for _ in range(count):
            words = ["".join(dice.choices(letters, k=dice.randint(2, 7))) for _ in range(dice.randint(*options.words))]
            self.bodies.append(
                {
                    "prompt": " ".join(words),
                    "max_tokens": dice.randint(*options.tokens),
                    "temperature": 0.8,
                    "seed": dice.randrange(1 << 30),
                    "ignore_eos": True,
                    "stream": True,
                }
            )
        self.dice = dice


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def open_loop(server, work, rate, clients):
    """Output tokens/s while requests arrived, and the 99th percentile of the time to a first token in ms."""
    dice = random.Random(int(rate * 1000))
    gaps = [dice.expovariate(rate) for _ in work.bodies]
    begin = time.perf_counter()
    asked = []

    async def one(number, body):
        start = time.perf_counter()
        status, times = await request(server.port, "POST", "/v1/completions", {**body, **server.extra}, number % clients)
        return status, start, times

    for number, (gap, body) in enumerate(zip(gaps, work.bodies)):
        await asyncio.sleep(max(0.0, begin + sum(gaps[: number + 1]) - time.perf_counter()))
        asked.append(asyncio.create_task(one(number, body)))
    window = time.perf_counter()
    answers = await asyncio.gather(*asked)
    failed = sum(1 for status, _, times in answers if status != 200 or not times)
    if failed:
        sys.exit(f"serve_load: {failed} of {len(answers)} requests failed at {rate} a second; raise --queue")
    # Some pieces hold no whole character yet, and are not sent: what came is counted by its share.
    tokens = sum(
        body["max_tokens"] * sum(1 for when in times if when <= window) / len(times)
        for body, (_, _, times) in zip(work.bodies, answers)
    )
    first = [1000 * (times[0] - start) for _, start, times in answers]
    return tokens / (window - begin), percentile(first, 0.99), percentile(first, 0.5)


async def closed_loop(server, work, clients):
    """Output tokens/s of so many clients, each asking again at once."""
    waiting = list(work.bodies)
    begin = time.perf_counter()
    tokens = 0

    async def client(number):
        nonlocal tokens
        while waiting:
            body = waiting.pop()
            status, times = await request(server.port, "POST", "/v1/completions", {**body, **server.extra}, number)
            if status != 200 or not times:
                sys.exit(f"serve_load: {server.name} answered with status {status} and {len(times)} pieces of text")
            tokens += body["max_tokens"]

    await asyncio.gather(*(client(number) for number in range(clients)))
    return tokens / (time.perf_counter() - begin)


def at_first_token(points, bound):
    """Output at the rate at which the percentile reaches the bound, between the rates that were run; the last one's
    where it never does."""
    points = sorted(points)
    for (_, low_output, low), (_, high_output, high) in zip(points, points[1:]):
        if low <= bound < high:
            return low_output + (high_output - low_output) * (bound - low) / (high - low)
    return points[-1][1] if points[-1][2] <= bound else None


def gyre_server(options, name, schedule):
    own = {"gyre": {key: value for key, value in (("exit", options.exit), ("loops", options.loops)) if value}}
    command = [options.gyre, "serve", "-m", options.model, "--threads", options.threads, "--schedule", schedule]
    command += ["--parallel", options.parallel, "--queue", 4096, "--kv-type", options.kv_type, "--prefix-cache", 0]
    return Server(name, [str(word) for word in command], own if own["gyre"] else {})


def llama_server(options):
    command = [options.llama_server, "-m", options.model, "-t", options.threads, "-np", options.parallel, "--no-webui"]
    command += ["-c", options.parallel * 1024, "--no-warmup", "-lv", 0]
    return Server("llama-server", [str(word) for word in command], {"cache_prompt": False})


def spread(values, digits=2):
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({least:.{digits}f}-{most:.{digits}f})"


async def compare_schedules(options):
    sides = [gyre_server(options, name, name) for name in ("rows", "lockstep")]
    points = {side.name: {rate: [] for rate in options.rates} for side in sides}
    try:
        for side in sides:
            await side.ready()
            await closed_loop(side, Work(options, options.parallel, 0), options.parallel)  # the first pass is slower
        for turn in range(options.rounds):
            for rate in options.rates:
                work = Work(options, options.requests, 1 + turn)
                for side in sides if turn % 2 == 0 else sides[::-1]:
                    points[side.name][rate].append(await open_loop(side, work, rate, 8))
    finally:
        for side in sides:
            side.stop()
    print(f"{'requests/s':>10}" + "".join(f"  {side.name:>9}: tokens/s, first token ms p50, p99" for side in sides))
    middles = {side.name: [] for side in sides}
    for rate in options.rates:
        line = f"{rate:>10}"
        for side in sides:
            output, p99, p50 = (statistics.median(one[i] for one in points[side.name][rate]) for i in range(3))
            middles[side.name].append((rate, output, p99))
            line += f"  {output:>21.1f} {p50:>13.0f} {p99:>9.0f}"
        print(line)
    outputs = {name: at_first_token(middle, options.first_token) for name, middle in middles.items()}
    print(f"output at a p99 of {options.first_token} ms: {outputs}")
    if all(outputs.values()):
        print(f"rows by lockstep: {outputs['rows'] / outputs['lockstep']:.2f}")


async def compare_servers(options):
    for clients in options.clients:
        options.parallel = clients
        sides = [gyre_server(options, "gyre", "rows"), llama_server(options)]
        figures = {side.name: [] for side in sides}
        try:
            for side in sides:
                await side.ready()
                await closed_loop(side, Work(options, clients, 0), clients)
            for turn in range(options.rounds):
                work = Work(options, options.requests, 1 + turn)
                for side in sides if turn % 2 == 0 else sides[::-1]:
                    figures[side.name].append(await closed_loop(side, work, clients))
        finally:
            for side in sides:
                side.stop()
        ratios = [mine / theirs for mine, theirs in zip(figures["gyre"], figures["llama-server"])]
        told = ", ".join(f"{name} {spread(values, 1)} tokens/s" for name, values in figures.items())
        print(f"{clients} clients: {told}; ratio {spread(ratios)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--gyre", default=ROOT / "build" / "gyre")
    parser.add_argument("--llama-server", help="compare with this program, in a closed loop")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8], help="of a closed loop")
    parser.add_argument("--rates", type=float, nargs="+", default=[1, 2, 4, 8], help="requests a second of an open loop")
    parser.add_argument("--first-token", type=float, default=500, help="ms at which outputs are compared")
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--words", type=int, nargs=2, default=(4, 12), help="of a prompt, least and most")
    parser.add_argument("--letters", default="abcdefghijklmnopqrstuvwxyz", help="that words are made of")
    parser.add_argument("--tokens", type=int, nargs=2, default=(32, 96), help="of an answer, least and most")
    parser.add_argument("--parallel", type=int, default=8, help="texts that run at once")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--kv-type", default="bf16")
    parser.add_argument("--exit", help="rule of the requests to gyre")
    parser.add_argument("--loops", help="of the requests to gyre")
    options = parser.parse_args()
    asyncio.run(compare_servers(options) if options.llama_server else compare_schedules(options))


if __name__ == "__main__":
    main()
