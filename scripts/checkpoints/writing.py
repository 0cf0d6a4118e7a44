"""The files of the folder that gyre opens."""

import json
import shutil
import struct

from checkpoints import tiktoken_file
from checkpoints.places import read_json
from checkpoints.refusal import Refusal, listed

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                   "chat_template.jinja", "chat_template.json", "generation_config.json")


def prepared(model, tensors):
    """Tensors as they are written, in order: (name, tensor)."""
    kept = {}
    for name, tensor in tensors.items():
        if name in model.unused:
            continue
        if tensor.dtype == "F64":
            tensor = tensor.narrowed()
            model.notes.append(f"{name}: float64 became float32")
        kept[name] = tensor.transposed() if name in model.transposed else tensor
    # Wide types first, so that every tensor lies aligned.
    return sorted(kept.items(), key=lambda item: (-item[1].storage.size, item[0]))


def write_safetensors(path, tensors):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, tensor in tensors:
        end = offset + tensor.count * tensor.storage.size
        header[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, tensor in tensors:
            file.writelines(tensor.pieces())
    return 8 + len(text) + offset


def write_json(path, value, indent=2):
    path.write_text(json.dumps(value, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")


def write_encoding(path, folder, model):
    pattern, ranks, special = tiktoken_file.read_encoding(path)
    size, stated = len(ranks) + len(special), model.config.get("vocab_size")
    if model.shapes is not None and size != stated:
        raise Refusal(f"{path}: {size} tokens, but vocab_size is {stated}; the tokenizer belongs to another model")
    write_json(folder / "tokenizer.json", tiktoken_file.tokenizer_json(pattern, ranks, special), indent=None)
    chat = all(name in special for name in ("<|bos|>", "<|user_start|>", "<|user_end|>", "<|assistant_start|>",
                                            "<|assistant_end|>"))
    if chat:
        write_json(folder / "tokenizer_config.json", {"bos_token": "<|bos|>", "eos_token": "<|assistant_end|>",
                                                      "chat_template": tiktoken_file.CHAT_TEMPLATE})
        # A new document begins where one ends.
        write_json(folder / "generation_config.json", {"bos_token_id": special["<|bos|>"], "eos_token_id": [
            special["<|assistant_end|>"], special["<|bos|>"]]})
    return f"tokenizer.json of {path}: {size} tokens, {len(special)} of them special"


def write_tokenizer(found, folder, model):
    if found is None:
        model.notes.append("no tokenizer lies beside the checkpoint; gyre needs one for text: name it with --tokenizer")
        return None
    if found.suffix == ".pkl":
        return write_encoding(found, folder, model)
    read_json(found)
    others = [found.parent / name for name in TOKENIZER_FILES if name != found.name and (found.parent / name).is_file()]
    for file in [found, *others]:
        shutil.copyfile(file, folder / ("tokenizer.json" if file == found else file.name))
    return f"{listed((file.name for file in [found, *others]), 99)} of {found.parent}"
