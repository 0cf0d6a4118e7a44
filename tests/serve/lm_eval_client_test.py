"""lm-evaluation-harness against `gyre serve`: lm_eval_client_test.py [--check], with GYRE_BINARY and GYRE_MODELS.

Its own local-completions asks /v1/completions with the server's tokenizer; what it counts is what `gyre eval` counts.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lm_eval_tasks import NAMES, OFFLINE, check_samples, write_tasks  # noqa: E402

CACHE = tempfile.TemporaryDirectory()  # until the end of the process
os.environ.update(OFFLINE, HF_HOME=CACHE.name)

import lm_eval  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402


def start(model):
    command = [os.environ["GYRE_BINARY"], "serve", "-m", str(model), "--port", "0", "--threads", "1"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return server, server.stdout.readline().split()[-1]


def asked(folder, address):
    return lm_eval.simple_evaluate(
        model="local-completions",
        model_args={"model": "shakespeare", "base_url": f"{address}/v1/completions", "num_concurrent": 2},
        batch_size=2,
        tasks=NAMES,
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        bootstrap_iters=0,
    )


def main():
    model = pathlib.Path(os.environ["GYRE_MODELS"]) / "shakespeare"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data = write_tasks(folder)
        server, address = start(model)
        try:
            results = asked(folder, address)
        finally:
            server.terminate()
            server.wait(30)
        check_samples(results["samples"], model, data)


if __name__ == "__main__":
    main()
