#!/usr/bin/env python3
"""Many clients at `gyre serve` for a long time: soak.py GYRE MODEL [--requests 10000] [--flag=--prefix-cache=0 ...]

A tenth leaves in the middle of its stream, a tenth is broken, a twentieth reads slowly; all others have to get what a
server that serves nobody else answers, to the byte. Prints the resident memory of the server at every thousand, when it
has no work, and what of it are beginnings of texts that it keeps; fails when it grows by more than --growth of what it
was after the first thousand requests."""
import argparse
import http.client
import json
import pathlib
import queue
import random
import subprocess
import sys
import threading
import time

PROMPTS = ["ROMEO:", "JULIET:\nO", "First Citizen:", "KING HENRY:\nMy", "The", "What, must"]


def start(options, flags):
    words = [options.gyre, "serve", "-m", f"m={options.model}", "--port", "0", "--threads", "1", *flags]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    return server, int(server.stdout.readline().rsplit(":", 1)[1])


def body_of(number):
    draw = random.Random(number)
    body = {"prompt": draw.choice(PROMPTS) + " " * draw.randrange(2), "max_tokens": draw.randrange(1, 40),
            "seed": draw.randrange(8), "temperature": draw.choice([0, 1])}
    if draw.random() < 0.2:
        body["gyre"] = {"exit": "accel:tau=0.2"}
    if draw.random() < 0.1:
        body["n"] = 2
    return body


def post(port, body, timeout=120):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    client.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
    return client, client.getresponse()


def texts_of_stream(lines):
    texts = {}
    for line in lines.decode().split("\n\n"):
        if not line.startswith("data: {"):
            continue
        for choice in json.loads(line[6:])["choices"]:
            texts[choice["index"]] = texts.get(choice["index"], "") + choice["text"]
    return [texts[index] for index in sorted(texts)]


def whole(port, body):
    client, answer = post(port, json.dumps(body))
    json_body = json.loads(answer.read())
    client.close()
    return [choice["text"] for choice in json_body["choices"]]


def one(port, number, alone):
    """What is wrong, or None."""
    body = body_of(number % 400)
    kind = number % 20
    if kind < 2:  # broken
        client, answer = post(port, json.dumps(body)[:-5])
        answer.read()
        client.close()
        return None if answer.status == 400 else f"a broken body gave {answer.status}"
    if kind < 4:  # leaves
        client, answer = post(port, json.dumps({**body, "stream": True, "max_tokens": 200}))
        answer.read(20)
        client.close()
        return None
    expected = alone(number % 400)
    if kind == 4 or number % 3 == 0:
        client, answer = post(port, json.dumps({**body, "stream": True}))
        lines = b""
        while piece := answer.read(64 if kind == 4 else 1 << 16):
            lines += piece
            if kind == 4:
                time.sleep(0.002)
        client.close()
        found = texts_of_stream(lines)
    else:
        found = whole(port, body)
    return None if found == expected else f"{body}: {found} for {expected}"


def resident(server):
    status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def kept(port):
    """Megabytes of beginnings of texts that the server keeps."""
    client = http.client.HTTPConnection("127.0.0.1", port)
    client.request("GET", "/metrics")
    lines = client.getresponse().read().decode().splitlines()
    client.close()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("gyre:prefix_bytes{")) / 2**20


def serve_all(numbers, clients, mistakes, ask):
    work = queue.Queue()
    for number in numbers:
        work.put(number)

    def client():
        while True:
            try:
                number = work.get_nowait()
            except queue.Empty:
                return
            try:
                wrong = ask(number)
            except Exception as failure:  # whatever it is, the request was lost
                wrong = f"{number}: {failure!r}"
            if wrong:
                mistakes.append(wrong)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gyre")
    parser.add_argument("model")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--growth", type=float, default=0.01)
    parser.add_argument("--flag", action="append", default=[], help="a flag for the server")
    options = parser.parse_args()
    reference, alone_port = start(options, ["--prefix-cache", "0", "--parallel", "1"])
    server, port = start(options, options.flag)
    known, lock = {}, threading.Lock()

    def alone(number):
        with lock:
            if number not in known:
                known[number] = whole(alone_port, body_of(number))
            return known[number]

    mistakes = []
    first = None
    for begin in range(0, options.requests, 1000):
        serve_all(range(begin, min(begin + 1000, options.requests)), options.clients, mistakes,
                  lambda number: one(port, number, alone))
        time.sleep(1.5)  # a server without work gives memory back
        last = resident(server)
        first = first or last
        print(f"{min(begin + 1000, options.requests)} requests: {last:.2f} MB, of these {kept(port):.2f} MB of beginnings",
              flush=True)
    for process in (server, reference):
        process.terminate()
    ended = [process.wait() for process in (server, reference)]
    print(f"{first:.2f} MB after the first thousand, {last:.2f} MB after the last; {len(mistakes)} mistakes")
    for mistake in mistakes[:5]:
        print(mistake)
    return 1 if mistakes or ended != [0, 0] or last > first * (1 + options.growth) else 0


if __name__ == "__main__":
    sys.exit(main())
