"""One file a family: the keys of its published config.json with small numbers, its tensors, its forward pass."""

from . import gemma3, gemma3_linear, gpt2, hrm_text, llama, llama_biases, llama_dynamic, llama_longrope, mistral
from . import nanbeige, nanochat_looped, olmo2, ouro, parameter_golf, parcae, phi3, qwen2, qwen2_window, qwen2_yarn
from . import qwen3, qwen3_window, raven, retrofit_llama, retrofit_olmo2, smollm2

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
        parameter_golf,
    )
}
