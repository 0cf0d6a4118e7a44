#!/usr/bin/env python3
"""Checkpoints of each family, made small, become folders that gyre reads (scripts/convert_checkpoint)."""

import collections
import json
import pathlib
import subprocess

from converted import (
    attractor,
    encoding_state,
    families,
    FolderTest,
    GYRE,
    Harm,
    nanochat_model,
    needs_torch,
    package,
    parcae,
    parcae_model,
    pickled_as,
    pickled_encoding,
    raven_training,
    read_safetensors,
    run_tests,
    small_encoding,
    torch,
    weights,
    write_json,
)


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


if __name__ == "__main__":
    run_tests()
