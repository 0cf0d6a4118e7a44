"""What configurations may hold and which tensors they ask for. Every key is used, changes nothing, or is refused with
what it means."""

import itertools
import math

from checkpoints.refusal import Refusal, listed, shown

MOST = 1 << 24
MOST_LAYERS = 4096


def whole(config, key, where, most=MOST):
    """A whole number, which is written as one."""
    value = config.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value % 1 != 0 or not 1 <= value <= most:
        raise Refusal(f"{where}: {key} must be a whole number from 1 to {most}, found {shown(value)}")
    config[key] = int(value)
    return config[key]


def divided(config, key, by, where):
    a, b = whole(config, key, where), whole(config, by, where)
    if a % b:
        raise Refusal(f"{where}: {key} ({a}) must be a multiple of {by} ({b})")
    return a // b


class Keys:
    """What a family's configuration may hold: `fixed` maps a key to (values that gyre does, what the others mean)."""

    def __init__(self, used, harmless, fixed, same=()):
        self.used, self.harmless, self.fixed, self.same = set(used), set(harmless), fixed, dict(same)

    def sort(self, config, where):
        """(used keys, keys that change nothing); refuses the first that is neither."""
        for key, value in config.items():
            if key in self.fixed:
                right, meaning = self.fixed[key]
                if value is not None and value not in right:
                    does = " or ".join(map(shown, right)) if right else "null"
                    raise Refusal(f"{where}: {key} is {shown(value)}: {meaning}; gyre does {does} only")
            elif key in self.same:
                other = self.same[key]
                if value is not None and value != config.get(other):
                    raise Refusal(f"{where}: {key} is {shown(value)}, but {other} is {shown(config.get(other))}: the "
                                  "core has other sizes than the rest; gyre does cores like the rest")
            elif key not in self.used | self.harmless and not key.startswith("_") and value is not None:
                raise Refusal(f"{where}: the key {key} ({shown(value)}) is not known; it may change what the model "
                              "computes, so take it out only if it does not")
        known = self.used | self.fixed.keys() | self.same.keys()
        return [key for key in config if key in known], [key for key in config if key not in known]


# What parcae_lm takes for a key that is left out.
PARCAE_DEFAULTS = {
    "name": "", "block_size": 4096, "n_embd": 4096, "intermediate_size": None, "num_attention_heads": 32,
    "num_key_value_heads": None, "vocab_size": 50254, "padding_multiple": 512, "padded_vocab_size": None,
    "rope_settings": {"use_rope": True, "rope_condense_ratio": 1, "rope_base": 50000}, "norm_class_name": "LayerNorm",
    "norm_eps": 1e-5, "nonlin_name": "GELU", "init_strategy": "scaled", "qk_norm": False, "logit_softcap": None,
    "injection_type": "diagonal", "n_layers_in_recurrent_block": 4, "n_layers_in_prelude": 1, "n_layers_in_coda": 1,
    "state_init": "like-init", "recurrent_embedding_dimension": 1024,
    "recurrent_intermediation_embedding_dimension": 3520, "recurrent_num_attention_heads": None, "prelude_norm": False,
    "mean_recurrence": 32, "tie_embeddings": False, "model_class_name": "Parcae",
}

PARCAE_KEYS = Keys(
    ["block_size", "intermediate_size", "logit_softcap", "mean_recurrence", "n_embd", "n_layers_in_coda",
     "n_layers_in_prelude", "n_layers_in_recurrent_block", "name", "norm_eps", "num_attention_heads",
     "padded_vocab_size", "prelude_norm", "qk_norm", "rope_settings", "tie_embeddings", "use_fused_head"],
    ["activation_checkpoint_impl", "architecture_class_name", "curriculum_target", "hf_config", "init_orthogonal",
     "lockstep_k", "lockstep_n", "mean_backprop_depth", "padding_multiple", "randomize_positions_from",
     "recurrent_iteration_method", "sampling_scheme", "skip_initialization", "strategy", "vocab_size",
     # Of transformers.
     "architectures", "auto_map", "bos_token_id", "dtype", "eos_token_id", "model_type", "pad_token_id",
     "tokenizer_class", "torch_dtype", "transformers_version"],
    {
        "attn_impl": (["flash", "sdpa"], "another attention"),
        "bias": ([False], "linear maps with biases"),
        "block_class_name": (["TransformerPreNormBlock"], "layers of another kind"),
        "center_attention": ([False], "the mean is taken off the attention's weights"),
        "clip_qkv": ([], "queries, keys and values are cut off at this size"),
        "debias_attention": ([False], "a uniform share is taken off the attention's weights"),
        "injection_type": (["diagonal"], "the prelude's output enters the core by a linear map or by a sum"),
        "init_strategy": (["scaled", "scaled-zero", "scaled-geiping", "scaled-stuck", "small", "takase"],
                          "other scales of embeddings, first states or logits"),
        "mlp_class_name": (["BaseMLP"], "a gated feed-forward layer"),
        "model_class_name": (["Parcae"], "another model of the program parcae_lm"),
        "mup_model_scaling_factor": ([1], "a width scaled after training settings of a narrower model"),
        "nonlin_name": (["ReLU2", "GELU"], "another activation"),
        "norm_class_name": (["RMSNorm"], "another norm"),
        "qk_bias": ([False], "biases of queries and keys"),
        "simple_ops": ([False], "norms and linear maps of another kind"),
        "state_init": (["like-init", "normal", "embed", "zero"], "another first state"),
        "use_abacus": ([False], "positions within numbers"),
    },
    {"num_key_value_heads": "num_attention_heads", "recurrent_embedding_dimension": "n_embd",
     "recurrent_intermediation_embedding_dimension": "intermediate_size",
     "recurrent_num_attention_heads": "num_attention_heads"},
)

NANOCHAT_KEYS = Keys(
    ["input_injection", "logit_softcap", "n_coda", "n_embd", "n_head", "n_kv_head", "n_prelude", "n_recur_block",
     "sequence_len", "train_recur_mean", "vocab_size", "window_pattern"],
    ["bptt_k", "inject_mode", "kv_cache_recur_budget", "n_layer", "recur_warm_start", "size", "train_recur_max"],
    {"input_injection": (["inject_init_prelude", "inject_init_random", "passthrough"], "another way into the core"),
     "n_loops": ([], "of looped nanochat before 26 January 2026, whose layers had scales and value embeddings")},
)

# Tensors of other programs of these families, and what they mean.
STRANGERS = {
    "resid_lambdas": "a scale of each layer's sum, of nanochat and of looped nanochat before 26 January 2026",
    "x0_lambdas": "a share of the embedding in each layer, of nanochat and of looped nanochat before 26 January 2026",
    "value_embeds": "embeddings added to the values of layers that the configuration gives none",
    "qk_bias": "biases of queries and keys",
    "bias": "a bias; gyre does linear maps without biases in this family",
}


class Model:
    """A family's model as its configuration describes it."""

    def __init__(self, family, config, keys=((), ()), shapes=None):
        self.family, self.config, (self.used, self.harmless), self.shapes = family, config, keys, shapes
        self.unused = {}  # tensors that are not written, and why
        self.transposed = set()
        self.notes = []


def parcae_layers(config):
    """What the names of each layer's tensors begin with, in order."""
    parts = [("prelude", config["n_layers_in_prelude"]), ("core_block", config["n_layers_in_recurrent_block"]),
             ("coda", config["n_layers_in_coda"])]
    return [f"transformer.{part}.{i}." for part, count in parts for i in range(count)]


def parcae(given, where):
    config = PARCAE_DEFAULTS | given
    if config["padded_vocab_size"] is None:
        step = whole({"padding_multiple": config["padding_multiple"]}, "padding_multiple", where)
        config["padded_vocab_size"] = -(-whole(config, "vocab_size", where) // step) * step
    if config["intermediate_size"] is None:
        config["intermediate_size"] = 4 * whole(config, "n_embd", where)
    keys = PARCAE_KEYS.sort(config, where)
    if not isinstance(config["rope_settings"], dict):
        raise Refusal(f"{where}: rope_settings must be an object, found {shown(config['rope_settings'])}")
    config["rope_settings"] = PARCAE_DEFAULTS["rope_settings"] | config["rope_settings"]
    unknown = config["rope_settings"].keys() - PARCAE_DEFAULTS["rope_settings"].keys()
    if unknown:
        raise Refusal(f"{where}: rope_settings: the key {sorted(unknown)[0]} is not known")
    for key in ("rope_base", "rope_condense_ratio"):
        value = config["rope_settings"][key]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
            raise Refusal(f"{where}: rope_settings: {key} must be a number above 0, found {shown(value)}")
    if config["rope_settings"]["use_rope"] is not True:
        raise Refusal(f"{where}: rope_settings: use_rope is not true: no positions; gyre rotates in this family")
    for part in ("prelude", "recurrent_block", "coda"):
        whole(config, f"n_layers_in_{part}", where, MOST_LAYERS)
    for key in ("block_size", "mean_recurrence"):
        whole(config, key, where)
    for key in ("prelude_norm", "qk_norm", "tie_embeddings"):
        if not isinstance(config[key], bool):
            raise Refusal(f"{where}: {key} must be true or false, found {shown(config[key])}")
    divided(config, "n_embd", "num_attention_heads", where)
    hidden, ffn, heads = config["n_embd"], whole(config, "intermediate_size", where), config["num_attention_heads"]
    vocabulary = whole(config, "padded_vocab_size", where)
    shapes = {
        "transformer.wte.weight": (vocabulary, hidden),
        "transformer.adapter.A_log": (hidden,),
        "transformer.adapter.dt_bias": (hidden,),
        "transformer.adapter.B": (hidden, hidden),
        "transformer.C.weight": (hidden, hidden),
        "transformer.ln_f.weight": (hidden,),
    }
    if config["prelude_norm"]:
        shapes["transformer.ln_prelude.weight"] = (hidden,)
    layers = parcae_layers(config)
    for place, p in enumerate(layers):
        shapes |= {
            p + "norm_1.weight": (hidden,),
            p + "norm_2.weight": (hidden,),
            p + "mlp.fc.weight": (ffn, hidden),
            p + "mlp.proj.weight": (hidden, ffn),
        } | {f"{p}attn.{name}.weight": (hidden, hidden) for name in ("c_q", "c_k", "c_v", "c_proj")}
        if place % 2 == (len(layers) - 1) % 2:
            shapes[p + "attn.ve_gate.weight"] = (heads, 32)
            shapes[f"value_embeds.{place}.weight"] = (vocabulary, hidden)
    model = Model("parcae", config, keys, shapes)
    if not config["tie_embeddings"]:
        shapes["lm_head.weight"] = (vocabulary, hidden)
        # These heads of parcae_lm keep their matrix the other way round.
        if config.get("use_fused_head") in ("full-triton", "hhe"):
            shapes["lm_head.weight"] = (hidden, vocabulary)
            model.transposed.add("lm_head.weight")
    return model


def parcae_tables(model, tensors, where):
    """What hangs on values: the head, the table of angles, the gates of value embeddings."""
    config = model.config
    if config["tie_embeddings"] and "lm_head.weight" in tensors:
        head, embedding = tensors["lm_head.weight"], tensors.get("transformer.wte.weight")
        if embedding is None or not head.equals(embedding):
            raise Refusal(f"{where}: lm_head.weight differs from transformer.wte.weight, but tie_embeddings is true; "
                          "which one holds?")
        model.unused["lm_head.weight"] = "the same as transformer.wte.weight"
    if "freqs_cis" in tensors:
        check_angles(model, tensors["freqs_cis"], where)
        model.unused["freqs_cis"] = "angles, which gyre computes"
    for place, p in enumerate(parcae_layers(config)):
        gate, embedding = p + "attn.ve_gate.weight", f"value_embeds.{place}.weight"
        if gate in tensors and gate not in model.shapes:
            model.unused[gate] = "its layer has no value embedding"
        if gate not in tensors and gate in model.shapes and embedding in tensors:
            raise Refusal(f"{where}: {embedding} has no gate {gate}: the published program leaves it out, and gyre "
                          "does not; this comes of an odd number of layers in the core")


def check_angles(model, table, where):
    """The published program turns by the table in the file; gyre by the angles of the configuration."""
    rope, size = model.config["rope_settings"], model.config["n_embd"] // model.config["num_attention_heads"]
    drawn = model.config.get("randomize_positions_from") is not None
    length = whole(model.config, "randomize_positions_from" if drawn else "block_size", where)
    right = (1, length, 1, size // 2, 2)
    if table.dtype not in ("F32", "F16", "BF16", "F64") or table.shape != right:
        raise Refusal(f"{where}: freqs_cis is {list(table.shape)} of {table.dtype}, but block_size and the heads make "
                      f"it {list(right)}; the configuration belongs to another model")
    inverse = [rope["rope_base"] ** (-2 * i / size) / rope["rope_condense_ratio"] for i in range(size // 2)]
    values, error = iter(table.floats()), 0.0
    for position, turn in itertools.product(range(length), inverse):
        cos, sin, angle = next(values), next(values), position * turn
        # In float32 an angle is off by a few of its last bits.
        off = max(abs(cos - math.cos(angle)), abs(sin - math.sin(angle))) - 3e-7 * angle
        error = off if off > error or math.isnan(off) else error
    if not error <= 0.01:
        raise Refusal(f"{where}: freqs_cis differs from the angles that rope_settings give, by up to {error:.2g}; the "
                      "published program turns by the table, so rope_settings are those of another model")
    if error > 5e-4:
        model.notes.append(f"freqs_cis is rounded, by up to {error:.2g}; the published program turns by the rounded "
                           "angles, gyre by exact ones")


def nanochat(given, where):
    config = dict(given)
    if not isinstance(config.get("window_pattern", "L"), str):
        raise Refusal(f"{where}: window_pattern must be text, found {shown(config['window_pattern'])}")
    if not set(config.get("window_pattern", "L").upper()) in ({"L"}, {"S"}, {"L", "S"}):
        raise Refusal(f"{where}: window_pattern is {shown(config['window_pattern'])}; it must be made of L and S")
    # Before February 2026 these had other names.
    if "sample_initial_state" in config:
        kind = "inject_init_random" if config.pop("sample_initial_state") else "inject_init_prelude"
        if config.setdefault("input_injection", kind) != kind:
            raise Refusal(f"{where}: sample_initial_state and input_injection disagree")
    used, harmless = NANOCHAT_KEYS.sort(config, where)
    if "n_layer" in config:
        config["size"] = config.pop("n_layer")
    for key in ("sequence_len", "vocab_size"):
        whole(config, key, where)
    for key in ("n_prelude", "n_recur_block", "n_coda"):
        whole(config, key, where, MOST_LAYERS)
    config.setdefault("n_kv_head", config.get("n_head"))
    config.setdefault("input_injection", "inject_init_prelude")
    mean = config.get("train_recur_mean")
    if isinstance(mean, bool) or not isinstance(mean, (int, float)) or mean < 1:
        raise Refusal(f"{where}: train_recur_mean must be a number from 1, found {shown(mean)}")
    size = divided(config, "n_embd", "n_head", where)
    divided(config, "n_head", "n_kv_head", where)
    hidden = config["n_embd"]
    keys, padded = config["n_kv_head"] * size, -(-config["vocab_size"] // 64) * 64
    shapes = {"transformer.wte.weight": (padded, hidden), "lm_head.weight": (padded, hidden)}
    shapes |= {f"norm_{name}.weight": (hidden,) for name in ("emb", "recur", "final")}
    if config["input_injection"] != "passthrough":
        shapes["inject.weight"] = (hidden, 2 * hidden)
    for part, key in (("prelude", "n_prelude"), ("recur", "n_recur_block"), ("coda", "n_coda")):
        for p in (f"transformer.{part}.{i}." for i in range(config[key])):
            shapes |= {
                p + "attn.c_q.weight": (hidden, hidden),
                p + "attn.c_k.weight": (keys, hidden),
                p + "attn.c_v.weight": (keys, hidden),
                p + "attn.c_proj.weight": (hidden, hidden),
                p + "mlp.c_fc.weight": (4 * hidden, hidden),
                p + "mlp.c_proj.weight": (hidden, 4 * hidden),
            } | {f"{p}n{n}.weight": (hidden,) for n in (1, 2, 3, 4)}
    model = Model("looped nanochat", config, (used, harmless), shapes)
    model.unused = dict.fromkeys(("cos", "sin"), "angles, which gyre computes")
    return model


def drop_tied_head(model, tensors):
    """A head that is the embedding under a second name takes no second place in the file."""
    head = tensors.get("lm_head.weight")
    if head is None or not (model.config.get("tie_word_embeddings") or model.config.get("tie_embeddings")):
        return
    for name, tensor in tensors.items():
        if name != "lm_head.weight" and tensor.dtype == head.dtype and tensor.equals(head):
            model.unused["lm_head.weight"] = f"the same as {name}"
            return


def model_of(config, where):
    """The family that a configuration is of."""
    if "n_recur_block" in config:
        return nanochat(config, where)
    if config.get("model_class_name") == "Parcae" or config.get("_class_name") == "ParcaeConfig":
        return parcae(config, where)
    if isinstance(config.get("model_type"), str):
        return Model(config["model_type"], config)
    # The code that Parcae's came of, and what came of Parcae's: gyre reads their keys as they are.
    if config.get("model_class_name") == "Attractor" or config.get("_class_name") in ("AttractorConfig", "EQLMConfig"):
        return Model("attractor", config | {"model_class_name": "Attractor"})
    if config.get("architecture_class_name") == "RecurrentGPT" and "model_class_name" not in config:
        return Model("raven_training", config)
    for key in ("model_class_name", "_class_name"):
        if key in config:
            raise Refusal(f"{where}: {key} is {shown(config[key])}: another model of the program parcae_lm; gyre reads "
                          "Parcae")
    if "sequence_len" in config and "n_layer" in config:
        raise Refusal(f"{where}: no n_recur_block: this is plain nanochat, whose layers gyre does not have; looped "
                      "nanochat is read")
    raise Refusal(f"{where}: the configuration is of no family: looped nanochat has n_recur_block, Parcae "
                  "model_class_name, others model_type")


def check(model, tensors, where, config_where):
    """Every tensor is there, has its shape, and is known."""
    if model.shapes is None:
        return
    missing = [name for name in model.shapes if name not in tensors]
    if missing:
        raise Refusal(f"{where}: tensors are missing: {listed(missing)}; {config_where} asks for them")
    for name, tensor in tensors.items():
        if name in model.unused:
            continue
        if name not in model.shapes:
            meaning = next((text for part, text in STRANGERS.items() if part in name.split(".")), None)
            raise Refusal(f"{where}: tensor {name} {list(tensor.shape)} has no place in the model that {config_where} "
                          f"describes" + (f": {meaning}" if meaning else ""))
        if tuple(tensor.shape) != model.shapes[name]:
            raise Refusal(f"{where}: tensor {name} is {list(tensor.shape)}, but {config_where} makes it "
                          f"{list(model.shapes[name])}")
