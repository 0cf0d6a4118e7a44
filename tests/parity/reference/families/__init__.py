"""One file a family: the keys of its published config.json with small numbers, its tensors, its forward pass."""

from . import attractor, base_loop, bert, gemma3, gemma3_linear, gpt2, hrm_text, llama, llama_biases, llama_dynamic
from . import iquestloopcoder, llama_longrope, loopus, mistral
from . import nanbeige, nanochat_looped, olmo2, ouro, parameter_golf, parcae, phi3, qwen2, qwen2_window, qwen2_yarn, qwen3
from . import qwen3_window, raven, raven_training, retrofit_llama, retrofit_olmo2, smollm2, xlm_roberta

FAMILIES = {
    family.NAME: family
    for family in (
        llama,
        smollm2,
        qwen2,
        qwen3,
        olmo2,
        gpt2,
        raven,
        ouro,
        retrofit_llama,
        retrofit_olmo2,
        nanbeige,
        parcae,
        nanochat_looped,
        hrm_text,
        gemma3,
        gemma3_linear,
        mistral,
        phi3,
        llama_biases,
        llama_dynamic,
        llama_longrope,
        qwen2_yarn,
        qwen2_window,
        qwen3_window,
        raven_training,
        base_loop,
        attractor,
        loopus,
        parameter_golf,
        iquestloopcoder,
        bert,
        xlm_roberta,
    )
}
