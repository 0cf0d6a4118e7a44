"""Two `gyre serve` behind deploy/haproxy.cfg or, with GYRE_PROXY=nginx, deploy/nginx.conf, of which one is killed and then
one is stopped while clients ask: replicas_test.py [--check], with GYRE_BINARY and GYRE_MODELS. Status 77 where there is
no such proxy."""

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
DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
PROXY = os.environ.get("GYRE_PROXY", "haproxy")
FILES = {"haproxy": ["haproxy.cfg"], "nginx": ["nginx.conf", "replicas.conf"]}[PROXY]
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
    """The files as they are, but for the ports."""
    found = []
    for name in FILES:
        text = (DEPLOY / name).read_text()
        for old, new in zip(("8000", "8081", "8082"), (front, *ports)):
            text, times = re.subn(rf"127\.0\.0\.1:{old}\b", f"127.0.0.1:{new}", text)
            found += [old] * times
        (folder / name).write_text(text)
    assert sorted(found) == ["8000", "8081", "8082"], found
    file = str(folder / FILES[0])
    command = ["haproxy", "-f", file] if PROXY == "haproxy" else ["nginx", "-p", folder, "-c", file, "-g", "daemon off;"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def requests_of(port):
    """How many requests for texts a server has taken."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b"".join(iter(lambda: client.recv(65536), b"")).decode()
    return int(re.search(r"^gyre:requests_total (\d+)", text, re.MULTILINE)[1])


def check_beginnings(front, ports):
    """Texts that begin alike go to one server, others to both."""
    start = [requests_of(port) for port in ports]
    for end in "ABCDEFGH":
        assert ask(front, end, 1024 * "x") is not None
    first = [requests_of(port) - before for port, before in zip(ports, start)]
    for number in range(24):
        assert ask(front, f"{number % 3 * 'A'}{'BCDEFGHI'[number // 3]}:") is not None
    both = [requests_of(port) - before for port, before in zip(ports, start)]
    print(f"alike: {first}, others: {both}")
    assert 0 in first and min(both) > 0, (first, both)


def ask(port, prompt, before=""):
    """The text, or nothing when the answer broke off or was a mistake. `before` is the beginning of the body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        body = json.dumps({"user": before, "prompt": prompt, "max_tokens": 20, "seed": 3, "temperature": 1})
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
    """Which answers were missing, and how many were not those of a server alone, while something is done to one. Of each
    missing one: whether that was no reason, since it was through before it began or asked for after it was done."""
    missing, wrong = [], []
    begun, done = threading.Event(), threading.Event()
    answered = threading.Semaphore(0)

    def client(number):
        for turn in range(12):
            prompt = prompt_of(number, turn % 3)
            late = done.is_set()
            text = ask(port, prompt)
            answered.release()
            if text is None:
                missing.append(late or not begun.is_set())
                done.wait(60)  # a socket of a dying server still takes requests, to lose them too
            elif text != wanted[prompt]:
                wrong.append(prompt)

    clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for one in clients:
        one.start()
    for _ in range(24):
        answered.acquire()
    begun.set()
    disturb()
    done.set()
    for one in clients:
        one.join()
    return missing, len(wrong)


def kill(server):
    """And it is gone."""
    server.kill()
    server.wait()


def main():
    if shutil.which(PROXY) is None:
        print(f"skipped: there is no {PROXY} here")
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
            check_beginnings(front, ports)
            missing, wrong = under_load(front, wanted, lambda: kill(servers[1]))
            print(f"killed: {len(missing)} of 96 answers missing, {sum(missing)} without a reason, {wrong} wrong")
            assert wrong == 0 and len(missing) <= 8, (missing, wrong)  # what it was at work on: one of each client at most
            assert not any(missing), missing
            servers[1] = serve(ports[1])
            time.sleep(6)  # until it counts again
            stop = lambda: servers[0].send_signal(signal.SIGTERM)  # noqa: E731
            missing, wrong = under_load(front, wanted, stop)
            print(f"stopped: {len(missing)} of 96 answers missing, {wrong} wrong")
            assert wrong == 0 and not missing, (missing, wrong)
            assert servers[0].wait(timeout=60) == 0
        finally:
            balancer.terminate()  # it ends its workers too
            for server in servers:
                server.kill()


if __name__ == "__main__":
    main()
