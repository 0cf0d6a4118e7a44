#!/usr/bin/env python3
"""Tests of scripts/convert_checkpoint: small random checkpoints in each published layout, converted and compared.

    python3 tests/scripts/convert_checkpoint_test.py [-v]

What needs PyTorch or NumPy is skipped where they are missing, and so is what compares with the packages tiktoken,
tokenizers and jinja2. With build/gyre there (or GYRE=PROGRAM), it opens what was converted.
"""

import collections
import contextlib
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import pickle
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import types
import unittest
import unittest.mock
import zipfile

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "convert_checkpoint"
GYRE = pathlib.Path(os.environ.get("GYRE", ROOT / "build" / "gyre"))
sys.path.insert(0, str(ROOT / "tests" / "parity"))


def load_script():
    loader = importlib.machinery.SourceFileLoader("convert_checkpoint", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("convert_checkpoint", loader))
    loader.exec_module(module)
    return module


script = load_script()
sys.path.insert(0, str(ROOT / "scripts"))

from checkpoints import families, tiktoken_file, writing  # noqa: E402
from checkpoints.refusal import Refusal  # noqa: E402


def package(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


torch = package("torch") if package("numpy") else None
needs_torch = unittest.skipUnless(torch, f"{sys.executable} has no torch, or no numpy")
if torch:
    from reference import weights
    from reference.families import attractor, nanochat_looped, parcae, raven_training


def write_json(path, value):
    path.write_text(json.dumps(value))


def read_safetensors(path):
    """{name: tensor} read here, without the script's help."""
    kinds = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64, "U8": torch.uint8,
             "BOOL": torch.bool}
    data = bytearray(path.read_bytes())
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    assert header.pop("__metadata__") == {"format": "pt"}
    tensors, end = {}, 0
    for name, entry in header.items():
        begin, past = entry["data_offsets"]
        assert begin == end, "tensors follow one another"
        end = past
        piece = data[8 + length + begin : 8 + length + past]
        kind = kinds[entry["dtype"]]
        flat = torch.frombuffer(piece, dtype=kind) if piece else torch.empty(0, dtype=kind)
        assert (8 + length + begin) % flat.element_size() == 0, "every tensor lies aligned"
        tensors[name] = flat.reshape(entry["shape"])
    assert 8 + length + end == len(data)
    return tensors


def nanochat_model(**changes):
    """(configuration, tensors) of a small looped nanochat."""
    config = nanochat_looped.config() | changes
    config = {key: value for key, value in config.items() if value is not None}
    made = weights.fill(nanochat_looped.shapes(config), "seed", nanochat_looped.SCALES)
    tensors = {name: torch.from_numpy(tensor.copy()) for name, tensor in made.items()}
    if config.get("input_injection") == "passthrough":
        del tensors["inject.weight"]
    return config, tensors


def parcae_model(**changes):
    """(configuration, tensors as state_dict() gives them) of a small Parcae."""
    config = parcae.config() | changes
    made = weights.fill(parcae.shapes(config), "seed", parcae.SCALES)
    tensors = {name: torch.from_numpy(tensor.copy()) for name, tensor in parcae.finish(config, made).items()}
    if config["tie_embeddings"]:
        tensors["lm_head.weight"] = tensors["transformer.wte.weight"]
    else:
        tensors["lm_head.weight"] = torch.randn(tensors["lm_head.weight"].shape)
    return config, tensors


def small_encoding():
    """(pattern, ranks, special tokens) of a byte-level tokenizer of 60 merges."""
    ranks = {bytes([byte]): byte for byte in range(256)}
    rng = random.Random(1)
    text = [b"the loop", b" the", b" then", b" there", b" loops", "café".encode(), b"12", b"  ", b"aaa", b"abab"]
    while len(ranks) < 316:
        word = rng.choice(text)
        parts = [word[i : i + 1] for i in range(len(word))]
        while len(parts) > 1 and rng.random() < 0.8:
            joined = [a + b for a, b in zip(parts, parts[1:])]
            known = [ranks.get(pair, len(ranks)) for pair in joined]
            at = known.index(min(known))
            if joined[at] not in ranks:
                ranks[joined[at]] = len(ranks)
                break
            parts[at : at + 2] = [joined[at]]
        else:
            text.append(bytes(rng.choice(b"abc") for _ in range(5)))
    names = ["<|bos|>", "<|user_start|>", "<|user_end|>", "<|assistant_start|>", "<|assistant_end|>"]
    return r"\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]+|\s+", ranks, {name: 316 + i for i, name in enumerate(names)}


@contextlib.contextmanager
def pickled_as(module_name, class_name, kind):
    """While it holds, `kind` pickles under another name."""
    made, before = types.ModuleType(module_name), sys.modules.get(module_name)
    parent = module_name.partition(".")[0]
    parent_before = sys.modules.get(parent)
    sys.modules.setdefault(parent, types.ModuleType(parent))
    sys.modules[module_name] = made
    setattr(made, class_name, kind)
    kind.__module__, kind.__qualname__, kind.__name__ = module_name, class_name, class_name
    try:
        yield
    finally:
        for name, old in ((module_name, before), (parent, parent_before)):
            if old is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = old


def pickled_encoding(state):
    """What pickle makes of a tiktoken.Encoding of these fields."""
    class Encoding:
        def __getstate__(self):
            return state

    with pickled_as("tiktoken.core", "Encoding", Encoding):
        return pickle.dumps(Encoding())


def encoding_state(pattern, ranks, special):
    return {"name": "rustbpe", "pat_str": pattern, "mergeable_ranks": ranks, "special_tokens": special}


class Harm:
    """Runs a command where a pickle of it is loaded without care."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


class FolderTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.out = self.folder / "out"

    def convert(self, source, config=None, tokenizer=None):
        return script.convert(source, self.out, config, tokenizer)

    def assert_refused(self, source, *parts, config=None, tokenizer=None):
        with self.assertRaises(Refusal) as caught:
            self.convert(source, config, tokenizer)
        for part in parts:
            self.assertIn(part, str(caught.exception))
        self.assertFalse(self.out.exists())
        self.assert_no_rest()

    def assert_no_rest(self):
        self.assertEqual([path.name for path in self.folder.glob(".*")], [])

    def assert_tensors(self, want):
        """model.safetensors holds these tensors, to the bit and in their types."""
        got = read_safetensors(self.out / "model.safetensors")
        self.assertEqual(sorted(got), sorted(want))
        for name, tensor in want.items():
            self.assertEqual(got[name].dtype, tensor.dtype, name)
            self.assertEqual(list(got[name].shape), list(tensor.shape), name)
            self.assertTrue(torch.equal(got[name], tensor), name)

    def assert_gyre_opens(self, family):
        if not GYRE.is_file():
            return
        done = subprocess.run([GYRE, "info", "-m", self.out, "--json"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["family"], family)


@needs_torch
class NanochatTest(FolderTest):
    def write(self, config, tensors, step="003500", folder=None):
        folder = folder or self.folder / "base_checkpoints" / "d12"
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(tensors, folder / f"model_{step}.pt")
        meta = {"step": 3500, "val_bpb": 1.0, "model_config": config, "user_config": {}}
        write_json(folder / f"meta_{step}.json", meta)
        return folder

    def test_converts_a_checkpoint_with_its_types(self):
        config, tensors = nanochat_model()
        tensors["transformer.wte.weight"] = tensors["transformer.wte.weight"].bfloat16()
        folder = self.write(config, tensors)
        done = self.convert(folder / "model_003500.pt")
        self.assert_tensors(tensors)
        self.assertEqual(json.loads((self.out / "config.json").read_text()), config)
        self.assertEqual(done["family"], "looped nanochat")
        self.assertEqual(done["tensors"], len(tensors))
        self.assertEqual(done["types"], {"F32": len(tensors) - 1, "BF16": 1})
        self.assertEqual(done["parameters"], sum(tensor.numel() for tensor in tensors.values()))
        self.assertEqual(done["bytes"], (self.out / "model.safetensors").stat().st_size)
        self.assertEqual(sorted(done["keys"]["without_effect"]), ["bptt_k", "size", "train_recur_max"])
        self.assert_gyre_opens("nanochat")

    def test_takes_the_last_step_of_a_folder(self):
        config, tensors = nanochat_model()
        self.write(config, tensors, "000500")
        last = {name: tensor + 1 for name, tensor in tensors.items()}
        folder = self.write(config, last, "012000")
        torch.save({"state": {}}, folder / "optim_012000_rank0.pt")
        done = self.convert(folder)
        self.assertTrue(done["checkpoint"].endswith("model_012000.pt"))
        self.assert_tensors(last)

    def test_takes_an_alias(self):
        config, tensors = nanochat_model()
        folder = self.write(config, tensors, "pre_warmdown")
        self.convert(folder / "model_pre_warmdown.pt")
        self.assert_tensors(tensors)

    def test_takes_the_prefixes_off_that_wrappers_put_on(self):
        config, tensors = nanochat_model()
        for form in ("_orig_mod.{}", "module.{}", "module._orig_mod.{}", "_forward_module.module.{}"):
            with self.subTest(form):
                folder = self.write(config, {form.format(name): tensor for name, tensor in tensors.items()})
                self.convert(folder)
                self.assert_tensors(tensors)
                subprocess.run(["rm", "-r", self.out], check=True)

    def test_reads_keys_of_older_programs(self):
        config, tensors = nanochat_model(input_injection=None, window_pattern=None, logit_softcap=None, size=None)
        config |= {"n_layer": 20, "sample_initial_state": True, "kv_cache_recur_budget": 1, "recur_warm_start": True,
                   "inject_mode": "concat_linear"}
        done = self.convert(self.write(config, tensors))
        written = json.loads((self.out / "config.json").read_text())
        self.assertEqual(written["input_injection"], "inject_init_random")
        self.assertEqual(written["size"], 20)
        self.assertNotIn("n_layer", written)
        self.assertIn("recur_warm_start", done["keys"]["without_effect"])
        self.assert_gyre_opens("nanochat")

    def test_an_old_checkpoint_without_a_way_in_starts_from_the_prelude(self):
        config, tensors = nanochat_model(input_injection=None)
        self.convert(self.write(config, tensors))
        self.assertEqual(json.loads((self.out / "config.json").read_text())["input_injection"], "inject_init_prelude")

    def test_passthrough_has_no_injection(self):
        config, tensors = nanochat_model(input_injection="passthrough")
        self.convert(self.write(config, tensors))
        self.assert_tensors(tensors)
        self.assert_gyre_opens("nanochat")

    def test_writes_the_tokenizer_of_its_base_folder(self):
        pattern, ranks, special = small_encoding()
        config, tensors = nanochat_model(vocab_size=len(ranks) + len(special))
        folder = self.write(config, tensors)
        (self.folder / "tokenizer").mkdir()
        data = pickled_encoding(encoding_state(pattern, ranks, special))
        (self.folder / "tokenizer" / "tokenizer.pkl").write_bytes(data)
        done = self.convert(folder)
        self.assertIn("321 tokens, 5 of them special", done["tokenizer"])
        self.assertEqual(json.loads((self.out / "generation_config.json").read_text()),
                         {"bos_token_id": 316, "eos_token_id": [320, 316]})
        if GYRE.is_file():
            command = [GYRE, "generate", "-m", self.out, "--chat", "-p", "zq", "-n", "1", "--json"]
            made = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(made.returncode, 0, made.stderr)
            # <|bos|> <|user_start|> z q <|user_end|> <|assistant_start|>
            self.assertEqual(json.loads(made.stdout)["prompt_tokens"], 6)

    def test_refuses_a_tokenizer_of_another_size(self):
        config, tensors = nanochat_model()
        folder = self.write(config, tensors)
        (folder / "tokenizer.pkl").write_bytes(pickled_encoding(encoding_state(*small_encoding())))
        self.assert_refused(folder, "321 tokens, but vocab_size is 60")

    def test_refuses_what_the_configuration_asks_for(self):
        cases = [({"window_pattern": "SXSL"}, "window_pattern"), ({"input_injection": "gate"}, "input_injection"),
                 ({"n_loops": 4}, "n_loops"), ({"smear": True}, "the key smear"), ({"n_embd": 18}, "n_embd (18)"),
                 ({"n_kv_head": 3}, "n_head (4)"), ({"n_coda": 0}, "n_coda"), ({"vocab_size": "60"}, "vocab_size"),
                 ({"train_recur_mean": None}, "train_recur_mean"), ({"n_head": None}, "n_head")]
        for changes, name in cases:
            with self.subTest(name):
                config, tensors = nanochat_model()
                self.assert_refused(self.write(config | changes, tensors), "meta_003500.json", name)

    def test_refuses_plain_nanochat(self):
        config = {"sequence_len": 64, "vocab_size": 60, "n_layer": 2, "n_head": 4, "n_kv_head": 4, "n_embd": 16}
        self.assert_refused(self.write(config, {"lm_head.weight": torch.zeros(64, 16)}), "plain nanochat")

    def test_refuses_tensors_by_name(self):
        for change, parts in (
            ({"resid_lambdas": torch.ones(4)}, ["resid_lambdas", "a scale of each layer's sum"]),
            ({"value_embeds.0.weight": torch.ones(4)}, ["value_embeds.0.weight", "no place"]),
            ({"inject.weight": torch.zeros(16, 16)}, ["inject.weight is [16, 16]", "[16, 32]"]),
            ({"norm_emb.weight": None, "inject.weight": None}, ["missing", "norm_emb.weight, inject.weight"]),
            ({"_orig_mod.lm_head.weight": torch.zeros(64, 16)}, ["lm_head.weight is there twice"]),
            ({"inject.weight": torch.eye(32).to_sparse()}, ["inject.weight", "_rebuild_sparse_tensor"]),
            ({"note": "text"}, ["note", "str"]),
        ):
            with self.subTest(parts[0]):
                config, tensors = nanochat_model()
                tensors = {name: one for name, one in (tensors | change).items() if one is not None}
                self.assert_refused(self.write(config, dict(sorted(tensors.items()))), *parts)

    def test_asks_for_the_meta_file(self):
        config, tensors = nanochat_model()
        folder = self.write(config, tensors)
        (folder / "meta_003500.json").rename(self.folder / "elsewhere.json")
        self.assert_refused(folder, "model_003500.pt", "meta_003500.json", "--config")
        self.convert(folder, config=self.folder / "elsewhere.json")
        self.assert_tensors(tensors)


@needs_torch
class ParcaeTest(FolderTest):
    def write(self, config, tensors, name="model.pt"):
        folder = self.folder / "parcae"
        folder.mkdir(exist_ok=True)
        write_json(folder / "config.json", config)
        torch.save(collections.OrderedDict(tensors), folder / name)
        return folder

    def written(self, tensors):
        return {name: tensor for name, tensor in tensors.items() if name not in ("lm_head.weight", "freqs_cis")}

    def test_converts_what_save_pretrained_writes(self):
        for name in ("model.pt", "pytorch_model.bin"):
            with self.subTest(name):
                config, tensors = parcae_model()
                folder = self.write(config, tensors, name)
                done = self.convert(folder)
                self.assert_tensors(self.written(tensors))
                self.assertEqual(json.loads((self.out / "config.json").read_text()), config)
                self.assertEqual(done["left_out"], {"lm_head.weight": "the same as transformer.wte.weight",
                                                    "freqs_cis": "angles, which gyre computes"})
                self.assertIn("sampling_scheme", done["keys"]["without_effect"])
                self.assert_gyre_opens("parcae")
                (folder / name).unlink()
                subprocess.run(["rm", "-r", self.out], check=True)

    def test_computes_what_the_checkpoint_computes(self):
        from reference import decoder
        config, tensors = parcae_model()
        self.convert(self.write(config, tensors))
        read = {name: tensor.numpy() for name, tensor in read_safetensors(self.out / "model.safetensors").items()}
        read["lm_head.weight"] = read["transformer.wte.weight"]
        before = parcae.Parcae(config, {name: tensor.numpy() for name, tensor in tensors.items()})
        after = parcae.Parcae(json.loads((self.out / "config.json").read_text()), read)
        ids = [3, 1, 4, 1, 5]
        self.assertEqual((decoder.prefill(before, ids, 3).logits - decoder.prefill(after, ids, 3).logits).max(), 0)

    def test_keys_that_are_left_out_mean_what_the_program_takes_for_them(self):
        config, tensors = parcae_model(prelude_norm=False)
        del tensors["transformer.ln_prelude.weight"]
        for key in ("prelude_norm", "rope_settings", "num_key_value_heads", "padded_vocab_size", "state_init", "bias"):
            del config[key]
        self.convert(self.write(config, tensors))
        written = json.loads((self.out / "config.json").read_text())
        self.assertEqual(written["padded_vocab_size"], 48)
        self.assertEqual(written["rope_settings"]["rope_base"], 50000)
        self.assertIs(written["prelude_norm"], False)
        self.assert_gyre_opens("parcae")

    def test_converts_a_training_run_without_making_its_objects(self):
        mark = self.folder / "harm"

        class Tokenizer:
            pass

        config, tensors = parcae_model()
        run = self.folder / "run" / "checkpoints-FSDPStrategy"
        run.mkdir(parents=True)
        write_json(run.parent / "model_config.json", config)
        names = {"transformer.": "transformer._checkpoint_wrapped_module.", "attn.": "attn._fsdp_wrapped_module."}
        wrapped = {}
        for name, tensor in tensors.items():
            for plain, other in names.items():
                name = name.replace(plain, other)
            wrapped["_forward_module." + name] = tensor
        with pickled_as("parcae_lm.tokenizer", "Tokenizer", Tokenizer):
            tokenizer = Tokenizer()
            tokenizer.folder, tokenizer.lists = pathlib.PosixPath("/x"), collections.deque([1, 2])
            state = {"model": wrapped, "optimizer": {"state": {0: {"m": torch.ones(3)}}}, "tokenizer": tokenizer,
                     "harm": Harm(mark), "rng_state_torch": torch.get_rng_state(), "kinds": {torch.bfloat16, 7},
                     "counts": collections.defaultdict(list, {"a": [1]}), "microbatch_step": 10,
                     "size": torch.Size([2])}
            torch.save(state, run / "step-00000010-tiny")
            torch.save({"model": {}}, run / "step-00000002-tiny")
        done = self.convert(run.parent)
        self.assertFalse(mark.exists())
        self.assert_tensors(self.written(tensors))
        self.assertIn("optimizer", done["beside"])
        self.assertIn("parcae_lm.tokenizer.Tokenizer", "".join(done["notes"]))

    def test_takes_wrapped_and_prefixed_dicts(self):
        config, tensors = parcae_model()
        for wrap in (lambda d: {"model": d}, lambda d: {"state_dict": d, "epoch": 3},
                     lambda d: {"state_dict": {"model": d}}, lambda d: {"module." + k: v for k, v in d.items()},
                     lambda d: {"model.module._orig_mod." + k: v for k, v in d.items()}):
            torch.save(wrap(tensors), self.write(config, tensors) / "model.pt")
            self.convert(self.folder / "parcae")
            self.assert_tensors(self.written(tensors))
            subprocess.run(["rm", "-r", self.out], check=True)

    def test_turns_a_fused_head_the_right_way_round(self):
        for kind in ("full-triton", "hhe"):
            with self.subTest(kind):
                config, tensors = parcae_model(tie_embeddings=False, use_fused_head=kind)
                stored = tensors | {"lm_head.weight": tensors["lm_head.weight"].t().contiguous()}
                self.convert(self.write(config, stored))
                self.assert_tensors(self.written(tensors) | {"lm_head.weight": tensors["lm_head.weight"]})
                subprocess.run(["rm", "-r", self.out], check=True)
        self.assert_refused(self.write(config, tensors), "lm_head.weight is [48, 36]", "[36, 48]")

    def test_refuses_a_tied_head_that_differs(self):
        config, tensors = parcae_model()
        tensors["lm_head.weight"] = tensors["lm_head.weight"] + 1
        self.assert_refused(self.write(config, tensors), "lm_head.weight differs", "tie_embeddings")

    def test_compares_the_table_of_angles(self):
        config, tensors = parcae_model()
        other = config | {"rope_settings": config["rope_settings"] | {"rope_base": 10000}}
        self.assert_refused(self.write(other, tensors), "freqs_cis differs", "rope_settings")
        self.assert_refused(self.write(config | {"block_size": 32}, tensors), "freqs_cis is [1, 64, 1, 6, 2]", "[1, 32")
        for value in (0, "10000", True, None):
            other = config | {"rope_settings": {"rope_base": value}}
            self.assert_refused(self.write(other, tensors), "rope_settings: rope_base must be a number")
        whole = tensors | {"freqs_cis": tensors["freqs_cis"].long()}
        self.assert_refused(self.write(config, whole), "freqs_cis", "I64")
        no_number = tensors | {"freqs_cis": tensors["freqs_cis"] * float("nan")}
        self.assert_refused(self.write(config, no_number), "freqs_cis differs")
        tensors = {name: tensor.bfloat16() for name, tensor in tensors.items()}
        done = self.convert(self.write(config, tensors))
        self.assertIn("freqs_cis is rounded", "".join(done["notes"]))
        self.assert_tensors(self.written(tensors))
        self.assert_gyre_opens("parcae")

    def test_gates_and_value_embeddings_come_in_pairs(self):
        config, tensors = parcae_model()
        extra = tensors | {"transformer.prelude.0.attn.ve_gate.weight": torch.zeros(3, 32)}
        done = self.convert(self.write(config, extra))
        self.assertIn("transformer.prelude.0.attn.ve_gate.weight", done["left_out"])
        self.assert_tensors(self.written(tensors))
        subprocess.run(["rm", "-r", self.out], check=True)
        del tensors["transformer.coda.1.attn.ve_gate.weight"]
        self.assert_refused(self.write(config, tensors), "value_embeds.5.weight", "odd number of layers")
        del tensors["value_embeds.5.weight"]
        self.assert_refused(self.write(config, tensors), "missing", "value_embeds.5.weight")

    def test_refuses_every_key_that_asks_for_something_else(self):
        other = {"attn_impl": "debug-skip", "bias": True, "block_class_name": "Sandwich", "center_attention": True,
                 "clip_qkv": 8, "debias_attention": True, "injection_type": "linear", "init_strategy": "mitchell",
                 "mlp_class_name": "GatedMLP", "mup_model_scaling_factor": 2, "nonlin_name": "SiLU",
                 "norm_class_name": "LayerNorm", "qk_bias": True, "simple_ops": True, "state_init": "unit",
                 "use_abacus": True, "num_key_value_heads": 1, "recurrent_embedding_dimension": 48,
                 "recurrent_intermediation_embedding_dimension": 40, "recurrent_num_attention_heads": 2,
                 "new_switch": 1, "prelude_norm": "yes", "n_layers_in_coda": 0, "mean_recurrence": 1.5,
                 "rope_settings": {"use_rope": False}}
        fixed = families.PARCAE_KEYS.fixed.keys() | families.PARCAE_KEYS.same.keys()
        self.assertEqual(fixed - other.keys(), {"model_class_name"})
        config, tensors = parcae_model()
        for key, value in other.items():
            with self.subTest(key):
                self.assert_refused(self.write(config | {key: value}, tensors), "config.json", key)
        self.assert_refused(self.write(config | {"rope_settings": {"scaling": 1}}, tensors), "rope_settings", "scaling")

    def test_refuses_other_models_of_its_program(self):
        config, tensors = parcae_model(model_class_name="GPT", _class_name="GPTConfig")
        self.assert_refused(self.write(config, tensors), '"GPT"', "another model")

    def test_refuses_shards_of_processes(self):
        config, tensors = parcae_model()
        folder = self.write(config, tensors)
        (folder / "__0_0.distcp").write_bytes(b"")
        self.assert_refused(folder, "shards", "consolidate_checkpoint")
        torch.save({"_flat_param": torch.ones(3)}, folder / "rank0.pt")
        self.assert_refused(folder / "rank0.pt", "_flat_param", "full state dict")

    def test_reads_yaml_and_refuses_flags_of_a_run(self):
        config, tensors = parcae_model()
        folder = self.write(config, tensors)
        (folder / "config.json").rename(folder / "hyperparameters.yaml")
        self.assert_refused(folder, "hyperparameters.yaml", "model_config.json")
        if package("yaml"):
            (folder / "hyperparameters.yaml").rename(folder / "model_config.yaml")  # JSON is YAML
            self.convert(folder)
            self.assert_tensors(self.written(tensors))

    def test_copies_the_tokenizer(self):
        config, tensors = parcae_model()
        folder = self.write(config, tensors)
        other = self.folder / "parcae-tokenizer"
        other.mkdir()
        write_json(other / "tokenizer.json", {"version": "1.0"})
        write_json(other / "tokenizer_config.json", {"eos_token": "<|eos|>"})
        (other / "weights.bin").write_bytes(b"")
        done = self.convert(folder, tokenizer=other)
        self.assertEqual(sorted(path.name for path in self.out.iterdir()),
                         ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"])
        self.assertIn("tokenizer.json, tokenizer_config.json", done["tokenizer"])


@needs_torch
class OtherFamilyTest(FolderTest):
    CONFIG = {"model_type": "llama", "tie_word_embeddings": True}

    def setUp(self):
        super().setUp()
        self.tensors = {"model.embed_tokens.weight": torch.randn(8, 4).half(), "model.norm.weight": torch.randn(4),
                        "model.layers.0.mlp.up_proj.weight": torch.randn(6, 4).bfloat16()}
        self.source = self.folder / "llama"
        self.source.mkdir()
        write_json(self.source / "config.json", self.CONFIG)

    def shard(self, **more):
        names = list(self.tensors)
        places = {name: f"pytorch_model-0000{1 + i % 2}-of-00002.bin" for i, name in enumerate(names)}
        for file in set(places.values()):
            torch.save({name: self.tensors[name] for name in names if places[name] == file}, self.source / file)
        index = {"metadata": {"total_size": 1}, "weight_map": places | more}
        write_json(self.source / "pytorch_model.bin.index.json", index)

    def test_takes_what_recpre_trains_under_both_its_names(self):
        config = raven_training.config()
        made = weights.fill(raven_training.shapes(config), "seed", raven_training.SCALES)
        wrapped = {name: torch.from_numpy(tensor.copy())
                   for name, tensor in raven_training.finish(config, made).items()}
        plain = {name.removeprefix(raven_training.PREFIX): tensor for name, tensor in wrapped.items()}
        folder = self.folder / "checkpoints-DDPStrategy"
        folder.mkdir()
        write_json(self.folder / "model_config.json", config)
        state = {"model": wrapped | {"_forward_module." + name: tensor for name, tensor in plain.items()},
                 "model_config": config, "microbatch_step": 8}
        torch.save(state, folder / "step-00047360-run_512_0.pth")
        done = self.convert(folder / "step-00047360-run_512_0.pth")
        self.assertEqual(done["family"], "raven_training")
        del plain["lm_head.weight"]  # the embedding once more
        self.assert_tensors(plain)
        self.assert_gyre_opens("raven_training")

    def test_takes_attractors(self):
        config = attractor.config()
        made = weights.fill(attractor.shapes(config), "seed", attractor.SCALES)
        tensors = {name: torch.from_numpy(tensor.copy()) for name, tensor in attractor.finish(config, made).items()}
        write_json(self.source / "config.json", {key: config[key] for key in config if key != "model_class_name"})
        torch.save({"_orig_mod." + name: tensor for name, tensor in tensors.items()}, self.source / "model.pt")
        self.assertEqual(self.convert(self.source)["family"], "attractor")
        self.assert_gyre_opens("attractor")

    def test_keeps_names_and_types(self):
        tensors = self.tensors | {"mask": torch.ones(2, 2).bool(), "positions": torch.arange(3),
                                  "empty": torch.zeros(0, 4), "one": torch.tensor(2.5), "turned": torch.randn(3, 5).t(),
                                  "thinned": torch.randn(6, 8)[::2, 1::3], "repeated": torch.randn(3, 1).expand(3, 4),
                                  "tall": torch.randn(4, 3, 2).permute(2, 0, 1)}
        torch.save(tensors, self.source / "pytorch_model.bin")
        done = self.convert(self.source)
        self.assert_tensors(tensors)
        self.assertEqual(done["family"], "llama")
        self.assertEqual(json.loads((self.out / "config.json").read_text()), self.CONFIG)

    def test_reads_shards(self):
        self.shard()
        self.convert(self.source)
        self.assert_tensors(self.tensors)

    def test_refuses_shards_that_do_not_fit_their_index(self):
        self.shard(**{"model.other.weight": "pytorch_model-00001-of-00002.bin"})
        self.assert_refused(self.source, "pytorch_model-00001-of-00002.bin lacks model.other.weight")
        self.shard(**{"model.norm.weight": "pytorch_model-00003-of-00002.bin"})
        self.assert_refused(self.source, "pytorch_model-00003-of-00002.bin", "missing")
        self.shard(**{"model.norm.weight": "../../etc/passwd"})
        self.assert_refused(self.source, "../../etc/passwd", "not a file beside it")
        self.shard()
        index = json.loads((self.source / "pytorch_model.bin.index.json").read_text())
        del index["weight_map"]["model.layers.0.mlp.up_proj.weight"]
        write_json(self.source / "pytorch_model.bin.index.json", index)
        self.assert_refused(self.source, "pytorch_model-00001-of-00002.bin holds, unlike its index, model.layers.0.mlp")
        write_json(self.source / "pytorch_model.bin.index.json", {"weight_map": [1]})
        self.assert_refused(self.source, "weight_map must map")

    def test_a_tied_head_takes_no_second_place(self):
        self.tensors["lm_head.weight"] = self.tensors["model.embed_tokens.weight"]
        torch.save(self.tensors, self.source / "pytorch_model.bin")
        done = self.convert(self.source)
        self.assertIn("lm_head.weight", done["left_out"])
        write_json(self.source / "config.json", {"model_type": "llama"})
        subprocess.run(["rm", "-r", self.out], check=True)
        self.convert(self.source)
        self.assert_tensors(self.tensors)

    def test_float64_becomes_float32_and_says_so(self):
        torch.save({"w": torch.ones(3, dtype=torch.float64)}, self.source / "model.pt")
        done = self.convert(self.source)
        self.assert_tensors({"w": torch.ones(3)})
        self.assertIn("w: float64 became float32", done["notes"])

    def test_refuses_types_that_gyre_does_not_read(self):
        torch.save({"v": torch.ones(3), "w": torch.ones(3, dtype=torch.complex64)}, self.source / "model.pt")
        self.assert_refused(self.source, "w is an object that is not read", "ComplexFloatStorage")

    def test_refuses_a_configuration_of_no_family(self):
        write_json(self.source / "config.json", {"hidden_size": 3})
        torch.save(self.tensors, self.source / "model.pt")
        self.assert_refused(self.source, "config.json", "of no family")

    def test_asks_which_of_several(self):
        for name in ("model.pt", "pytorch_model.bin"):
            torch.save(self.tensors, self.source / name)
        self.assert_refused(self.source, "several checkpoints: pytorch_model.bin, model.pt")
        self.convert(self.source / "model.pt")


@needs_torch
class CareTest(FolderTest):
    """Whatever a file holds, nothing of it is run."""

    def setUp(self):
        super().setUp()
        write_json(self.folder / "config.json", {"model_type": "llama"})
        self.file = self.folder / "model.pt"
        self.mark = self.folder / "harm"

    def test_runs_no_code_of_a_checkpoint(self):
        tensors = {"w": torch.ones(3)}
        beside = {"model": tensors, "x": Harm(self.mark)}
        for zipped in (True, False):
            more = [] if zipped else [beside]
            for value in (Harm(self.mark), tensors | {"x": Harm(self.mark)}, [Harm(self.mark)], *more):
                with self.subTest(zipped=zipped, value=type(value).__name__):
                    torch.save(value, self.file, _use_new_zipfile_serialization=zipped)
                    self.assert_refused(self.file, "model.pt")
                    self.assertFalse(self.mark.exists())
        torch.save(beside, self.file)
        self.convert(self.file)
        self.assert_tensors(tensors)
        self.assertFalse(self.mark.exists())

    def test_the_mark_would_be_there(self):
        torch.save({"x": Harm(self.mark)}, self.file)
        torch.load(self.file, weights_only=False)
        self.assertTrue(self.mark.exists())

    def test_runs_no_code_by_way_of_getattr(self):
        # getattr(__import__("os"), "system")("touch ...")
        class Import:
            def __reduce__(self):
                return __import__, ("os",)

        class System:
            def __reduce__(self):
                return getattr, (Import(), "system")

        class Call:
            def __init__(self, mark):
                self.mark = mark

            def __reduce__(self):
                return eval, (f"__import__('os').system('touch {self.mark}')",)

        torch.save({"model": {"w": torch.ones(1)}, "x": [System(), Call(self.mark)]}, self.file)
        self.convert(self.file)
        self.assertFalse(self.mark.exists())

    def test_refuses_a_whole_module(self):
        torch.save(torch.nn.Linear(2, 2), self.file)
        self.assert_refused(self.file, "whole object", "state_dict()")

    def test_refuses_torchscript(self):
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(self.file))
        self.assert_refused(self.file, "TorchScript")

    def test_reads_the_form_before_zip_files(self):
        tensors = {"w": torch.randn(3, 2), "v": torch.randn(4).bfloat16(), "turned": torch.randn(3, 2).t(),
                   "one": torch.ones(()), "empty": torch.ones(0, 2)}
        torch.save(tensors, self.file, _use_new_zipfile_serialization=False)
        self.convert(self.file)
        self.assert_tensors(tensors)

    def rewrite(self, change, compression=zipfile.ZIP_STORED):
        """other.pt: the parts of model.pt as `change` gives them, None for not at all."""
        other = self.folder / "other.pt"
        with zipfile.ZipFile(self.file) as whole, zipfile.ZipFile(other, "w", compression) as made:
            for name in whole.namelist():
                data = change(name.partition("/")[2], whole.read(name))
                if data is not None:
                    made.writestr(name, data)
        return other

    def test_refuses_parts_that_do_not_fit(self):
        torch.save({"w": torch.ones(4, 4)}, self.file)
        self.convert(self.rewrite(lambda name, data: data))
        subprocess.run(["rm", "-r", self.out], check=True)
        short = self.rewrite(lambda name, data: data[:-4] if name == "data/0" else data)
        self.assert_refused(short, "reaches beyond its numbers")
        self.assert_refused(self.rewrite(lambda name, data: None if name == "data/0" else data), "data/0")
        self.assert_refused(self.rewrite(lambda name, data: None if name == "data.pkl" else data), "one data.pkl")
        self.assert_refused(self.rewrite(lambda name, data: data, zipfile.ZIP_DEFLATED), "compressed")
        # The size 4 x 4 as 4 x -4, and as 4 x 5.
        for other, part in ((b"K\x04J\xfc\xff\xff\xff", "no sensible shape"), (b"K\x04K\x05", "beyond its numbers")):
            changed = self.rewrite(lambda name, data, other=other: data.replace(b"K\x04K\x04", other, 1))
            self.assert_refused(changed, part)

    def test_refuses_numbers_with_their_high_bytes_first(self):
        torch.save({"w": torch.ones(4, 4)}, self.file)
        with zipfile.ZipFile(self.file) as whole:
            if not any(name.endswith("byteorder") for name in whole.namelist()):
                self.skipTest("this PyTorch does not write the order of bytes")
        big = self.rewrite(lambda name, data: b"big" if name == "byteorder" else data)
        self.assert_refused(big, "high bytes first")

    def test_refuses_damaged_files(self):
        torch.save({"w": torch.randn(300)}, self.file)
        whole = self.file.read_bytes()
        half = whole[: len(whole) // 2]
        for data in (b"", b"nonsense", whole[:100], half, b"PK\x03\x04" + b"\0" * 60, pickle.dumps(3)):
            with self.subTest(len(data)):
                self.file.write_bytes(data)
                self.assert_refused(self.file, "model.pt")

    def test_refuses_what_holds_no_tensors(self):
        for value in ({}, {"a": 1}, [1], "text", {"model": {"a": 1}}):
            torch.save(value, self.file)
            self.assert_refused(self.file, "holds no model's tensors")
        torch.save({"model": {"a": torch.ones(1)}, "state_dict": {"a": torch.ones(1)}}, self.file)
        self.assert_refused(self.file, "several models: model, state_dict")

    def test_leaves_nothing_where_it_fails(self):
        torch.save({"w": torch.ones(3)}, self.file)
        for error in (KeyboardInterrupt, OSError("disk full"), SystemExit(143)):
            failing = unittest.mock.patch.object(writing, "write_safetensors", side_effect=error)
            with self.subTest(repr(error)), failing, self.assertRaises(BaseException):
                self.convert(self.file)
            self.assertFalse(self.out.exists())
            self.assert_no_rest()


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


class CommandTest(FolderTest):
    def run_script(self, *flags, **environment):
        return subprocess.run([sys.executable, SCRIPT, *map(str, flags)], capture_output=True, text=True,
                              env=os.environ | environment)

    def test_help_teaches_by_example(self):
        done = self.run_script("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("scripts/convert_checkpoint ~/.cache/nanochat", done.stdout)

    def test_wrong_flags(self):
        for flags in ([], ["x"], ["x", "--out", "y", "--config", "nowhere.json"]):
            self.assertEqual(self.run_script(*flags).returncode, 2)

    def test_names_what_is_not_there(self):
        nowhere = self.folder / "nowhere"
        for source, part in ((nowhere, "nowhere: no such file or folder"), (self.folder, "holds no checkpoint")):
            done = self.run_script(source, "--out", self.out)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(part, done.stderr)
        done = self.run_script(self.folder, "--out", self.folder)
        self.assertIn("is there already", done.stderr)
        done = self.run_script(self.folder, "--out", self.folder / "a" / "b")
        self.assertIn("a: no such folder", done.stderr)
        file = self.folder / "model.safetensors"
        file.write_bytes(b"")
        self.assertIn("gyre opens it as it is", self.run_script(self.folder, "--out", self.out).stderr)
        self.assertIn("safetensors already", self.run_script(file, "--out", self.out).stderr)

    def test_says_in_one_line_what_is_missing_without_torch(self):
        (self.folder / "torch.py").write_text("raise ImportError('No module named torch')")
        (self.folder / "model.pt").write_bytes(pickle.dumps(3))
        write_json(self.folder / "config.json", {"model_type": "llama"})
        done = self.run_script(self.folder / "model.pt", "--out", self.out, PYTHONPATH=str(self.folder))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertIn("pip install torch", done.stderr)

    def test_refuses_broken_configurations(self):
        (self.folder / "model.pt").write_bytes(b"")
        for text, part in (("{", "config.json"), ("[]", "must hold an object"), ("{}", "of no family")):
            (self.folder / "config.json").write_text(text)
            done = self.run_script(self.folder / "model.pt", "--out", self.out)
            self.assertEqual(done.returncode, 1)
            self.assertIn(part, done.stderr)

    @needs_torch
    def test_tells_what_it_did(self):
        config, tensors = nanochat_model()
        torch.save(tensors, self.folder / "model_1.pt")
        write_json(self.folder / "meta_1.json", {"model_config": config})
        done = self.run_script(self.folder, "--out", self.out)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for part in (f"looped nanochat: {len(tensors)} tensors", "million parameters", " kB;", "without effect: ",
                     f"now: build/gyre info -m {self.out}", "note: no tokenizer"):
            self.assertIn(part, done.stdout)
        again = self.run_script(self.folder, "--out", self.out)
        self.assertEqual(again.returncode, 1)
        told = json.loads(self.run_script(self.folder, "--out", self.folder / "second", "--json").stdout)
        self.assertEqual(told["tensors"], len(tensors))
        self.assertEqual((self.out / "model.safetensors").read_bytes(),
                         (self.folder / "second" / "model.safetensors").read_bytes())
        self.assertEqual((self.out.stat().st_mode & 0o777), 0o777 & ~current_umask())

    @needs_torch
    def test_interrupted_it_leaves_nothing(self):
        write_json(self.folder / "config.json", {"model_type": "llama"})
        torch.save({"w": torch.ones(3)}, self.folder / "model.pt")
        slow = self.folder / "slow.py"
        slow.write_text(
            "import importlib.machinery, importlib.util, pathlib, sys, time\n"
            f"loader = importlib.machinery.SourceFileLoader('convert_checkpoint', {str(SCRIPT)!r})\n"
            "module = importlib.util.module_from_spec(importlib.util.spec_from_loader('convert_checkpoint', loader))\n"
            "loader.exec_module(module)\n"
            "def wait(path, tensors):\n"
            "    path.write_bytes(b'half')\n"
            "    time.sleep(60)\n"
            "module.writing.write_safetensors = wait\n"
            "module.main()\n")
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(code):
                command = [sys.executable, slow, self.folder / "model.pt", "--out", self.out]
                running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
                until = time.monotonic() + 120
                while not list(self.folder.glob(".out.*/model.safetensors")) and time.monotonic() < until:
                    time.sleep(0.05)
                running.send_signal(number)
                errors = running.communicate(timeout=60)[1]
                self.assertEqual(running.returncode, code, errors)
                self.assertFalse(self.out.exists())
                self.assert_no_rest()


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


if __name__ == "__main__":
    # tests/check_golden.sh, which looks for a Python that has torch, says --check.
    unittest.main(argv=[sys.argv[0], *(flag for flag in sys.argv[1:] if flag != "--check")])
