#pragma once

#include "model/families.hpp"

namespace gyre {

// One a file in this folder; families.cpp lists them.
Family raven_family();
Family ouro_family();
Family parcae_family();
Family nanochat_family();
Family nanbeige_family();
Family hrm_text_family();
Family llama_family();
Family qwen2_family();
Family qwen3_family();
Family olmo2_family();
Family gpt2_family();
Family gemma3_family();
Family mistral_family();
Family phi3_family();
Family raven_training_family();
Family base_loop_family();
Family attractor_family();
Family loopus_family();
Family iquestloopcoder_family();
Family bert_family();
Family xlm_roberta_family();

}  // namespace gyre
