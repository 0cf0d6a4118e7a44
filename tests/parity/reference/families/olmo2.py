"""OLMo 2: no norm before a branch, one after it; RMS norms over the whole width of q and k, before rotation."""

from ..switches import under
from . import llama

NAME = "olmo2"
SCALES = llama.SCALES


def config():
    return {
        "architectures": ["Olmo2ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "eos_token_id": 54,
        "hidden_act": "silu",
        "hidden_size": 32,
        "initializer_range": 0.02,
        "intermediate_size": 40,
        "max_position_embeddings": 4096,
        "model_type": "olmo2",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "pad_token_id": 55,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 500000,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "transformers_version": "4.47.0.dev0",
        "use_cache": True,
        "vocab_size": 56,
    }


def shapes(c):
    hidden, queries, keys, _ = llama.sizes(c)
    tensors = {name: shape for name, shape in llama.shapes(c).items() if "input_layernorm" not in name}
    for i in range(c["num_hidden_layers"]):
        p = f"model.layers.{i}."
        tensors |= {
            p + "post_feedforward_layernorm.weight": (hidden,),
            p + "self_attn.k_norm.weight": (keys,),
            p + "self_attn.q_norm.weight": (queries,),
        }
    return tensors


class Olmo2(llama.Llama):
    def queries_keys_values(self, p, x):
        q = self.norm(p + "q_norm", self.linear(p + "q_proj", x))
        k = self.norm(p + "k_norm", self.linear(p + "k_proj", x))
        v = self.linear(p + "v_proj", x)
        return (y.reshape(len(x), -1, self.head_size) for y in (q, k, v))

    def layer(self, i, x, loop, step):
        p = f"model.layers.{i}."
        x = x + self.norm(p + "post_attention_layernorm", self.attend(i, x, loop, step))
        return x + self.norm(p + "post_feedforward_layernorm", self.feed(p + "mlp.", x))


SWITCHES = {
    "linear": {"rope_scaling": {"factor": 4.0, "type": "linear"}},
    "yarn": {"rope_scaling": {"factor": 8.0, "original_max_position_embeddings": 256, "rope_type": "yarn"}},
    "dynamic": {"max_position_embeddings": 10, "rope_scaling": {"factor": 4.0, "rope_type": "dynamic"}},
}

EXTRAS = (llama.attention_biases, under(SWITCHES))
MODEL = Olmo2
