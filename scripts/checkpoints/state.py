"""A model's tensors under their plain names, out of what wraps them."""

import pathlib

from checkpoints.places import read_json
from checkpoints.refusal import Refusal, listed, shown
from checkpoints.torch_file import Tensor, Unread, load


def has_tensors(value):
    return isinstance(value, dict) and any(isinstance(one, Tensor) for one in value.values())


def unwrap(data, path):
    """(the dict of tensors, names of what lay beside it)."""
    aside = []
    while isinstance(data, dict):
        names = ("model", "state_dict", "model_state_dict", "module")
        inside = [key for key in names if isinstance(data.get(key), dict)]
        if len(inside) > 1:
            raise Refusal(f"{path} holds several models: {listed(inside)}; save one of them by itself")
        if not inside:
            break
        aside += [str(key) for key in data if key != inside[0]]
        data = data[inside[0]]
    if isinstance(data, Unread):
        raise Refusal(f"{path}: holds a whole object, not its tensors; save its state_dict()")
    if not has_tensors(data):
        kind = f"a dict of {listed(data)}" if isinstance(data, dict) else f"of type {type(data).__name__}"
        raise Refusal(f"{path}: holds no model's tensors but is {kind}")
    return data, aside


WRAPPERS = {"_orig_mod", "_original_module", "_forward_module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}


def plain_name(name, fronts):
    """Without what torch.compile, DDP, FSDP and Lightning put into names."""
    parts = [part for part in name.split(".") if part not in WRAPPERS]
    while len(parts) > 1 and parts[0] in fronts:
        del parts[0]
    return ".".join(parts)


def read_state(path, fronts):
    state, aside = unwrap(load(path), path)
    tensors = {}
    for key, value in state.items():
        name = plain_name(str(key), fronts)
        if name.endswith("flat_param"):
            raise Refusal(f"{path}: {key} is FSDP's own form of the weights; save the full state dict")
        if not isinstance(value, Tensor):
            kind = f"of type {type(value).__name__}"
            if isinstance(value, Unread):
                kind = f"an object that is not read ({listed(sorted(Unread.names))})"
            raise Refusal(f"{path}: {key} is {kind}, no plain tensor of a type that gyre reads")
        if name in tensors and value.dtype == tensors[name].dtype and value.equals(tensors[name]):
            continue  # Lightning saves a wrapped model under two names
        if name in tensors:
            raise Refusal(f"{path}: {name} is there twice, under names with other prefixes")
        tensors[name] = value
    return tensors, aside


def read_tensors(checkpoint, fronts):
    if not checkpoint.name.endswith(".index.json"):
        return read_state(checkpoint, fronts)
    places = read_json(checkpoint).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(file, str) for file in places.values()):
        raise Refusal(f"{checkpoint}: weight_map must map names of tensors to files")
    tensors, left = {}, []
    for file in sorted(set(places.values())):
        if pathlib.PurePath(file).name != file:
            raise Refusal(f"{checkpoint}: weight_map names {shown(file)}, which is not a file beside it")
        if not (checkpoint.parent / file).is_file():
            raise Refusal(f"{checkpoint.parent / file}: is named in {checkpoint.name} but is missing")
        part, aside = read_state(checkpoint.parent / file, fronts)
        left += aside
        wanted = {plain_name(name, fronts) for name, place in places.items() if place == file}
        for names, what in ((wanted - part.keys(), "lacks"), (part.keys() - wanted, "holds, unlike its index,")):
            if names:
                raise Refusal(f"{checkpoint.parent / file} {what} {listed(sorted(names))}")
        tensors |= part
    return tensors, left
