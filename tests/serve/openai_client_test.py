"""The openai package against `gyre serve`: openai_client_test.py [--check], with GYRE_BINARY and GYRE_MODELS."""

import os
import subprocess
import sys

import openai

MODELS = os.environ["GYRE_MODELS"]


def start():
    words = [os.environ["GYRE_BINARY"], "serve", "-m", f"{MODELS}/shakespeare", "-m", f"sums={MODELS}/arithmetic"]
    server = subprocess.Popen([*words, "--port", "0", "--threads", "1"], stdout=subprocess.PIPE, text=True)
    address = server.stdout.readline().split()[-1]
    return server, openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0)


def check_texts(client):
    asked = {"model": "shakespeare", "prompt": "ROMEO:", "max_tokens": 20, "seed": 7}
    whole = client.completions.create(**asked)
    streamed = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].text for chunk in streamed if chunk.choices) == whole.choices[0].text
    assert streamed[-1].choices == [] and streamed[-1].usage == whole.usage
    assert whole.usage.completion_tokens == 20 and whole.choices[0].finish_reason == "length"
    deep = client.completions.create(**asked, extra_body={"gyre": {"exit": "accel:tau=0.2", "tokens": True}})
    assert len(deep.choices[0].gyre["loops"]) == 20


def check_scores(client):
    scored = client.completions.create(
        model="sums", prompt=[[6, 1, 7, 8], [4, 1]], max_tokens=1, temperature=0, logprobs=1, echo=True
    )
    for choice, count in zip(scored.choices, (5, 3)):
        scores = choice.logprobs
        assert len(scores.token_logprobs) == len(scores.top_logprobs) == count
        assert scores.token_logprobs[0] is None
        assert scores.token_logprobs[-1] == max(scores.top_logprobs[-1].values())


def check_formats(client):
    for _ in range(3):
        chosen = client.completions.create(
            model="sums", prompt="3+4=", max_tokens=9, extra_body={"guided_choice": ["1*1", "4-4"]}
        )
        assert chosen.choices[0].text in ("1*1", "4-4") and chosen.choices[0].finish_reason == "stop"


def check_vectors(client):
    vectors = client.embeddings.create(model="sums", input=["1+2=", "3"])
    assert [len(one.embedding) for one in vectors.data] == [128, 128]


def check_mistakes(client):
    for mistake, kind, about in (
        ({"model": "none", "prompt": "3"}, openai.NotFoundError, "model"),
        ({"model": "sums", "prompt": "x"}, openai.BadRequestError, "prompt"),
        ({"model": "sums", "prompt": "3", "temperature": 101}, openai.BadRequestError, "temperature"),
    ):
        try:
            client.completions.create(**mistake)
        except kind as error:
            assert error.param == about, error
        else:
            raise AssertionError(f"{mistake} was taken")


def main():
    server, client = start()
    try:
        assert [model.id for model in client.models.list()] == ["shakespeare", "sums"]
        for check in (check_texts, check_scores, check_formats, check_vectors, check_mistakes):
            check(client)
    finally:
        server.terminate()
    assert server.wait() == 0


if __name__ == "__main__":
    sys.exit(main())
