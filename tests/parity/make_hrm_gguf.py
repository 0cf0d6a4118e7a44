#!/usr/bin/env python3
"""Writes tests/parity/golden/hrm_text_gguf/: a tiny random hrm_text model as llama.cpp stores it, and llama.cpp's logits.

  pip install gguf==0.19.0 llama-cpp-python==0.3.36 && tests/parity/make_hrm_gguf.py

Fewer heads of keys than of queries, heads wider than their share, an embedding that is scaled; keys and values in F32.
"""

import json
import pathlib

import gguf
import llama_cpp
import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent / "golden" / "hrm_text_gguf"
WIDTH, HEADS, KV_HEADS, HEAD, FFN = 16, 4, 2, 8, 24
LAYERS, SLOW, FAST = 2, 2, 3
TOKENS = [258, 72, 101, 108, 108, 111, 256, 10, 65, 257, 200, 5]


def bytes_as_text():
    """GPT-2's characters of the bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(256)]


def write(path):
    rng = np.random.default_rng(1)
    out = gguf.GGUFWriter(path, "hrm_text")
    out.add_name("tiny hrm_text")
    out.add_context_length(64)
    out.add_embedding_length(WIDTH)
    out.add_block_count(LAYERS * SLOW * (FAST + 1))
    out.add_feed_forward_length(FFN)
    out.add_head_count(HEADS)
    out.add_head_count_kv(KV_HEADS)
    out.add_key_length(HEAD)
    out.add_value_length(HEAD)
    out.add_rope_dimension_count(HEAD)
    out.add_rope_freq_base(500000.0)
    out.add_layer_norm_rms_eps(1e-6)
    out.add_embedding_scale(8.0)
    for key, value in (("layers_per_stack", LAYERS), ("h_cycles", SLOW), ("l_cycles", FAST)):
        out.add_uint32(f"hrm_text.hrm.{key}", value)
    out.add_bool("hrm_text.hrm.prefix_lm", True)
    names = [*bytes_as_text(), "Ġt", "he", "<|bos|>", "<|eos|>"]
    kinds = [gguf.TokenType.NORMAL] * (len(names) - 2) + [gguf.TokenType.CONTROL] * 2
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list(names)
    out.add_token_types(kinds)
    out.add_token_merges(["Ġ t", "h e"])
    out.add_bos_token_id(len(names) - 2)
    out.add_eos_token_id(len(names) - 1)
    out.add_add_bos_token(True)

    def add(name, rows, columns, gain=1.0):
        out.add_tensor(name, (rng.standard_normal((rows, columns)) * gain / np.sqrt(columns)).astype(np.float32))

    add("token_embd.weight", len(names), WIDTH)
    add("output.weight", len(names), WIDTH, 3.0)
    out.add_tensor("hrm.z_l_init", rng.standard_normal(WIDTH).astype(np.float32))
    for block in range(2 * LAYERS):
        for part, rows, gain in (("gate", HEADS, 1.5), ("q", HEADS, 1.5), ("k", KV_HEADS, 1.5), ("v", KV_HEADS, 1.0)):
            add(f"blk.{block}.attn_{part}.weight", rows * HEAD, WIDTH, gain)
        add(f"blk.{block}.attn_output.weight", WIDTH, HEADS * HEAD)
        add(f"blk.{block}.ffn_gate.weight", FFN, WIDTH)
        add(f"blk.{block}.ffn_up.weight", FFN, WIDTH)
        add(f"blk.{block}.ffn_down.weight", WIDTH, FFN)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return len(names)


def logits_of(path, vocabulary):
    llama_cpp.llama_backend_init()
    model_parameters = llama_cpp.llama_model_default_params()
    model_parameters.n_gpu_layers = 0
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), model_parameters)
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = 64
    parameters.n_threads = parameters.n_threads_batch = 1
    parameters.type_k = parameters.type_v = llama_cpp.GGML_TYPE_F32
    parameters.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
    context = llama_cpp.llama_init_from_model(model, parameters)
    batch = llama_cpp.llama_batch_init(len(TOKENS), 0, 1)
    batch.n_tokens = len(TOKENS)
    for i, token in enumerate(TOKENS):
        batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = token, i, 1, 0, True
    if llama_cpp.llama_decode(context, batch) != 0:
        raise SystemExit("llama.cpp could not decode")
    rows = [
        np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, i), shape=(vocabulary,)).copy()
        for i in range(len(TOKENS))
    ]
    return np.stack(rows)


def write_safetensors(path, name, values):
    """One tensor, F32."""
    header = json.dumps({name: {"dtype": "F32", "shape": values.shape, "data_offsets": [0, values.nbytes]}})
    header = header.ljust((len(header) + 7) // 8 * 8).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + values.astype("<f4").tobytes())


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    vocabulary = write(FOLDER / "model.gguf")
    write_safetensors(FOLDER / "expected.safetensors", "logits", logits_of(FOLDER / "model.gguf", vocabulary))
    made_by = f"llama.cpp of llama-cpp-python {llama_cpp.__version__}, keys and values F32, one thread"
    (FOLDER / "expected.json").write_text(json.dumps({"made_by": made_by, "tokens": TOKENS}, indent=1) + "\n")


if __name__ == "__main__":
    main()
