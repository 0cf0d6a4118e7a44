#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "format/json_object.hpp"
#include "model/spec.hpp"

namespace gyre {

// What the configurations of seal-rg/recurrent-pretraining (package recpre) share with those of the programs that came
// of it, Parcae's and Attractor's.

/// Whether a configuration's `model_class_name` is this one.
bool is_class(const nlohmann::json& config, std::string_view name);
/// `state_init`: where the state of the core begins.
void set_first_state(Group& core, const JsonObject& object, const ModelSpec& spec, const std::string& where);
/// The model's name, or else `name`; sizes, heads, norms of queries and keys, rotary positions, what embeddings are
/// scaled by. Layers and groups are each program's own.
ModelSpec recpre_sizes(const JsonObject& object, std::string_view name, const std::string& where);
/// Throws Error unless the key says `right`: what these programs take where it is left out is something else.
void require_name(const JsonObject& object, const char* key, const char* right, const std::string& where);

}  // namespace gyre
