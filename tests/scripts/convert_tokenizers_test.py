#!/usr/bin/env python3
"""Pickled encodings become tokenizers that give the same ids (scripts/convert_checkpoint)."""

import json
import pickle
import random
import subprocess

from converted import (
    encoding_state,
    FolderTest,
    GYRE,
    Harm,
    package,
    pickled_as,
    pickled_encoding,
    Refusal,
    run_tests,
    small_encoding,
    tiktoken_file,
    write_json,
)


class TokenizerTest(FolderTest):
    TEXTS = ["", "the loop", " the  then there loops café 12345", "abababab aaaaaaa bababa", "東京 \U0001F44D\n\n x",
             *("".join(random.Random(seed).choice("abc the") for _ in range(40)) for seed in range(60))]

    def write(self, data):
        path = self.folder / "tokenizer.pkl"
        path.write_bytes(data)
        return path

    @staticmethod
    def tiktoken_ids(word, ranks):
        """Joins the neighbours of least rank until none can be joined."""
        if word in ranks:
            return [ranks[word]]
        parts = [word[i : i + 1] for i in range(len(word))]
        while True:
            joined = [ranks.get(a + b, len(ranks)) for a, b in zip(parts, parts[1:])]
            if not joined or min(joined) == len(ranks):
                return [ranks[part] for part in parts]
            at = joined.index(min(joined))
            parts[at : at + 2] = [parts[at] + parts[at + 1]]

    @staticmethod
    def listed_ids(word, model, characters):
        """Joins by the list of pairs, as the package tokenizers does."""
        text = "".join(characters[byte] for byte in word)
        if text in model["vocab"]:
            return [model["vocab"][text]]
        order = {tuple(pair): place for place, pair in enumerate(model["merges"])}
        parts = list(text)
        while True:
            places = [order.get(pair, len(order)) for pair in zip(parts, parts[1:])]
            if not places or min(places) == len(order):
                return [model["vocab"][part] for part in parts]
            at = places.index(min(places))
            parts[at : at + 2] = [parts[at] + parts[at + 1]]

    def test_lists_of_pairs_join_as_ranks_do(self):
        characters = tiktoken_file.byte_characters()
        for seed in range(8):
            rng = random.Random(seed)
            words = sorted({bytes(rng.choice(b"abc") for _ in range(rng.randint(2, 6))) for _ in range(90)})
            tokens = [bytes([byte]) for byte in range(256)] + words
            if seed % 2:
                rng.shuffle(tokens)
            ranks = {token: rank for rank, token in enumerate(tokens)}
            model = tiktoken_file.tokenizer_json("x", ranks, {})["model"]
            for _ in range(300):
                word = bytes(rng.choice(b"abc") for _ in range(rng.randint(1, 30)))
                self.assertEqual(self.listed_ids(word, model, characters), self.tiktoken_ids(word, ranks), word)

    def test_reads_a_pickled_encoding(self):
        pattern, ranks, special = small_encoding()
        for protocol in (3, 4, 5):
            class Encoding:
                def __getstate__(self):
                    return encoding_state(pattern, ranks, special)

            with pickled_as("tiktoken.core", "Encoding", Encoding):
                path = self.write(pickle.dumps(Encoding(), protocol))
            self.assertEqual(tiktoken_file.read_encoding(path), (pattern, ranks, special))

    def test_begins_texts_with_bos(self):
        made = tiktoken_file.tokenizer_json(*small_encoding())
        self.assertEqual(made["post_processor"]["special_tokens"]["<|bos|>"]["ids"], [316])
        self.assertEqual([token["id"] for token in made["added_tokens"]], [316, 317, 318, 319, 320])

    def test_refuses_by_name(self):
        pattern, ranks, special = small_encoding()
        mark = self.folder / "harm"
        state = encoding_state(pattern, ranks, special)
        cases = [
            (pickle.dumps(Harm(mark)), "system is not read"),
            (pickled_encoding(state | {"name": Harm(mark)}), "system is not read"),
            (pickle.dumps(state), "not a tiktoken.Encoding"),
            (pickled_encoding("cl100k_base"), '"cl100k_base"'),
            (pickled_encoding({"pat_str": "x"}), "mergeable_ranks"),
            (pickled_encoding(encoding_state(3, ranks, special)), "must be bytes"),
            (pickled_encoding(encoding_state(pattern, ranks, {"<|bos|>": 3})), "each once"),
            (pickled_encoding(encoding_state(pattern, {b"a": 0, b"b": 1}, {})), "no token stands for the bytes 0, 1"),
            (b"", "no pickle"), (b"\x80\x05nonsense", "no pickle"), (pickled_encoding(state)[:200], "no pickle"),
        ]
        for data, part in cases:
            with self.subTest(part), self.assertRaises(Refusal) as caught:
                tiktoken_file.read_encoding(self.write(data))
            self.assertIn("tokenizer.pkl", str(caught.exception))
            self.assertIn(part, str(caught.exception))
        self.assertFalse(mark.exists())

    def test_gives_the_ids_of_tiktoken(self):
        tiktoken = package("tiktoken")
        if not tiktoken:
            self.skipTest("the package tiktoken is not here")
        pattern, ranks, special = small_encoding()
        encoding = tiktoken.Encoding(name="x", pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)
        made = tiktoken_file.tokenizer_json(*tiktoken_file.read_encoding(self.write(pickle.dumps(encoding))))
        want = [encoding.encode_ordinary(text) for text in self.TEXTS]
        if package("tokenizers"):
            reader = package("tokenizers").Tokenizer.from_str(json.dumps(made))
            self.assertEqual([reader.encode(text, add_special_tokens=False).ids for text in self.TEXTS], want)
            self.assertEqual([reader.decode(ids) for ids in want], self.TEXTS)
            self.assertEqual(reader.encode("the").ids, [316, *encoding.encode_ordinary("the")])
        self.assert_gyre_gives(made, want)

    def test_gyre_gives_the_ids_of_ranks(self):
        pattern, ranks, special = small_encoding()
        words = ["loop", "there", "ababab", "caf", "12"]
        self.assert_gyre_gives(tiktoken_file.tokenizer_json(pattern, ranks, special),
                               [self.tiktoken_ids(word.encode(), ranks) for word in words], words)

    def assert_gyre_gives(self, made, want, texts=TEXTS):
        if not GYRE.is_file():
            self.skipTest(f"{GYRE} is not built")
        write_json(self.folder / "tokenizer.json", made)
        lines = "".join(json.dumps(text) + "\n" for text in texts)
        command = [GYRE, "tokenize", "-t", self.folder / "tokenizer.json", "--json-lines"]
        done = subprocess.run(command, input=lines, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([json.loads(line)["ids"] for line in done.stdout.splitlines()], want)

    def test_the_chat_template_is_that_of_render_conversation(self):
        jinja2 = package("jinja2")
        if not jinja2:
            self.skipTest("the package jinja2 is not here")
        template = jinja2.Environment().from_string(tiktoken_file.CHAT_TEMPLATE)
        said = [("system", "S"), ("user", " A\n"), ("assistant", "B"), ("user", "C")]
        talk = [{"role": role, "content": content} for role, content in said]
        self.assertEqual(template.render(messages=talk, add_generation_prompt=True),
                         "<|bos|><|user_start|>S\n\n A\n<|user_end|><|assistant_start|>B<|assistant_end|>"
                         "<|user_start|>C<|user_end|><|assistant_start|>")


if __name__ == "__main__":
    run_tests()
