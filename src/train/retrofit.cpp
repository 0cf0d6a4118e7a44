#include "train/retrofit.hpp"

#include "format/json_object.hpp"

namespace gyre {
namespace {

constexpr EnumName<Injection> kInjections[] = {{Injection::none, "none"}, {Injection::linear, "linear"}};

}  // namespace

Retrofit parse_retrofit(const nlohmann::json& json, const std::string& where) {
  const JsonObject object(json, where);
  object.allow({"loop", "damping", "injection"});
  Retrofit retrofit;
  retrofit.loop = object.text("loop");
  retrofit.damping = object.number("damping", 0, 2, retrofit.damping);
  retrofit.injection = object.choice<Injection>("injection", kInjections, retrofit.injection);
  return retrofit;
}

ModelSpec retrofitted(Model& model, const Retrofit& retrofit, const std::string& where) {
  const std::string flag = where + ": loop";
  model.loop_layers(parse_layer_loops(retrofit.loop, flag), retrofit.damping, flag);
  ModelSpec spec = model.spec();
  for (Group& group : spec.groups) {
    if (!group.looped() || retrofit.injection == Injection::none) continue;
    group.injection = retrofit.injection;
    group.bare_first_loop = true;
  }
  validate(spec, where);
  return spec;
}

}  // namespace gyre
