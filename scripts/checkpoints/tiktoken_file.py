"""nanochat's tokenizer.pkl, a pickled tiktoken.Encoding, as a tokenizer.json that gives the same ids."""

import pickle

from checkpoints.refusal import Refusal, listed, shown


class Encoding:
    """The fields that a pickled tiktoken.Encoding holds."""

    fields = None

    def __setstate__(self, state):
        self.fields = state


class EncodingUnpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if module in ("tiktoken", "tiktoken.core") and name == "Encoding":
            return Encoding
        if (module, name) == ("copyreg", "__newobj__"):
            return lambda kind, *_: kind()
        raise Refusal(f"the class {module}.{name} is not read; nanochat's tokenizer.pkl holds a tiktoken.Encoding only")


def read_encoding(path):
    """(pattern, {bytes: rank}, {name: id}) of a pickled tiktoken.Encoding, running nothing of it."""
    try:
        with open(path, "rb") as file:
            value = EncodingUnpickler(file).load()
    except Refusal as refusal:
        raise Refusal(f"{path}: {refusal}") from None
    except Exception as error:  # whatever damaged bytes make of the unpickler
        raise Refusal(f"{path}: no pickle, or damaged: {error}") from None
    fields = value.fields if isinstance(value, Encoding) else None
    if isinstance(fields, str):
        raise Refusal(f"{path}: holds only the name of tiktoken's own encoding {shown(fields)}; give a tokenizer.json "
                      "of it")
    try:
        pattern, ranks, special = fields["pat_str"], fields["mergeable_ranks"], fields["special_tokens"]
    except (TypeError, KeyError):
        raise Refusal(f"{path}: is not a tiktoken.Encoding with pat_str, mergeable_ranks and special_tokens") from None
    sound = (isinstance(pattern, str) and isinstance(ranks, dict) and isinstance(special, dict)
             and all(isinstance(token, bytes) and token and isinstance(rank, int) for token, rank in ranks.items())
             and all(isinstance(name, str) and isinstance(token, int) for name, token in special.items()))
    ids = [*sorted(ranks.values()), *sorted(special.values())] if sound else []
    if not sound or ids != list(range(len(ids))):
        raise Refusal(f"{path}: tokens must be bytes with the ranks 0, 1, 2, ..., special tokens names with the ids "
                      "that follow, each once")
    lacking = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if lacking:
        raise Refusal(f"{path}: no token stands for the bytes {listed(lacking)}")
    return pattern, ranks, special


def byte_characters():
    """The character that byte-level vocabularies of tokenizer.json write for each byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + i) for i, byte in enumerate(others)}


def last_pair(token, ranks):
    """The two tokens that tiktoken joins last to make `token`; None where joining does not lead to it."""
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 2:
        joined = [ranks.get(a + b, len(ranks)) for a, b in zip(parts, parts[1:])]
        at = joined.index(min(joined))
        if joined[at] == len(ranks):
            return None
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


def tokenizer_json(pattern, ranks, special):
    """A tokenizer.json that gives the ids of tiktoken.Encoding.

    tiktoken joins the neighbours whose joined bytes have the least rank; here a list of pairs says which and in what
    order. What is joined to a token is always the same pair: the pieces between two borders that still stand do not
    depend on what is around them. A word that is a token as a whole is that token, joined or not (`ignore_merges`).
    """
    characters = byte_characters()

    def text(token):
        return "".join(characters[byte] for byte in token)

    pairs = [last_pair(token, ranks) for token in sorted(ranks, key=ranks.get) if len(token) > 1]
    added = [{"id": token, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": True} for name, token in sorted(special.items(), key=lambda item: item[1])]
    begin = "<|bos|>"
    surround = None
    if begin in special:
        one, two = [{"SpecialToken": {"id": begin, "type_id": kind}} for kind in (0, 1)]
        first, second = [{"Sequence": {"id": which, "type_id": kind}} for which, kind in (("A", 0), ("B", 1))]
        surround = {"type": "TemplateProcessing", "single": [one, first], "pair": [one, first, two, second],
                    "special_tokens": {begin: {"id": begin, "ids": [special[begin]], "tokens": [begin]}}}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": surround,
        "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": True,
                  "vocab": {text(token): rank for token, rank in sorted(ranks.items(), key=lambda item: item[1])},
                  "merges": [[text(a), text(b)] for a, b in filter(None, pairs)]},
    }


# As nanochat's render_conversation: what the system says comes first in what the user says next.
CHAT_TEMPLATE = """\
{{- '<|bos|>' }}
{%- set ns = namespace(before='') %}
{%- for message in messages %}
{%- if message['role'] == 'system' %}{% set ns.before = message['content'] + '\\n\\n' %}
{%- elif message['role'] == 'user' %}
{{- '<|user_start|>' + ns.before + message['content'] + '<|user_end|>' }}{% set ns.before = '' %}
{%- elif message['role'] == 'assistant' %}{{- '<|assistant_start|>' + message['content'] + '<|assistant_end|>' }}
{%- else %}{{- raise_exception('roles are system, user and assistant') }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|assistant_start|>' }}{% endif %}"""
