"""Tasks for lm-evaluation-harness that need nothing from anywhere, and what `gyre` says to the same questions."""

import json
import os
import subprocess

# Set before datasets is imported: what is asked is here, and nothing may be fetched.
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}

QUESTIONS = [
    ("Who speaks first, the king or the queen?", ["the king", "the queen my lady", "no"], 0),
    ("What is the noble lord afraid of?", ["his own sword", "love", "the night and all its stars"], 2),
    ("Where do they go?", ["To Rome", "to the wood"], 1),
    ("What did thy father leave thee?", ["nothing", "a crown of gold", "his name, and his sorrow", "land"], 0),
]
OF_THE_QUESTIONS = """dataset_path: json
dataset_kwargs: {data_files: {test: %s}}
test_split: test
"""
TASKS = {
    # Scored and cut as the harness's own arc_easy is.
    "choosing": """output_type: multiple_choice
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: "{{choices.label.index(answerKey)}}"
doc_to_choice: "{{choices.text}}"
metric_list: [{metric: acc}, {metric: acc_norm}]
""",
    "writing": """output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answerKey}}"
generation_kwargs: {until: ["ING"], max_gen_toks: 12, temperature: 0}
metric_list: [{metric: exact_match}]
""",
}
NAMES = list(TASKS)


def write_tasks(folder):
    """The tasks and their questions, whose file is returned."""
    rows = []
    for question, texts, right in QUESTIONS:
        labels = [chr(ord("A") + i) for i in range(len(texts))]
        rows.append({"question": question, "choices": {"text": texts, "label": labels}, "answerKey": labels[right]})
    data = folder / "questions.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, rest in TASKS.items():
        (folder / f"{name}.yaml").write_text(f"task: {name}\n{OF_THE_QUESTIONS % data}{rest}")
    return data


def told_by_gyre(*arguments):
    command = [os.environ["GYRE_BINARY"], *map(str, arguments), "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def check_samples(samples, model, data):
    """What the harness counted and got is what the program says, question by question."""
    told = told_by_gyre("eval", "-m", model, "--task", f"arc_easy:{data}", "--arithmetic", "exact", "--items")
    items = told["tasks"][0]["rows"][0]["item_results"]
    assert len(samples["choosing"]) == len(items) == len(QUESTIONS)
    for sample, item in zip(samples["choosing"], items):
        assert (sample["acc"], sample["acc_norm"]) == (item["acc"], item["acc_norm"]), (sample, item)
        assert len(sample["filtered_resps"]) == len(item["answers"])
        for (nats, greedy), answer in zip(sample["filtered_resps"], item["answers"]):
            assert abs(float(nats) - answer["log_likelihood_nats"]) < 1e-4, (sample, item)
            assert str(greedy) == str(answer["greedy"]), (sample, item)
    assert {item["acc"] for item in items} == {0, 1} and {item["acc_norm"] for item in items} == {0, 1}, items
    for sample, (question, _, _) in zip(samples["writing"], QUESTIONS):
        asked = ["generate", "-m", model, "-p", question, "-n", 12, "--temperature", 0, "--stop", "ING"]
        assert sample["filtered_resps"] == [told_by_gyre(*asked)["text"]], sample
