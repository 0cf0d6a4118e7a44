"""Writes golden/: tokenizer files and token ids as the Python package `tokenizers` gives them.

    pip install tokenizers==0.23.3 && python3 make_golden.py
"""

import json
import pathlib

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

ByteLevel, Digits, Punctuation, Sequence, Split = (
    getattr(pre_tokenizers, name) for name in ("ByteLevel", "Digits", "Punctuation", "Sequence", "Split")
)

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


# Scripts whose marks belong to words, what joins characters, and what the dialects of regular expressions disagree on.
SCRIPT_TEXTS = [
    "",
    "नमस्ते दुनिया, क्या हाल है?",
    "สวัสดีชาวโลก ก็ดี ๑๒๓",
    "שָׁלוֹם עוֹלָם",
    "مرحبًا بالعالم ١٢٣",
    "日本、東京。「々」〇一二 カタカナー ひらがな 한국어",
    "👨\u200d👩\u200d👧 👍🏽 🏳️\u200d🌈 🇫🇮",
    "cafe\u0301 e\u0301\u0323x a\u0308_b x\u200dy \u200b\ufeffz",
    "x²+½ ⅷ Ⅻ ① ⓐⒷ 🄰🅰 ৪ 1234567 12,345.6",
    "a1234b 12345 x! 1,000 (don't) It's",
    "aab aaab b xxa abc-ABC ß SS ss ſ K \u212a",
    "one\ntwo\r\n\r\n  three \t\u00a0\u3000\u2028\u0085\u180eend  ",
    "foo_bar __init__ camelCase HTTPServer $5 <tag> a&b [x] a^b~`|",
]

PATTERNS = [
    r"\p{Han}", r"[\p{Han}]+", r"\p{Hiragana}|\p{Katakana}", r"a{,2}b", r"a{2,}", r"[\u4e00-\u9fa5\u3040-\u30ff]+", r"\x{65e5}",
    r"\w+", r"\W+", r"\b\w", r"\d+", r"\D+", r"\s+(?!\S)|\s+", r"[^\s\p{L}\p{N}]+", r"[[:alpha:]]+", r"[[:punct:]]+", r"\h+", r"\R",
    r"\X", r"(?i)ss|k", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)", r"[a-z&&[^b]]+", r"^\S+|\S+$", r".+", r"(?m:.+)", r"x*", r"(?=a)", r"b|(?<=a)",
    r"a\Kb", r"(?<!a)b", r"(?>a+)b", r"a++b", r"(a)\1", r"\p{Lu}?\p{Ll}+", r"\p{M}+", r"\p{^L}+", r"\P{L}+", r"[\p{L}\p{M}]+", r"\Ga|x",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s+",
]


def falcon(last) -> Sequence:
    return Sequence([Punctuation("contiguous"), ByteLevel(add_prefix_space=False), *last])


def pre_tokenizers_of_scripts() -> list:
    made = [Split(Regex(pattern), "isolated") for pattern in PATTERNS]
    for behavior in ("removed", "contiguous", "merged_with_previous", "merged_with_next"):
        made += [Split(Regex(pattern), behavior, invert) for pattern in (r"a|\s", r"x*", r"(?=a)") for invert in (False, True)]
    made += [pre_tokenizers.Whitespace(), pre_tokenizers.WhitespaceSplit(), Punctuation(), Digits(), Digits(True)]
    made += [pre_tokenizers.BertPreTokenizer(), ByteLevel(add_prefix_space=False), ByteLevel(add_prefix_space=True)]
    made += [
        falcon([Digits(individual_digits=False), Split(Regex("[0-9][0-9][0-9]"), "isolated")]),
        falcon([Split(Regex(r"\p{L}"), "removed")]),
        falcon([pre_tokenizers.Whitespace(), Digits(True)]),
        falcon([ByteLevel(add_prefix_space=True)]),
        falcon([Split("Ġ", "merged_with_next"), ByteLevel(add_prefix_space=False), Split("Ä", "isolated")]),
    ]
    return made


def write_pre_tokenizers() -> None:
    cases = []
    for pre_tokenizer in pre_tokenizers_of_scripts():
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizer
        pieces = [[piece for piece, _ in pre_tokenizer.pre_tokenize_str(text)] for text in SCRIPT_TEXTS]
        cases.append({"pre_tokenizer": json.loads(made.to_str())["pre_tokenizer"], "pieces": pieces})
    golden = {"texts": SCRIPT_TEXTS, "cases": cases}
    (FOLDER / "pre_tokenizers.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


def main() -> None:
    write_pre_tokenizers()
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
