"""LangChain's ChatOpenAI against `gyre serve`: langchain_client_test.py [--check], with GYRE_BINARY and GYRE_MODELS."""

import pathlib
import sys
import tempfile
import typing

import pydantic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from openai_client_test import make_chat_model, start


class Sum(pydantic.BaseModel):
    """A sum in parts."""

    a: int
    sign: typing.Literal["+", "-"]


@tool
def add(a: int, sign: typing.Literal["+", "-"]) -> str:
    """Adds."""
    return f"{sign}{a}"


def check_texts(model):
    whole = model.invoke("1+1?")
    assert whole.content and whole.usage_metadata["output_tokens"] == 12
    assert whole.response_metadata["finish_reason"] == "length"
    pieces = list(model.stream("1+1?"))
    assert len(pieces) > 3 and "".join(piece.content for piece in pieces) == whole.content


def check_batch(model):
    prompts = ["1+1?", "2+2?", "3+3?"]
    assert [one.content for one in model.batch(prompts)] == [model.invoke(prompt).content for prompt in prompts]


def check_structured(model):
    answer = model.with_structured_output(Sum, method="json_schema").invoke("1+1?")
    assert isinstance(answer, Sum) and answer.sign in "+-"


def check_tools(model):
    asked = model.bind_tools([add], tool_choice="required", strict=True, parallel_tool_calls=False)
    reply = asked.invoke("1+1?")
    call = reply.tool_calls[0]
    assert call["name"] == "add" and set(call["args"]) == {"a", "sign"}
    streamed = None
    for piece in asked.stream("1+1?"):
        streamed = piece if streamed is None else streamed + piece
    assert streamed.tool_calls[0]["args"] == call["args"]
    result = add.invoke(call["args"])
    assert model.invoke([HumanMessage("1+1?"), reply, ToolMessage(result, tool_call_id=call["id"])]).content


def main():
    with tempfile.TemporaryDirectory() as folder:
        server, client = start(make_chat_model(pathlib.Path(folder) / "chat"))
        try:
            asked = {"model": "chat", "base_url": str(client.base_url), "api_key": "any", "max_retries": 0, "seed": 4}
            check_texts(ChatOpenAI(**asked, max_tokens=12, stream_usage=True))
            check_batch(ChatOpenAI(**asked, max_tokens=6))
            check_structured(ChatOpenAI(**asked, max_tokens=180))
            check_tools(ChatOpenAI(**asked, max_tokens=180))
        finally:
            server.terminate()
        assert server.wait() == 0


if __name__ == "__main__":
    sys.exit(main())
