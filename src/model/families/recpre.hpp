#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "format/json_object.hpp"
#include "model/spec.hpp"

namespace gyre {

// What the configurations of seal-rg/recurrent-pretraining (package recpre) share with those of the programs that came
// of it, Parcae's and Attractor's.

/// Of the weightless norm of q and k: the smallest step of f32 at 1.
inline constexpr float kRecpreQkEps = 0x1p-23F;

/// Whether a configuration's `model_class_name` is this one.
bool is_class(const nlohmann::json& config, std::string_view name);
/// What embeddings are scaled by under `init_strategy`. Throws Error for one with other scales.
float embedding_scale_of(const JsonObject& object, int hidden, const std::string& where);
/// `state_init`: where the state of the core begins.
void set_first_state(Group& core, const JsonObject& object, const ModelSpec& spec, const std::string& where);
/// `rope_settings`: adjacent pairs, at 50000 unless told.
void read_rope_settings(ModelSpec& spec, const JsonObject& object, const std::string& where);
/// Throws Error unless the key says `right`: what these programs take where it is left out is something else.
void require_name(const JsonObject& object, const char* key, const char* right, const std::string& where);

}  // namespace gyre
