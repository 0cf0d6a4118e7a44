"""One file a family: the keys of its published config.json with small numbers, its tensors, its forward pass."""

from . import gpt2, hrm_text, llama, nanbeige, nanochat_looped, olmo2, ouro, parcae, qwen2, qwen3, raven
from . import retrofit_llama, retrofit_olmo2, smollm2

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
    )
}
