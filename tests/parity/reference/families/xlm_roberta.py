"""XLM-RoBERTa with its head of masked tokens: names behind `roberta.`, positions that begin behind that of padding."""

from .. import encoder

NAME = "xlm_roberta"
SCALES = [("layer_norm.weight", 1.0, 0.2), *encoder.SCALES]
TOP = "roberta."


def config():
    return {
        "architectures": ["XLMRobertaForMaskedLM"],
        "attention_probs_dropout_prob": 0.1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": 16,
        "initializer_range": 0.02,
        "intermediate_size": 48,
        "layer_norm_eps": 1e-05,
        "max_position_embeddings": 26,
        "model_type": "xlm-roberta",
        "num_attention_heads": 2,
        "num_hidden_layers": 3,
        "output_past": True,
        "pad_token_id": 1,
        "position_embedding_type": "absolute",
        "type_vocab_size": 1,
        "use_cache": True,
        "vocab_size": 52,
    }


def shapes(c):
    hidden, vocabulary = c["hidden_size"], c["vocab_size"]
    return encoder.shapes(c, TOP) | {
        "lm_head.bias": (vocabulary,),
        "lm_head.dense.weight": (hidden, hidden),
        "lm_head.dense.bias": (hidden,),
        "lm_head.layer_norm.weight": (hidden,),
        "lm_head.layer_norm.bias": (hidden,),
    }


def states(c, tensors, ids):
    return encoder.states(c, tensors, ids, TOP, c["pad_token_id"] + 1)
