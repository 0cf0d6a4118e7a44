"""curl against `gyre serve`: curl_client_test.py [--check], with GYRE_BINARY and GYRE_MODELS. Status 77 without curl."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

BODY = {"prompt": "ROMEO:", "max_tokens": 12, "seed": 4, "temperature": 0}


def start():
    words = [os.environ["GYRE_BINARY"], "serve", "-m", pathlib.Path(os.environ["GYRE_MODELS"]) / "shakespeare"]
    server = subprocess.Popen([*words, "--port", "0", "--threads", "1"], stdout=subprocess.PIPE, text=True)
    return server, server.stdout.readline().split()[-1].rstrip("/")


def curl(*words, body=None, status=0):
    """What curl prints of a request; a body goes in as curl's standard input."""
    data = ["--data-binary", "@-", "-H", "Content-Type: application/json"] if body is not None else []
    done = subprocess.run(["curl", "-sS", "--max-time", "60", *data, *words], input=body, capture_output=True, text=True)
    assert done.returncode == status, (words, done.returncode, done.stderr, done.stdout)
    return done.stdout


def text_of(answer):
    return json.loads(answer)["choices"][0]["text"]


def check_answers(url):
    asked = url + "/v1/completions"
    text = text_of(curl(asked, body=json.dumps(BODY)))
    assert text
    streamed = curl("-N", asked, body=json.dumps({**BODY, "stream": True})).split("\n\n")
    assert streamed[-2:] == ["data: [DONE]", ""], streamed
    assert "".join(text_of(event.removeprefix("data: ")) for event in streamed[:-2]) == text
    for way in (["--http1.0"], ["--compressed"], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]):
        assert text_of(curl(*way, asked, body=json.dumps(BODY))) == text, way


def check_one_connection(url):
    health = url + "/health"
    told = curl("-o", "/dev/null", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n", health, health)
    assert told == "200 1\n200 0\n", told
    assert curl("-I", health).startswith("HTTP/1.1 200")


def check_mistakes(url):
    asked = url + "/v1/completions"
    kinds = [
        (["--fail-with-body", asked], json.dumps(BODY)[:-3], "400", "JSON"),
        (["--fail-with-body", asked], json.dumps({**BODY, "temperature": "hot"}), "400", "temperature"),
        (["--fail-with-body", url + "/v1/nothing"], json.dumps(BODY), "404", "/v1/nothing"),
        (["--fail-with-body", "-X", "PUT", asked], json.dumps(BODY), "405", "PUT"),
    ]
    for words, body, code, says in kinds:
        answer, told = curl(*words, "-w", "\n%{http_code} %{content_type}", body=body, status=22).rsplit("\n", 1)
        assert told.startswith(f"{code} ") and "application/json" in told, (words, told)
        assert says in json.loads(answer)["error"]["message"], answer


def runs(url):
    return any(slot["is_processing"] for slot in json.loads(curl(url + "/slots")))


def check_leaving(url):
    """Who leaves in the middle of a stream ends its text: nothing runs any more."""
    body = json.dumps({**BODY, "max_tokens": 200, "n": 8, "stream": True, "temperature": 1})
    leaves = subprocess.Popen(["curl", "-sN", "-d", body, url + "/v1/completions"], stdout=subprocess.PIPE)
    leaves.stdout.readline()
    assert runs(url)
    leaves.terminate()
    leaves.wait()
    for _ in range(200):
        if not runs(url):
            return
        time.sleep(0.05)
    raise AssertionError("the text of a client that left runs on")


def main():
    if shutil.which("curl") is None:
        print("skipped: no curl here; scripts/setup test brings it")
        sys.exit(77)
    server, url = start()
    try:
        check_answers(url)
        check_one_connection(url)
        check_mistakes(url)
        check_leaving(url)
    finally:
        server.terminate()
        assert server.wait(timeout=60) == 0


if __name__ == "__main__":
    main()
