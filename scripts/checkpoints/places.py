"""Where the files of a checkpoint lie."""

import json
import re

from checkpoints.refusal import Refusal, listed


def step_of(path):
    """The number in model_003500.pt or step-00010000-run."""
    found = re.match(r"(?:model_|step-)(\d+)", path.name)
    return int(found[1]) if found else -1


def find_checkpoint(source):
    """The one file of a checkpoint; the last step where there are several."""
    if not source.exists():
        raise Refusal(f"{source}: no such file or folder")
    if source.is_file():
        if source.suffix == ".safetensors":
            raise Refusal(f"{source}: this is safetensors already; gyre opens its folder as it is")
        return source
    if any(source.glob("*.distcp")) or (source / ".metadata").exists():
        raise Refusal(f"{source}: a checkpoint in shards of several processes; write it as one first: "
                      "python3 -m lightning.fabric.utilities.consolidate_checkpoint FOLDER")
    names = ("pytorch_model.bin.index.json", "pytorch_model.bin", "model.bin", "model.pt", "model.pth", "lit_model.pth",
             "checkpoint.pt", "checkpoint.pth", "ckpt.pt")
    found = [source / name for name in names if (source / name).is_file()]
    for steps in (source.glob("model_*.pt"), [*source.glob("step-*"), *source.glob("checkpoints-*/step-*")]):
        numbered = [(step_of(path), path.name, path) for path in steps]
        last = max((one for one in numbered if one[0] >= 0), default=(-1, "", None))[-1]
        if last is not None:
            found.append(last)
    if len(found) > 1:
        raise Refusal(f"{source} holds several checkpoints: {listed(path.name for path in found)}; give one of them")
    if not found:
        if list(source.glob("*.safetensors")):
            raise Refusal(f"{source} holds safetensors and no other checkpoint; gyre opens it as it is")
        raise Refusal(f"{source} holds no checkpoint: none of {listed(names, 99)}, model_STEP.pt, step-STEP-RUN")
    return find_checkpoint(found[0])


def read_json(path):
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise Refusal(f"{path}: {error}") from None
    if not isinstance(value, dict):
        raise Refusal(f"{path}: must hold an object, found {type(value).__name__}")
    return value


def read_config(path):
    if path.suffix in (".yaml", ".yml"):
        if path.name.startswith("hyperparameters"):
            raise Refusal(f"{path}: flags of a training run, not a model's configuration; give model_config.json")
        try:
            import yaml
        except ImportError:
            raise Refusal(f"{path}: reading YAML needs PyYAML: pip install pyyaml") from None
        try:
            value = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, ValueError, OSError) as error:
            raise Refusal(f"{path}: {error}") from None
        if not isinstance(value, dict):
            raise Refusal(f"{path}: must hold keys and values")
    else:
        value = read_json(path)
    if isinstance(value.get("model_config"), dict):
        return value["model_config"], f"{path}: model_config"
    return value, str(path)


def find_config(checkpoint):
    meta = re.fullmatch(r"model_(.+)\.pt", checkpoint.name)
    if meta and (checkpoint.parent / f"meta_{meta[1]}.json").is_file():
        return checkpoint.parent / f"meta_{meta[1]}.json"
    folders = [checkpoint.parent]
    if checkpoint.name.startswith("step-") or checkpoint.parent.name.startswith(("step-", "checkpoints-")):
        folders += list(checkpoint.parent.parents)[:2]
    names = ("config.json", "model_config.json", "model_config.yaml", "run_config.json")
    for folder in folders:
        for name in names:
            if (folder / name).is_file():
                return folder / name
    if (checkpoint.parent / "hyperparameters.yaml").is_file():
        return checkpoint.parent / "hyperparameters.yaml"  # which says what is wrong with it
    beside = f"meta_{meta[1]}.json, " if meta else ""
    raise Refusal(f"{checkpoint}: no configuration lies beside it: {beside}{', '.join(names)}; name it with --config")


def find_tokenizer(checkpoint, given, family):
    """tokenizer.json or tokenizer.pkl; None when there is none."""
    if given is not None and given.is_file():
        return given
    folder = checkpoint.parent
    folders = [given] if given is not None else [folder, folder / "tokenizer"]
    if given is None and len(folder.parents) > 1:
        folders.append(folder.parents[1] / "tokenizer")
    # nanochat reads the pickle.
    names = ("tokenizer.pkl", "tokenizer.json") if family == "looped nanochat" else ("tokenizer.json", "tokenizer.pkl")
    found = next((place / name for place in folders for name in names if (place / name).is_file()), None)
    if found is None and given is not None:
        raise Refusal(f"{given}: holds no tokenizer.json or tokenizer.pkl")
    return found
