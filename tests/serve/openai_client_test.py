"""The openai package against `gyre serve`: openai_client_test.py [--check], with GYRE_BINARY and GYRE_MODELS."""

import asyncio
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import openai
import pydantic

MODELS = os.environ["GYRE_MODELS"]

# Functions and calls as Qwen's template writes them, in fewer words: the model has room for 256 tokens.
TEMPLATE = """{% for t in tools or [] %}{{ t.function.name }} {% endfor %}{% for m in messages %}{{ m.content }}
{%- for c in m.tool_calls or [] %}
<tool_call>
{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}
</tool_call>{% endfor %}
{% endfor %}"""
PARAMETERS = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "sign": {"enum": ["+", "-"]}},
    "required": ["a", "sign"],
    "additionalProperties": False,
}


def make_chat_model(folder):
    """A model of bytes with a template, so that it can spell JSON."""
    shutil.copytree(f"{MODELS}/two-scale", folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


def start(chat_model):
    words = [os.environ["GYRE_BINARY"], "serve", "-m", f"{MODELS}/shakespeare", "-m", f"sums={MODELS}/arithmetic"]
    words += ["-m", f"chat={chat_model}"]
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


TOOLS = [
    {"type": "function", "function": {"name": "add", "parameters": PARAMETERS}},
    {"type": "function", "function": {"name": "now"}},
]
CHAT = {"model": "chat", "messages": [{"role": "user", "content": "1+1?"}], "seed": 4, "max_tokens": 180}


def check_tools(client):
    asked = {**CHAT, "tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "add"}},
             "parallel_tool_calls": False}
    choice = client.chat.completions.create(**asked).choices[0]
    call = choice.message.tool_calls[0]
    arguments = json.loads(call.function.arguments)
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    assert call.function.name == "add" and isinstance(arguments["a"], int) and arguments["sign"] in "+-"
    with client.chat.completions.stream(**asked) as stream:
        kinds = {event.type for event in stream}
        streamed = stream.get_final_completion().choices[0].message.tool_calls
    assert "tool_calls.function.arguments.delta" in kinds and "tool_calls.function.arguments.done" in kinds
    assert [one.function.arguments for one in streamed] == [call.function.arguments]
    history = [*CHAT["messages"], choice.message.model_dump(exclude_none=True),
               {"role": "tool", "tool_call_id": call.id, "content": "2"}]
    after = client.chat.completions.create(**{**CHAT, "messages": history, "tools": TOOLS, "tool_choice": "none",
                                              "max_tokens": 3})
    assert after.choices[0].message.content and after.choices[0].finish_reason == "length"


class Sum(pydantic.BaseModel):
    a: int
    sign: bool


def check_structured(client):
    parsed = client.chat.completions.parse(**CHAT, response_format=Sum).choices[0].message.parsed
    assert isinstance(parsed, Sum)
    answer = client.responses.parse(model="chat", input="1+1?", text_format=Sum, extra_body={"seed": 4})
    assert isinstance(answer.output_parsed, Sum) and answer.text.format.type == "json_schema"


def check_responses(client):
    asked = {"model": "chat", "input": [{"role": "user", "content": [{"type": "input_text", "text": "1+1?"}]}],
             "instructions": "Sum.", "max_output_tokens": 12, "temperature": 0}
    whole = client.responses.create(**asked)
    assert whole.status == "incomplete" and whole.incomplete_details.reason == "max_output_tokens"
    assert whole.usage.output_tokens == 12 and whole.output[0].type == "message" and whole.instructions == "Sum."
    with client.responses.stream(**asked) as stream:
        events = list(stream)
    final = events[-1].response
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:4]] == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"]
    assert [event.type for event in events[-4:]] == [
        "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.incomplete"]
    assert final.output_text == whole.output_text and final.usage == whole.usage
    scored = client.responses.create(**asked, include=["message.output_text.logprobs"], top_logprobs=2)
    scores = scored.output[0].content[0].logprobs
    assert len(scores) == 12 and all(len(one.top_logprobs) == 2 for one in scores)


def check_functions_of_responses(client):
    tool = {"type": "function", "name": "add", "parameters": PARAMETERS, "strict": True}
    asked = {"model": "chat", "input": "1+1?", "tools": [tool], "tool_choice": "required", "parallel_tool_calls": False,
             "max_output_tokens": 180, "extra_body": {"seed": 4}}
    call = client.responses.create(**asked).output[0]
    assert call.type == "function_call" and call.name == "add" and json.loads(call.arguments)["sign"] in "+-"
    events = list(client.responses.create(**asked, stream=True))
    assert "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta") == call.arguments
    assert events[-1].type == "response.completed" and events[-1].response.output[0].arguments == call.arguments
    history = [{"role": "user", "content": "1+1?"}, call.model_dump(exclude_none=True),
               {"type": "function_call_output", "call_id": call.call_id, "output": "2"}]
    after = client.responses.create(model="chat", input=history, max_output_tokens=2)
    assert after.output_text
    for field, value in (("previous_response_id", "resp_1"), ("store", True), ("background", True)):
        try:
            client.responses.create(model="chat", input="1", **{field: value})
        except openai.BadRequestError as error:
            assert error.param == field
        else:
            raise AssertionError(f"{field} was taken")


def check_cancel(client):
    """Who goes away frees a place: of one server with a place more requests go through than it has places."""

    async def cancel():
        other = openai.AsyncOpenAI(base_url=client.base_url, api_key="any", max_retries=0)
        asked = {"model": "shakespeare", "prompt": "A", "max_tokens": 200, "n": 16}
        tasks = [asyncio.create_task(other.completions.create(**asked)) for _ in range(4)]
        await asyncio.sleep(0.3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        stream = await other.completions.create(**asked, stream=True)
        async for _ in stream:
            break
        await stream.close()
        return await other.completions.create(model="sums", prompt="1+1=", max_tokens=1)

    assert asyncio.run(cancel()).usage.completion_tokens <= 1


def main():
    with tempfile.TemporaryDirectory() as folder:
        server, client = start(make_chat_model(pathlib.Path(folder) / "chat"))
        try:
            assert [model.id for model in client.models.list()] == ["shakespeare", "sums", "chat"]
            for check in (check_texts, check_scores, check_formats, check_vectors, check_mistakes, check_tools,
                          check_structured, check_responses, check_functions_of_responses, check_cancel):
                check(client)
        finally:
            server.terminate()
        assert server.wait() == 0


if __name__ == "__main__":
    sys.exit(main())
