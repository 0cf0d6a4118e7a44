#!/usr/bin/env python3
"""Writes small valid files, and some that are broken on purpose, for the fuzz targets to start from.

    tests/fuzz/make_seeds.py FOLDER     makes FOLDER/TARGET/NAME for every target
"""

import json
import pathlib
import struct
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
SIZES = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8, "BOOL": 1}

# ---------------------------------------------------------------------------------------------------- safetensors


def count(shape):
    total = 1
    for size in shape:
        total *= size
    return total


def safetensors(tensors, dtype="BF16", **metadata):
    """`tensors`: name to shape, or to (shape, type). Every number is 0."""
    header, offset = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    for name, shape in tensors.items():
        shape, kind = shape if isinstance(shape, tuple) else (shape, dtype)
        size = count(shape) * SIZES[kind]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes(offset)


def safetensors_seeds():
    yield "empty", safetensors({})
    yield "types", safetensors({"a": ([2, 3], "F32"), "b": ([4], "F16"), "c": ([1, 1, 2], "BF16"), "d": ([], "F32")})
    yield "other_types", safetensors({"a": ([2], "I64"), "b": ([3], "BOOL"), "c": ([0, 5], "F32")}, format="pt")
    yield "cut", safetensors({"a": ([8], "F32")})[:-5]
    yield "huge_header", struct.pack("<Q", 2**63) + b"{}"
    yield "huge_shape", struct.pack("<Q", 76) + b'{"a":{"dtype":"F32","shape":[1099511627776,0],"data_offsets":[0,0]}}'.ljust(76)
    yield "index", json.dumps({"metadata": {"total_size": 2}, "weight_map": {"a": "model-1.safetensors"}}).encode()
    yield "index_of_others", json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "../model.safetensors"}}).encode()


# ----------------------------------------------------------------------------------------------------------- gguf

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
PACK = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q", I64: "q", F64: "d"}
# number of the type, numbers and bytes of a block
BLOCKS = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q4_1": (3, 32, 20), "Q8_0": (8, 32, 34),
          "Q4_K": (12, 256, 144), "Q5_K": (13, 256, 176), "Q6_K": (14, 256, 210), "BF16": (30, 1, 2)}


def gguf_text(text):
    text = text.encode()
    return struct.pack("<Q", len(text)) + text


def gguf_value(kind, value):
    if kind == STRING:
        return gguf_text(value)
    if kind == ARRAY:
        element, values = value
        return struct.pack("<IQ", element, len(values)) + b"".join(gguf_value(element, v) for v in values)
    return struct.pack("<" + PACK[kind], value)


def gguf(metadata, tensors=None, version=3):
    """`metadata`: key to (type, value); `tensors`: name to shape (outermost first), or to (shape, type)."""
    tensors = tensors or {}
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for key, (kind, value) in metadata.items():
        out += gguf_text(key) + struct.pack("<I", kind) + gguf_value(kind, value)
    offset, data = 0, b""
    for name, shape in tensors.items():
        shape, kind = shape if isinstance(shape, tuple) else (shape, "F16")
        number, block, size = BLOCKS[kind]
        out += gguf_text(name) + struct.pack("<I", len(shape))
        out += b"".join(struct.pack("<Q", axis) for axis in reversed(shape)) + struct.pack("<IQ", number, len(data))
        data += bytes(count(shape) // block * size)
        data += bytes(-len(data) % 32)
    return out + bytes(-len(out) % 32) + data if tensors else out


def gguf_model(architecture, layer, top=(), **more):
    a = architecture
    metadata = {
        "general.architecture": (STRING, a), "general.name": (STRING, "seed"), f"{a}.context_length": (U32, 8),
        f"{a}.embedding_length": (U32, 4), f"{a}.block_count": (U32, 1), f"{a}.feed_forward_length": (U32, 6),
        f"{a}.attention.head_count": (U32, 2), f"{a}.attention.head_count_kv": (U32, 1),
        f"{a}.attention.layer_norm_rms_epsilon": (F32, 1e-5), f"{a}.rope.freq_base": (F32, 1e4),
    }
    metadata |= {f"{a}.{key}": value for key, value in more.items()}
    tensors = {"token_embd.weight": [3, 4], "output_norm.weight": [4]} | dict(top)
    common = {"attn_q.weight": [4, 4], "attn_k.weight": [2, 4], "attn_v.weight": [2, 4], "attn_output.weight": [4, 4],
              "ffn_gate.weight": [6, 4], "ffn_up.weight": [6, 4], "ffn_down.weight": [4, 6]}
    return gguf(metadata, tensors | {"blk.0." + name: shape for name, shape in (common | layer).items()})


def gguf_seeds():
    for name in ("metadata", "big"):
        yield name, (TESTS / "format" / "golden" / f"{name}.gguf").read_bytes()
    every = {f"v{kind}": (kind, 1) for kind in PACK} | {f"l{kind}": (ARRAY, (kind, [1, 0])) for kind in PACK}
    every |= {"text": (STRING, "é"), "texts": (ARRAY, (STRING, ["a", ""])), "none": (ARRAY, (STRING, []))}
    every["lists"] = (ARRAY, (ARRAY, [(U8, [1]), (STRING, ["x"])]))
    yield "values", gguf(every)
    yield "types", gguf({}, {kind: ([1, 256], kind) for kind in BLOCKS}, version=2)
    yield "alignment", gguf({"general.alignment": (U32, 32)}, {"scalar": [], "none": [0, 4], "cube": [2, 1, 3]})
    norms = {"attn_norm.weight": [4], "ffn_norm.weight": [4]}
    biases = {"attn_q.bias": [4], "attn_k.bias": [2], "attn_v.bias": [2]}
    head_norms = {"attn_q_norm.weight": [2], "attn_k_norm.weight": [2]}
    yield "llama", gguf_model("llama", norms, {"rope_freqs.weight": ([1], "F32")})
    yield "llama_loops", gguf_model("llama", norms, {"output.weight": [3, 4]}, num_loops=(U32, 2),
                                    skip_loop_final_norm=(BOOL, True))
    out_bias = {"attn_output.bias": [4], "ffn_gate.bias": [6], "ffn_up.bias": [6], "ffn_down.bias": [4]}
    yield "llama_biases", gguf_model("llama", norms | biases | out_bias, **{
        "rope.scaling.factor": (F32, 4), "attention.scale": (F32, 0), "logit_scale": (F32, 1), "vocab_size": (U32, 3)})
    yield "llama_old_scale", gguf_model("llama", norms | biases, **{"rope.scale_linear": (F32, 2)})
    yield "part", gguf({"split.no": (U16, 1), "split.count": (U16, 2)})
    yield "nanbeige", gguf_model("nanbeige", norms, num_loops=(U32, 3))
    yield "qwen2", gguf_model("qwen2", norms | biases, **{"rope.scaling.type": (STRING, "linear"),
                                                          "rope.scaling.factor": (F32, 2)})
    yield "qwen3", gguf_model("qwen3", norms | head_norms, **{"attention.key_length": (U32, 2),
                                                              "rope.dimension_count": (U32, 2)})
    yield "olmo2", gguf_model("olmo2", {"post_attention_norm.weight": [4], "post_ffw_norm.weight": [4],
                                        "attn_q_norm.weight": [4], "attn_k_norm.weight": [2]})
    spec, tensors = own_model()
    yield "gyre", gguf({"gyre.format": (U32, 1), "gyre.spec": (STRING, json.dumps(spec))}, tensors)


# --------------------------------------------------------------------------------------------------------- config


def own_model(**more):
    spec = {"model_type": "gyre", "name": "seed", "vocab_size": 3, "context": 4, "hidden_size": 4, "heads": 2,
            "kv_heads": 1, "head_size": 2, "ffn_size": 2, "groups": [{"name": "a", "layers": 1, "loops": 2}]} | more
    layer = {"attn.norm_in.weight": [4], "attn.qkv.weight": [8, 4], "attn.out.weight": [4, 4],
             "mlp.norm_in.weight": [4], "mlp.up.weight": [4, 4], "mlp.down.weight": [4, 2]}
    tensors = {"embed.weight": [3, 4]} | {"groups.0.layers.0." + name: shape for name, shape in layer.items()}
    return spec, tensors | {"final_norm.weight": [4]}


def rich_spec():
    """Every key."""
    return {
        "model_type": "gyre", "name": "rich", "vocab_size": 3, "context": 4, "hidden_size": 32, "heads": 4,
        "kv_heads": 2, "head_size": 4, "ffn_size": 8, "norm": "layer", "norm_placement": "sandwich",
        "norm_eps": 1e-6, "final_norm": False, "embedding_norm": True, "qk_norm": "full", "qk_norm_eps": 1e-6,
        "position": "rotary_adjacent", "rotary_theta": 500.5, "rotary_divisors": [1, 2.5], "mlp": "relu_squared",
        "biases": True, "qkv_biases": True, "tied_head": False, "logit_softcap": 15, "embedding_scale": -2,
        "embedding_mix": True, "branch_scales": True, "query_gain": True,
        "groups": [
            {"name": "prelude", "exit_norm": True, "exit_linear": True},
            {"name": "core", "layers": 2, "loops": 4, "injection": "decay", "first_state": "noise", "noise_std": 0.5,
             "loop_norm": True, "exit_gate": True, "damping": 0.5, "value_layers": [0, 1],
             "fast": {"layers": 1, "runs": 3}, "order": [1, 0, 1], "skips": [[0, 2]],
             "first_loop_attention": True, "loop_window": 2},
            {"name": "coda", "injection": "linear", "first_state": "zero"}],
        "training": {"note": [1, "x", None]}}


def decoder(model_type, layer, top=(), **more):
    config = {"model_type": model_type, "vocab_size": 3, "max_position_embeddings": 8, "hidden_size": 4,
              "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 6, "num_hidden_layers": 1,
              "rms_norm_eps": 1e-6, "rope_theta": 1e4, "tie_word_embeddings": True, "hidden_act": "silu"} | more
    common = {"self_attn.q_proj.weight": [4, 4], "self_attn.k_proj.weight": [2, 4], "self_attn.v_proj.weight": [2, 4],
              "self_attn.o_proj.weight": [4, 4], "mlp.gate_proj.weight": [6, 4], "mlp.up_proj.weight": [6, 4],
              "mlp.down_proj.weight": [4, 6]}
    tensors = {"model.embed_tokens.weight": [3, 4], "model.norm.weight": [4]} | dict(top)
    return config, tensors | {"model.layers.0." + name: shape for name, shape in (common | layer).items()}


def stacked(prefixes, layer, top):
    return top | {prefix + name: shape for prefix in prefixes for name, shape in layer.items()}


RAVEN_PARTS = ["transformer.prelude.0.", "transformer.core_block.0.", "transformer.coda.0."]
STACK = {"n_layers_in_prelude": 1, "n_layers_in_recurrent_block": 1, "n_layers_in_coda": 1, "mean_recurrence": 4}


def raven(norms, **more):
    config = {"model_type": "huginn_raven", "padded_vocab_size": 3, "block_size": 8, "n_embd": 4, "n_heads": 2,
              "num_key_value_heads": 2, "intermediate_size": 2, "norm_eps": 1e-6, "rope_base": 50000} | STACK | more
    layer = {"attn.Wqkv.weight": [12, 4], "attn.proj.weight": [4, 4], "mlp.fc.weight": [4, 4],
             "mlp.proj.weight": [4, 2]} | norms
    top = {"transformer.wte.weight": [3, 4], "transformer.adapter.weight": [4, 8], "transformer.ln_f.weight": [4],
           "freqs_cis": [1, 2]}
    if not config["tie_embeddings"]:
        top["lm_head.weight"] = [3, 4]
    return config, stacked(RAVEN_PARTS, layer, top)


def parcae(**more):
    config = {"model_class_name": "Parcae", "name": "parcae", "padded_vocab_size": 2, "block_size": 8, "n_embd": 32,
              "num_attention_heads": 1, "num_key_value_heads": 1, "intermediate_size": 1, "norm_eps": 1e-5,
              "norm_class_name": "RMSNorm", "nonlin_name": "ReLU2", "init_strategy": "takase", "state_init": "embed",
              "qk_norm": True, "rope_settings": {"rope_base": 50000, "rope_condense_ratio": 2, "use_rope": True},
              "tie_embeddings": True, "logit_softcap": 1.5, "injection_type": "diagonal", "clip_qkv": None,
              "mup_model_scaling_factor": 1, "recurrent_embedding_dimension": 32, "prelude_norm": True} | STACK | more
    layer = {"norm_1.weight": [32], "attn.c_q.weight": [32, 32], "attn.c_k.weight": [32, 32],
             "attn.c_v.weight": [32, 32], "attn.c_proj.weight": [32, 32], "norm_2.weight": [32],
             "mlp.fc.weight": [1, 32], "mlp.proj.weight": [32, 1]}
    top = {"transformer.wte.weight": [2, 32], "transformer.adapter.A_log": [32], "transformer.adapter.dt_bias": [32],
           "transformer.adapter.B": [32, 32], "transformer.C.weight": [32, 32], "transformer.ln_f.weight": [32],
           "transformer.ln_prelude.weight": [32]}
    for place in (0, 2):
        top[RAVEN_PARTS[place] + "attn.ve_gate.weight"] = [1, 32]
        top[f"value_embeds.{place}.weight"] = [2, 32]
    return config, stacked(RAVEN_PARTS, layer, top)


def nanochat(**more):
    config = {"vocab_size": 3, "sequence_len": 8, "n_embd": 4, "n_head": 2, "n_kv_head": 1, "n_prelude": 1,
              "n_recur_block": 1, "n_coda": 1, "train_recur_mean": 4.0, "logit_softcap": 15.0} | more
    layer = {"n1.weight": [4], "n2.weight": [4], "n3.weight": [4], "n4.weight": [4], "attn.c_q.weight": [4, 4],
             "attn.c_k.weight": [2, 4], "attn.c_v.weight": [2, 4], "attn.c_proj.weight": [4, 4],
             "mlp.c_fc.weight": [16, 4], "mlp.c_proj.weight": [4, 16]}
    top = {"transformer.wte.weight": [4, 4], "lm_head.weight": [4, 4], "inject.weight": [4, 8],
           "norm_emb.weight": [4], "norm_recur.weight": [4], "norm_final.weight": [4]}
    return config, stacked(["transformer.prelude.0.", "transformer.recur.0.", "transformer.coda.0."], layer, top)


def hrm_text(fused):
    config = {"model_type": "hrm_text", "vocab_size": 3, "max_position_embeddings": 8, "hidden_size": 4,
              "num_attention_heads": 2, "head_dim": 2, "intermediate_size": 6, "num_hidden_layers": 1 if fused else 8,
              "H_cycles": 2, "L_cycles": 3, "rms_norm_eps": 1e-6, "initializer_range": 0.5, "prefix_lm": True}
    config |= {"rope_theta": 1e4, "embedding_scale": 2} if fused else {
        "num_layers_per_stack": 1, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}
    layer = {"attn.gqkv_proj.weight": [16, 4], "attn.o_proj.weight": [4, 4], "mlp.gate_up_proj.weight": [12, 4]} if fused \
        else {f"self_attn.{name}_proj.weight": [4, 4] for name in ("gate", "q", "k", "v", "o")} | {
            "mlp.gate_proj.weight": [6, 4], "mlp.up_proj.weight": [6, 4]}
    top = {"model.embed_tokens.weight": [3, 4], "lm_head.weight": [3, 4], "model.z_L_init": [4]}
    prefixes = ["model.L_module.layers.0.", "model.H_module.layers.0."]
    return config, stacked(prefixes, layer | {"mlp.down_proj.weight": [4, 6]}, top)


def gpt2(prefix, **more):
    config = {"model_type": "gpt2", "vocab_size": 3, "n_positions": 4, "n_embd": 4, "n_head": 2, "n_layer": 1,
              "n_inner": None if prefix else 16, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5} | more
    layer = {"ln_1.weight": [4], "ln_1.bias": [4], "attn.c_attn.weight": [4, 12], "attn.c_attn.bias": [12],
             "attn.c_proj.weight": [4, 4], "attn.c_proj.bias": [4], "ln_2.weight": [4], "ln_2.bias": [4],
             "mlp.c_fc.weight": [4, 16], "mlp.c_fc.bias": [16], "mlp.c_proj.weight": [16, 4], "mlp.c_proj.bias": [4]}
    top = {"wte.weight": [3, 4], "wpe.weight": [4, 4], "ln_f.weight": [4], "ln_f.bias": [4]}
    tensors = {prefix + name: shape for name, shape in stacked(["h.0."], layer, top).items()}
    return config, tensors if config.get("tie_word_embeddings", True) else tensors | {"lm_head.weight": [3, 4]}


def config_seeds():
    def folder(made, dtype="BF16"):
        config, tensors = made
        return json.dumps(config).encode() + b"\0" + safetensors(tensors, dtype)

    yield "gyre", folder(own_model(), "F32")
    yield "gyre_f16", folder(own_model(), "F16")
    yield "rich", json.dumps(rich_spec()).encode()
    norms = {"input_layernorm.weight": [4], "post_attention_layernorm.weight": [4]}
    biases = {"self_attn.q_proj.bias": [4], "self_attn.k_proj.bias": [2], "self_attn.v_proj.bias": [2]}
    scaling = {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4,
               "original_max_position_embeddings": 4}
    yield "llama", folder(decoder("llama", norms, {"lm_head.weight": [3, 4]}, tie_word_embeddings=False))
    yield "llama_scaled", folder(decoder("llama", norms, rope_scaling=scaling, head_dim=2))
    every_bias = {name: [size] for name, size in (
        ("self_attn.q_proj.bias", 4), ("self_attn.k_proj.bias", 2), ("self_attn.v_proj.bias", 2),
        ("self_attn.o_proj.bias", 4), ("mlp.gate_proj.bias", 6), ("mlp.up_proj.bias", 6), ("mlp.down_proj.bias", 4))}
    yield "llama_biases", folder(decoder("llama", norms | every_bias, attention_bias=True, mlp_bias=True))
    mlp_bias = {name: shape for name, shape in every_bias.items() if name.startswith("mlp")}
    yield "llama_mlp_bias", folder(decoder("llama", norms | mlp_bias, mlp_bias=True, pretraining_tp=1))
    yield "llama_linear", folder(decoder("llama", norms, rope_scaling={"type": "linear", "factor": 2}), "F32")
    yield "qwen2", folder(decoder("qwen2", norms | biases, use_sliding_window=False))
    yield "qwen3", folder(decoder("qwen3", norms | {"self_attn.q_norm.weight": [2], "self_attn.k_norm.weight": [2]}))
    yield "olmo2", folder(decoder("olmo2", {
        "post_attention_layernorm.weight": [4], "post_feedforward_layernorm.weight": [4],
        "self_attn.q_norm.weight": [4], "self_attn.k_norm.weight": [2]}))
    yield "nanbeige", folder(decoder("nanbeige", norms, num_loops=2))
    yield "nanbeige_weighted", folder(decoder("nanbeige", norms, loop_loss_weights=[1, 1], skip_loop_final_norm=True))
    gate = {"model.early_exit_gate.weight": [1, 4], "model.early_exit_gate.bias": [1]}
    second = {"input_layernorm_2.weight": [4], "post_attention_layernorm_2.weight": [4]}
    yield "ouro", folder(decoder("ouro", norms | second, gate, total_ut_steps=4))
    four = {f"norm_{i}.weight": [4] for i in range(1, 5)} | {"attn.qk_bias": [2, 1, 2, 2]}
    two = {f"norm_{i}.weight": [4] for i in range(1, 3)}
    qk = {"attn.q_norm.weight": [4], "attn.k_norm.weight": [4]}
    yield "huginn", folder(raven(four, tie_embeddings=True, qk_bias=True, init_values={"std": 0.1, "embed_scale": 2}))
    yield "retrofit_llama", folder(raven(two, tie_embeddings=False))
    yield "retrofit_olmo2", folder(raven(two | qk, tie_embeddings=False))
    yield "parcae", folder(parcae())
    yield "parcae_gelu", folder(parcae(nonlin_name="GELU", state_init="zero", init_strategy="scaled", qk_norm=False))
    yield "nanochat", folder(nanochat())
    yield "nanochat_noise", folder(nanochat(input_injection="inject_init_random"), "F16")
    yield "hrm_text", folder(hrm_text(True))
    yield "hrm_text_split", folder(hrm_text(False))
    yield "gpt2", folder(gpt2("transformer."))
    yield "gpt2_bare", folder(gpt2(""))
    yield "gpt2_switches", folder(gpt2("", tie_word_embeddings=False, scale_attn_weights=False, n_ctx=4,
                                       scale_attn_by_inverse_layer_idx=True, activation_function="gelu"))
    yield "deep", b'{"model_type":"llama","vocab_size":' + b"[" * 300 + b"]" * 300 + b"}"


# ------------------------------------------------------------------------------------------------------ tokenizer


def vocabulary(model, tokens, more=None, **keys):
    metadata = {"tokenizer.ggml.model": (STRING, model), "tokenizer.ggml.tokens": (ARRAY, (STRING, tokens))}
    return gguf(metadata | {f"tokenizer.ggml.{key}": value for key, value in keys.items()} | (more or {}))


def small_tokenizer(**parts):
    names = ["<unk>", "a", "b", " ", "\u2581", "ab", "<0x41>", "the", "##e", "\u0120"]
    model = {"type": "BPE", "vocab": {name: i for i, name in enumerate(names)}, "merges": ["a b"], "unk_token": "<unk>"}
    return json.dumps({"version": "1.0", "model": model, "decoder": {"type": "Fuse"}} | parts).encode()


def stage_seeds():
    normalizers = [{"type": kind} for kind in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents")] + [
        {"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "Prepend", "prepend": "\u2581"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
        {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
        {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
         "lowercase": True}]
    yield "normalizers", small_tokenizer(normalizer={"type": "Sequence", "normalizers": normalizers})
    behaviors = ("Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext")
    cuts = [{"type": "Split", "pattern": {"Regex": "\\p{N}{1,3}|(?<=a)b|\\K"}, "behavior": b, "invert": b == "Removed"}
            for b in behaviors] + [
        {"type": "Split", "pattern": {"String": "(a"}, "behavior": "Isolated", "invert": False},
        {"type": "Digits", "individual_digits": True}, {"type": "Punctuation", "behavior": "Contiguous"},
        {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True},
        {"type": "Whitespace"}, {"type": "WhitespaceSplit"}, {"type": "BertPreTokenizer"}]
    yield "pre_tokenizers", small_tokenizer(pre_tokenizer={"type": "Sequence", "pretokenizers": cuts})
    steps = [{"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"},
             {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True},
             {"type": "WordPiece", "prefix": "##", "cleanup": True}, {"type": "Fuse"},
             {"type": "Strip", "content": " ", "start": 1, "stop": 2}]
    yield "decoders", small_tokenizer(decoder={"type": "Sequence", "decoders": steps})
    template = {"type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "a", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [], "special_tokens": {"a": {"id": "a", "ids": [1], "tokens": ["a"]}}}
    post = [template, {"type": "RobertaProcessing", "cls": ["a", 1], "sep": ["b", 2]}, {"type": "ByteLevel"}]
    yield "post_processors", small_tokenizer(post_processor={"type": "Sequence", "processors": post})
    added = [{"id": 0, "content": "<unk>", "special": True},
             {"id": 10, "content": "the", "lstrip": True, "rstrip": True, "single_word": True, "normalized": True}]
    added[1]["content"] = "loop"
    yield "added", small_tokenizer(added_tokens=added, normalizer={"type": "Lowercase"})


def tokenizer_seeds():
    for path in sorted((TESTS / "text" / "golden").glob("*.json")):
        if path.stem not in ("cases", "families"):
            yield path.stem, json.dumps(json.loads(path.read_text()), separators=(",", ":")).encode()
    yield "vocab", (TESTS / "text" / "golden" / "word_piece.txt").read_bytes()[:600]
    yield from stage_seeds()
    types = (ARRAY, (I32, [2, 3, 1, 1, 1, 4, 5, 6]))
    pieces = ["<unk>", "<s>", "\u2581", "a", "\u2581a", "loop", "[pad]", "<0x41>"]
    scores = (ARRAY, (F32, [0, 0, -1, -2, -3, -3.5, 0, 0]))
    yield "gguf_llama", vocabulary("llama", pieces, token_type=types, scores=scores, bos_token_id=(U32, 1),
                                   eos_token_id=(U32, 5), unknown_token_id=(U32, 0), add_space_prefix=(BOOL, False))
    for pre in ("default", "gpt-2", "smollm", "llama-bpe", "dbrx", "qwen2", "tekken"):
        yield f"gguf_{pre}", vocabulary("gpt2", ["a", "b", "ab", "\u0120", "<e>"], pre=(STRING, pre),
                                        token_type=(ARRAY, (I32, [1, 1, 1, 1, 3])), merges=(ARRAY, (STRING, ["a b"])),
                                        eos_token_id=(U32, 4), eot_token_id=(U32, 4), add_bos_token=(BOOL, True),
                                        bos_token_id=(U32, 4))
    yield "gguf_chat", vocabulary("bert", ["[UNK]", "[CLS]", "[SEP]"], {
        "tokenizer.chat_template": (STRING, TEMPLATES["llama2"])}, bos_token_id=(U32, 1), eos_token_id=(U32, 2))
    yield "gguf_bert", vocabulary("bert", ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u2581the", "s", "\u2581loop"])
    yield "gguf_gyre", gguf({"gyre.spec": (STRING, "{}"), "gyre.end_tokens": (ARRAY, (U32, [1, 99])),
                             "tokenizer.huggingface.json": (STRING, small_tokenizer().decode())})


# -------------------------------------------------------------------------------------------------- chat template

TEMPLATES = {
    "chatml": "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
              "{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}{% endif %}"
              "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
              "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "thoughts": "{%- set ns = namespace(last=messages|length - 1, multi=true) %}\n"
                "{%- for message in messages[::-1] %}\n  {%- set index = (messages|length - 1) - loop.index0 %}\n"
                "  {%- if ns.multi and message.role == 'user' and message.content is string and "
                "not (message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}"
                "\n    {%- set ns.multi = false %}\n    {%- set ns.last = index %}\n  {%- endif %}\n{%- endfor %}\n"
                "{%- for m in messages if m.content is string %}{{ m.content.split('</think>')[-1].lstrip('\\n') }}"
                "{% endfor %}{{ ns.last }}",
    "tools": "{%- if tools %}{% for tool in tools %}{{ tool | tojson(indent=2) }}\n{% endfor %}{% endif -%}\n"
             "{% for m in messages if m.tool_calls %}{% for call in m.tool_calls %}{{ call.function.name }}"
             "({% for k, v in call.function.arguments|items %}{{ k }}={{ v|tojson if v is not string else v }}"
             "{{ ', ' if not loop.last }}{% endfor %}){% endfor %}{% endfor %}",
    "macros": "{% macro turn(m, end=eos_token) %}[{{ m.role|upper }}] {{ caller() if caller }}{{ varargs }}{{ kwargs }}"
              "{{ end }}{% endmacro %}{% for m in messages %}{% call turn(m) %}{{ m.content|string|trim }}{% endcall %}"
              "{{ turn(m, '', 1, a=2) }}{% endfor %}",
    "llama2": "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% else %}"
              "{% set loop_messages = messages %}{% endif %}{% for message in loop_messages %}"
              "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
              "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
              "{{ bos_token + '[INST] ' + message['content'].strip() + ' [/INST]' }}{% endfor %}",
    "date": "{{ strftime_now('%d %b %Y %H:%M') }}{% generation %}{{ messages[-1].content }}{% endgeneration %}",
    "filters": "{{ messages|map(attribute='role')|unique|sort(reverse=true)|join(', ') }}"
               "{{ messages|selectattr('role', 'equalto', 'user')|list|length }}{{ messages|groupby('role')|length }}"
               "{{ 'a b'|title|replace('A', 'c')|indent(2, true)|center(9)|wordcount }}{{ 2.345|round(2) }}"
               "{{ '%05.1f %s'|format(1.25, 'x') }}{{ {'b': 1, 'a': 2}|dictsort }}{{ [1, 2]|sum }}{{ [3, 1]|min }}"
               "{{ [1, 2, 3]|batch(2, 0)|list }}{{ range(5)|select('odd')|list }}{{ messages|tojson|safe|e }}",
    "methods": "{{ 'a,b'.split(',') }}{{ ' x '.strip() }}{{ 'ab'.find('b') }}{{ '{} {x!r:>3}'.format(1, x='y') }}"
               "{{ 'abc'[::-1] }}{{ 'abc'[-2:] }}{{ 'x'.join(['a', 'b']) }}{{ {'a': 1}.items()|list }}{{ 'a\\nb'.splitlines() }}",
    "signs": "{{ 1 + 2 * 3 ** 2 // 4 % 5 - -6 / 7 }}{{ 1 < 2 <= 3 != 4 }}{{ 'a' in 'abc' and not x or none }}"
             "{{ 'a' ~ 1 ~ [1, (2,), {'k': 1.5}] }}{{ 1 if x is defined else 'no' }}",
    "blanks": "  {%- if true +%}\n  a\n  {%+ endif -%}\n\n{# note -#}\n  b {{- 'c' -}}  d\n{% raw %}{{ x }}{% endraw %}\n",
    "cycle": "{% set c = cycler('a', 'b') %}{% set j = joiner() %}{% for i in range(3) %}{{ j() }}{{ c.next() }}"
             "{{ loop.cycle(1, 2) }}{{ loop.changed(i // 2) }}{{ loop.nextitem }}{% else %}none{% endfor %}",
    "itself": "{% set ns = namespace() %}{% set ns.x = ns %}{% macro f() %}{% set ns.f = f %}{{ ns.x.x is defined }}"
              "{% endmacro %}{{ f() }}{% for i in range(3) %}{% set ns.l = loop %}{% endfor %}{{ ns.l }}",
    "endless": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "large": "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
    "deep": "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
    "brackets": "{{ " + "(" * 300 + ")" * 300 + " }}",
    "steps": "{% for i in range(9999) %}{% for j in range(9999) %}{{ i }}{% endfor %}{% endfor %}",
}


def chat_template_seeds():
    for name, source in TEMPLATES.items():
        yield name, source.encode()
        yield name + "_config", json.dumps({"bos_token": "<s>", "eos_token": {"content": "</s>"},
                                            "chat_template": source}).encode()
    named = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": TEMPLATES["llama2"]}]
    yield "named", json.dumps({"chat_template": named}).encode()


SEEDS = {"safetensors": safetensors_seeds, "gguf": gguf_seeds, "config": config_seeds, "tokenizer": tokenizer_seeds,
         "chat_template": chat_template_seeds}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for target, seeds in SEEDS.items():
        folder = pathlib.Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in seeds():
            (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
