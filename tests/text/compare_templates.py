#!/usr/bin/env python3
"""Renders templates with gyre and with jinja2 set as transformers sets it, and says where they differ.

    compare_templates.py RENDERER [FOLDER]

RENDERER is the program gyre_render_templates. FOLDER (build/tools/templates) holds the wheel of the PyPI package
xinference, which ships the chat templates of dozens of published models; they are read from there. Without it only the
made templates are compared, which is said. Status 77, which ctest takes as skipped, where jinja2 is missing."""
import copy
import datetime
import json
import pathlib
import subprocess
import sys
import zipfile

try:
    import jinja2
    import jinja2.ext
    from jinja2.sandbox import ImmutableSandboxedEnvironment
except ImportError:
    print("skipped: no module jinja2 (Debian: python3-jinja2)")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from made_templates import CONVERSATIONS, MADE, SMALL_CONVERSATION  # noqa: E402

CLOCK = 1_700_000_000
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


class Generation(jinja2.ext.Extension):
    """The block that marks what an assistant said; it is written as it stands."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_written"), [], [], body).set_lineno(line)

    def _written(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                         extensions=[Generation, jinja2.ext.loopcontrols])
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = lambda form: datetime.datetime.fromtimestamp(CLOCK).strftime(form)
    return made


def published(folder):
    """The templates of the package, by the names of their models."""
    found = {}
    for wheel in sorted(folder.glob("xinference-*.whl")):
        with zipfile.ZipFile(wheel) as package:
            for name in package.namelist():
                if not name.endswith(".json"):
                    continue
                families = json.loads(package.read(name))
                for family in families if isinstance(families, list) else []:
                    template = family.get("chat_template") if isinstance(family, dict) else None
                    if isinstance(template, str):
                        found.setdefault(template, family.get("model_name", "?"))
    return found


def jobs(found):
    for template, name in found.items():
        for label, conversation in CONVERSATIONS.items():
            yield f"{name} / {label}", template, conversation
    for template in MADE:
        for label, conversation in CONVERSATIONS.items() if "messages" in template else [("small", SMALL_CONVERSATION)]:
            yield f"{template!r} / {label}", template, conversation


def rendered(compiled, conversation):
    variables = {"messages": [], "tools": None, "documents": None, "add_generation_prompt": False}
    variables |= TOKENS | conversation.get("arguments", {})
    variables |= {key: value for key, value in conversation.items() if key != "arguments"}
    try:
        return compiled.render(**variables)
    except Exception as failure:  # whatever leaves Python, gyre has to refuse too
        return failure


def compiled_or_failure(made, template):
    try:
        return made.from_string(template)
    except Exception as failure:
        return failure


def main():
    renderer = sys.argv[1]
    folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else pathlib.Path("build/tools/templates")
    found = published(folder)
    work = list(jobs(found))
    lines = []
    for _, template, conversation in work:
        job = {"messages": [], "tools": None, "documents": None, "add_generation_prompt": False, "arguments": {}}
        lines.append(json.dumps(job | conversation | {"template": template, "tokens": TOKENS, "clock": CLOCK}))
    run = subprocess.run([renderer], input="\n".join(lines) + "\n", capture_output=True, text=True, encoding="utf-8")
    answers = run.stdout.split("\n")[:-1]
    if run.returncode != 0 or len(answers) != len(work):
        print(f"{renderer} ended with {run.returncode} behind {len(answers)} of {len(work)} templates: {run.stderr}")
        return 1
    made = environment()
    compiled = {template: compiled_or_failure(made, template) for template in {template for _, template, _ in work}}
    differing = refused = 0
    for (label, template, conversation), answer in zip(work, map(json.loads, answers)):
        program = compiled[template]
        right = program if isinstance(program, Exception) else rendered(program, copy.deepcopy(conversation))
        refused += isinstance(right, Exception)
        if answer.get("text") == (None if isinstance(right, Exception) else right):
            continue
        differing += 1
        if differing <= 40:
            print(f"{label}\n  jinja2 {right!r}\n  gyre   {answer.get('text', answer)!r}")
    print(f"jinja2 {jinja2.__version__}: {len(found)} published and {len(MADE)} made templates, {len(work)} conversations, "
          f"{refused} refused by both, {differing} differ")
    if not found:
        print(f"no published templates were compared: {folder} holds no wheel of xinference (scripts/setup test)")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
