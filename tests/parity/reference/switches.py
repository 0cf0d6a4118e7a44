"""The same weights under other values of keys: `logits.NAME` for patches of config.json (RFC 7396, null removes)."""

from . import decoder
from .cases import same


def patched(config, patch):
    merged = dict(config)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            inner = merged.get(key)
            merged[key] = patched(inner if isinstance(inner, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def under(patches):
    """An extra of a family: logits under each of {name: patch}, which goes to expected.json as it is."""

    def extra(model, ids, arrays, meaning):
        for name, patch in patches.items():
            other = type(model)(patched(model.config, patch), model.t)
            loops = other.default_loops
            logits = decoder.prefill(other, ids, loops).logits
            one_by_one = decoder.decode(other, ids, [loops] * len(ids))
            arrays["logits." + name] = logits
            meaning["logits." + name] = f"[tokens, vocabulary] under switches.{name}"
            if other.varies:
                arrays[f"logits.{name}.one_by_one"] = one_by_one
                meaning[f"logits.{name}.one_by_one"] = "the same token by token"
            else:
                same(f"{name}: all at once and token by token", logits, one_by_one)
        return {"switches": patches}

    return extra


def lengths(*counts):
    """An extra of a family whose rotation varies: logits turned throughout as in sequences of these lengths."""

    def extra(model, ids, arrays, meaning):
        for count in counts:
            other = type(model)(model.config, model.t)
            other.length = count
            arrays[f"logits.length_{count}"] = decoder.prefill(other, ids, 1).logits
            meaning[f"logits.length_{count}"] = f"[tokens, vocabulary] turned as in a sequence of {count} tokens"
            one_by_one = decoder.decode(other, ids, [1] * len(ids))
            same(f"length {count}: all at once and token by token", arrays[f"logits.length_{count}"], one_by_one)
        return {"lengths": list(counts)}

    return extra
