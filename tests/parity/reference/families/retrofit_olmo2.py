"""OLMo 2 retrofitted with recurrence: as retrofit_llama, with OLMo's norms after each branch and over q and k."""

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

    def block(self, p, x, loop, step):
        x = x + self.norm(p + "norm_1", self.attend(p + "attn.", x, loop, step))
        return x + self.norm(p + "norm_2", self.feed(p + "mlp.", x))


MODEL = RetrofitOlmo2
