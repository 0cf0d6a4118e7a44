"""BERT as sentence encoders are published: names without `bert.`, two types of tokens, a pooler that nothing reads."""

from .. import encoder

NAME = "bert"
SCALES = encoder.SCALES
TOP = ""


def config():
    return {
        "architectures": ["BertModel"],
        "attention_probs_dropout_prob": 0.1,
        "classifier_dropout": None,
        "gradient_checkpointing": False,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": 24,
        "initializer_range": 0.02,
        "intermediate_size": 40,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 24,
        "model_type": "bert",
        "num_attention_heads": 3,
        "num_hidden_layers": 2,
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
        "type_vocab_size": 2,
        "use_cache": True,
        "vocab_size": 52,
    }


def shapes(c):
    hidden = c["hidden_size"]
    return encoder.shapes(c, TOP) | {"pooler.dense.weight": (hidden, hidden), "pooler.dense.bias": (hidden,)}


def states(c, tensors, ids):
    return encoder.states(c, tensors, ids, TOP, 0)
