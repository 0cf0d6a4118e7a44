"""Writes golden/: tokenizer files and token ids as the Python package `tokenizers` gives them.

    pip install tokenizers==0.23.3 && python3 make_golden.py
"""

import json
import pathlib

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

FOLDER = pathlib.Path(__file__).parent / "golden"

TRAINING_TEXT = """The loop runs again, and again: the same layers, the same weights, a deeper thought each time.
It's what they've said; we'll see whether it'd hold for 10, 100 or 1000 turns. Round and round the rugged rock.
    def loop(state, turns):
        for turn in range(turns):
            state = layer(state)
        return state
Für Elise, naïve café, Ελλάδα, Москва, 東京, 東京都, a family: 👨‍👩‍👧, flags: 🇫🇮🇫🇮.
""" * 2

TEXTS = [
    "",
    " ",
    "The same thought, again and again.",
    "  two  spaces   three\n\n\tand tabs \r\n at the end   ",
    "It's they've we'll I'm you're he'd IT'S THEY'VE",
    "in 2024 there were 1234567 turns, x²+½y",
    "naïve café, cafe\u0301, Ελλάδα, Москва, 東京タワー",
    "👨‍👩‍👧 👍🏽 🇫🇮 \u200b\u00a0\u3000\u0085 e\u0301\u0323",
    "before<|endoftext|>after <|endoftext|> <|endoftext|><|end",
    "\x00\x01\x7f control",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    TRAINING_TEXT[:400],
]

LLAMA_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


def trained() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([TRAINING_TEXT], trainer)
    return tokenizer


def with_split() -> Tokenizer:
    tokenizer = trained()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def with_digits() -> Tokenizer:
    tokenizer = trained()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return tokenizer


def of_bytes() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def of_characters() -> Tokenizer:
    alphabet = sorted(set("".join(TEXTS)))
    tokenizer = Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(alphabet)}, merges=[]))
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    made = {
        "trained": trained(),
        "split": with_split(),
        "digits": with_digits(),
        "bytes": of_bytes(),
        "characters": of_characters(),
    }
    cases = []
    for name, tokenizer in made.items():
        tokenizer.save(str(FOLDER / f"{name}.json"), pretty=False)
        ids = [tokenizer.encode(text).ids for text in TEXTS]
        cases.append({"file": f"{name}.json", "ids": ids})
    golden = {"training_text": TRAINING_TEXT, "texts": TEXTS, "cases": cases}
    (FOLDER / "cases.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
