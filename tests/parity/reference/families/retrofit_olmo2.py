"""OLMo 2 retrofitted with recurrence: as retrofit_llama, with OLMo's norms after each branch and over q and k.

`initial_state_mode` (LoopedLMs/retrofitting-recurrence): "random" noise, which is zero here; "embed-init" the prelude's
output; "skip-adapter" the same, and the first loop goes without the adapter.
"""

from .. import decoder
from ..cases import same
from . import retrofit_llama

NAME = "retrofit_olmo2"
SCALES = [("q_norm", 1.0, 0.2), ("k_norm", 1.0, 0.2)] + retrofit_llama.SCALES


def config():
    c = retrofit_llama.config()
    c.pop("rope_scaling")
    return c | {
        "auto_map": {
            "AutoConfig": "raven_config_minimal.RavenConfig",
            "AutoModelForCausalLM": "raven_modeling_minimal_olmo.RavenForCausalLM",
        },
        "head_dim": 8,
        "max_position_embeddings": 4096,
        "n_heads": 3,
        "norm_eps": 1e-06,
        "num_key_value_heads": 1,
        "rope_base": 500000,
        "rope_theta": 500000,
    }


def shapes(c):
    tensors = {}
    for name, shape in retrofit_llama.shapes(c).items():
        tensors[name] = shape
        if name.endswith("attn.Wqkv.weight"):
            p = name.removesuffix("Wqkv.weight")
            tensors[p + "k_norm.weight"] = (c["num_key_value_heads"] * c["head_dim"],)
            tensors[p + "q_norm.weight"] = (c["n_heads"] * c["head_dim"],)
    return tensors


class RetrofitOlmo2(retrofit_llama.RetrofitLlama):
    def split(self, p, x):
        q, k, v = super().split(p, x)
        return self.norm(p + "q_norm", q), self.norm(p + "k_norm", k), v

    def first_state(self, entered):
        begins = self.config.get("initial_state_mode", "random") != "random"
        return entered if begins else super().first_state(entered)

    def loop(self, state, entered, loop, step):
        if loop == 0 and self.config.get("initial_state_mode") == "skip-adapter":
            return self.part("core_block", self.config["n_layers_in_recurrent_block"], state, loop, step)
        return super().loop(state, entered, loop, step)

    def block(self, p, x, loop, step):
        x = x + self.norm(p + "norm_1", self.attend(p + "attn.", x, loop, step))
        return x + self.norm(p + "norm_2", self.feed(p + "mlp.", x))


def first_states(model, ids, arrays, meaning):
    """Under each initial_state_mode, at several numbers of loops."""
    for mode in ("embed-init", "skip-adapter"):
        other = RetrofitOlmo2(model.config | {"initial_state_mode": mode}, model.t)
        for loops in (1, 3):
            name = f"logits.{mode}.loops_{loops}"
            arrays[name] = decoder.prefill(other, ids, loops).logits
            meaning[name] = f"[tokens, vocabulary] after {loops} loops under initial_state_mode {mode}"
            same(name, arrays[name], decoder.decode(other, ids, [loops] * len(ids)))
    return {}


EXTRAS = (first_states,)
MODEL = RetrofitOlmo2
