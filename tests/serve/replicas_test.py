"""Two `gyre serve` behind deploy/haproxy.cfg, of which one is killed and then one is stopped while clients ask:
replicas_test.py [--check], with GYRE_BINARY and GYRE_MODELS. Status 77 where there is no haproxy."""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

MODELS = os.environ["GYRE_MODELS"]
CONFIG = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "haproxy.cfg"
PLACES = 4  # texts that a server runs at once


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def serve(port):
    words = [os.environ["GYRE_BINARY"], "serve", "-m", f"{MODELS}/shakespeare", "--threads", "1"]
    server = subprocess.Popen(
        [*words, "--port", str(port), "--parallel", str(PLACES)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    server.stdout.readline()
    return server


def balance(folder, front, ports):
    """The file as it is, but for the ports."""
    text = CONFIG.read_text()
    for old, new in zip(("8000", "8081", "8082"), (front, *ports)):
        text, times = re.subn(rf"127\.0\.0\.1:{old}\b", f"127.0.0.1:{new}", text)
        assert times == 1, old
    file = folder / "haproxy.cfg"
    file.write_text(text)
    return subprocess.Popen(["haproxy", "-f", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ask(port, prompt):
    """The text, or nothing when the answer broke off or was a mistake."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        body = json.dumps({"prompt": prompt, "max_tokens": 20, "seed": 3, "temperature": 1})
        connection.request("POST", "/v1/completions", body)
        answer = connection.getresponse()
        whole = json.loads(answer.read())
        return whole["choices"][0]["text"] if answer.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def prompt_of(number, turn):
    return f"{'ABCDEFGH'[number]} {'xyz'[turn]}:"


def under_load(port, wanted, disturb):
    """How many answers were missing, and how many were not those of a server alone, while something is done to one."""
    missing, wrong = [], []

    def client(number):
        for turn in range(12):
            prompt = prompt_of(number, turn % 3)
            text = ask(port, prompt)
            if text is None:
                missing.append(prompt)
            elif text != wanted[prompt]:
                wrong.append(prompt)

    clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for one in clients:
        one.start()
    time.sleep(0.3)
    disturb()
    for one in clients:
        one.join()
    return len(missing), len(wrong)


def main():
    if shutil.which("haproxy") is None:
        print("skipped: there is no haproxy here")
        sys.exit(77)
    ports = [free_port(), free_port()]
    front = free_port()
    servers = [serve(port) for port in ports]
    with tempfile.TemporaryDirectory() as folder:
        balancer = balance(pathlib.Path(folder), front, ports)
        try:
            time.sleep(1)
            prompts = [prompt_of(n, t) for n in range(8) for t in range(3)]
            wanted = {prompt: ask(ports[0], prompt) for prompt in prompts}
            assert None not in wanted.values()
            missing, wrong = under_load(front, wanted, servers[1].kill)
            print(f"killed: {missing} of 96 answers missing, {wrong} wrong")
            assert wrong == 0 and missing <= 8, (missing, wrong)  # what it was at work on: one of each client at most
            servers[1].wait()
            servers[1] = serve(ports[1])
            time.sleep(6)  # until it counts again
            stop = lambda: servers[0].send_signal(signal.SIGTERM)  # noqa: E731
            missing, wrong = under_load(front, wanted, stop)
            print(f"stopped: {missing} of 96 answers missing, {wrong} wrong")
            assert wrong == 0 and missing == 0, (missing, wrong)
            assert servers[0].wait(timeout=60) == 0
        finally:
            for process in (balancer, *servers):
                process.kill()


if __name__ == "__main__":
    main()
