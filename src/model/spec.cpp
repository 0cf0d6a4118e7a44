#include "model/spec.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/order.hpp"
#include "model/spec_keys.hpp"

namespace gyre {
namespace {

std::vector<int> parse_layers(const nlohmann::json& list, const char* key, const std::string& where) {
  std::vector<int> layers;
  for (const nlohmann::json& value : list) {
    const bool whole = value.is_number_unsigned() || (value.is_number_integer() && value.get<std::int64_t>() >= 0);
    if (!whole || value.get<std::uint64_t>() >= kMostLoops) {
      throw Error("{}: {} holds {}, which is no layer", where, key, value.dump());
    }
    layers.push_back(value.get<int>());
  }
  return layers;
}

std::vector<Skip> parse_skips(const nlohmann::json& list, const std::string& where) {
  std::vector<Skip> skips;
  for (const nlohmann::json& pair : list) {
    const bool two = pair.is_array() && pair.size() == 2;
    if (!two) throw Error("{}: skips holds {}; give pairs of runs, as in [[2, 5]]", where, pair.dump());
    const std::vector<int> runs = parse_layers(pair, "skips", where);
    skips.push_back({runs[0], runs[1]});
  }
  return skips;
}

nlohmann::json skips_json(const std::vector<Skip>& skips) {
  nlohmann::json list = nlohmann::json::array();
  for (const Skip& skip : skips) list.push_back({skip.from, skip.to});
  return list;
}

FastStack parse_fast(const JsonObject& object) {
  object.allow({"layers", "runs"});
  return {object.integer("layers", 1, kMostLoops), object.integer("runs", 1, kMostLoops, FastStack().runs)};
}

/// Reads the keys it visits. A field without a default has to be there.
class Reader {
 public:
  Reader(const nlohmann::json& json, std::string where) : where_(std::move(where)), object_(json, where_) {}

  void only_rare() const {}
  void needed(const SpecKey& key, std::string& field) const { field = object_.text(key.name); }
  void text(const SpecKey& key, std::string& field) const { field = object_.text(key.name, ""); }
  void needed(const SpecKey& key, int& field, int most) const { field = object_.integer(key.name, 1, most); }
  void integer(const SpecKey& key, int& field, int most, int otherwise) const {
    field = object_.integer(key.name, 1, most, otherwise);
  }
  /// A number of something that may be left out: 0.
  void count(const SpecKey& key, int& field, int most) const { field = object_.integer(key.name, 0, most, 0); }
  void number(const SpecKey& key, float& field, double least, double most, float otherwise) const {
    field = object_.number(key.name, least, most, otherwise);
  }
  void boolean(const SpecKey& key, bool& field, bool otherwise) const { field = object_.boolean(key.name, otherwise); }
  template <typename Enum, typename Names>
  void choice(const SpecKey& key, Enum& field, const Names& names, Enum otherwise) const {
    field = object_.choice<Enum>(key.name, names, otherwise);
  }
  void numbers(const SpecKey& key, std::vector<float>& field) const {
    if (!object_.has(key.name)) return;
    for (const nlohmann::json& value : object_.array(key.name)) {
      if (!value.is_number()) throw Error("{}: {} holds something that is no number", where_, key.name);
      field.push_back(value.get<float>());
    }
  }
  void layers(const SpecKey& key, std::vector<int>& field) const {
    if (object_.has(key.name)) field = parse_layers(object_.array(key.name), key.name, where_);
  }
  void skips(const SpecKey& key, std::vector<Skip>& field) const {
    if (object_.has(key.name)) field = parse_skips(object_.array(key.name), where_);
  }
  void fast(const SpecKey& key, FastStack& field) const {
    if (object_.has(key.name)) field = parse_fast(object_.object(key.name));
  }

 private:
  std::string where_;
  JsonObject object_;
};

/// Writes the keys it visits; behind only_rare(), unless all are wanted, those that are not at their defaults: older
/// programs then go on reading the models that do without them.
class Writer {
 public:
  explicit Writer(bool all = false) : all_(all) {}
  nlohmann::json json = nlohmann::json::object();

  void only_rare() { rare_ = !all_; }
  void needed(const SpecKey& key, const std::string& field) { json[key.name] = field; }
  void text(const SpecKey& key, const std::string& field) { json[key.name] = field; }
  void needed(const SpecKey& key, int field, int /*most*/) { json[key.name] = field; }
  void integer(const SpecKey& key, int field, int /*most*/, int otherwise) { put(key, field, otherwise); }
  void count(const SpecKey& key, int field, int /*most*/) { put(key, field, 0); }
  void number(const SpecKey& key, float field, double /*least*/, double /*most*/, float otherwise) {
    put(key, field, otherwise);
  }
  void boolean(const SpecKey& key, bool field, bool otherwise) { put(key, field, otherwise); }
  template <typename Enum, typename Names>
  void choice(const SpecKey& key, Enum field, const Names& names, Enum otherwise) {
    put(key, name_of<Enum>(names, field), name_of<Enum>(names, otherwise));
  }
  void numbers(const SpecKey& key, const std::vector<float>& field) { put(key, field, {}); }
  void layers(const SpecKey& key, const std::vector<int>& field) { put(key, field, {}); }
  void skips(const SpecKey& key, const std::vector<Skip>& field) {
    if (!field.empty() || all_) json[key.name] = skips_json(field);
  }
  void fast(const SpecKey& key, const FastStack& field) {
    if (field.there() || all_) json[key.name] = {{"layers", field.layers}, {"runs", field.runs}};
  }

 private:
  template <typename Value>
  void put(const SpecKey& key, const Value& field, const Value& otherwise) {
    if (!rare_ || field != otherwise) json[key.name] = field;
  }
  bool all_;
  bool rare_ = false;
};

/// Throws Error on a key that is neither among those that `all` wrote nor among `more`.
void allow(const JsonObject& object, const Writer& all, std::initializer_list<std::string_view> more) {
  std::vector<std::string_view> keys(more);
  for (const auto& [key, value] : all.json.items()) keys.emplace_back(key);
  object.allow(keys);
}

Group parse_group(const nlohmann::json& json, const std::string& where) {
  Group group;
  Writer all(true);
  visit_group(all, std::as_const(group));
  allow(JsonObject(json, where), all, {});
  const Reader reader(json, where);
  visit_group(reader, group);
  return group;
}

/// The groups of a model: given one by one, or as the order in which its layers run.
std::vector<Group> parse_groups(const JsonObject& object, const std::string& where) {
  if (object.has("order") && object.has("groups")) {
    throw Error("{}: order and groups are given; an order of the whole model makes its groups, so give one of them",
                where);
  }
  if (object.has("order")) {
    const std::vector<int> order = parse_layers(object.array("order"), "order", where);
    const bool skips = object.has("skips");
    return cut_order(order, skips ? parse_skips(object.array("skips"), where) : std::vector<Skip>(), where);
  }
  if (object.has("skips")) {
    throw Error("{}: skips is given without order; give the order of its runs, or the skips of a group", where);
  }
  std::vector<Group> groups;
  const nlohmann::json& list = object.array("groups");
  for (std::size_t g = 0; g < list.size(); ++g) {
    groups.push_back(parse_group(list[g], fmt::format("{}: groups[{}]", where, g)));
  }
  return groups;
}

nlohmann::json group_json(const Group& group) {
  Writer writer;
  visit_group(writer, group);
  return writer.json;
}

}  // namespace

bool norm_before_branch(NormPlacement placement) {
  return placement == NormPlacement::pre || placement == NormPlacement::sandwich || placement == NormPlacement::branch;
}

bool norm_after_branch(NormPlacement placement) { return placement != NormPlacement::pre; }

bool has_value_embedding(const Group& group, int layer) {
  return std::find(group.value_layers.begin(), group.value_layers.end(), layer) != group.value_layers.end();
}

bool sees_window(const Group& group, int layer) {
  return std::find(group.window_layers.begin(), group.window_layers.end(), layer) != group.window_layers.end();
}

bool keeps_state(const Group& group) {
  return group.damping != 1 || group.bare_first_loop || group.minus_state || group.update_rank > 0;
}

Group plain_group(std::string name, int layers) {
  Group group;
  group.name = std::move(name);
  group.layers = layers;
  return group;
}

std::vector<int> ModelSpec::default_loops() const {
  std::vector<int> loops;
  for (const Group& group : groups) loops.push_back(group.loops);
  return loops;
}

std::vector<int> ModelSpec::looped_groups() const {
  std::vector<int> indices;
  for (int g = 0; g < static_cast<int>(groups.size()); ++g) {
    if (groups[static_cast<std::size_t>(g)].looped()) indices.push_back(g);
  }
  return indices;
}

ModelSpec parse_spec(const nlohmann::json& json, const std::string& where) {
  const JsonObject object(json, where);
  ModelSpec spec;
  Writer all(true);
  visit_spec(all, std::as_const(spec));
  allow(object, all, {"model_type", "groups", "order", "skips", "training"});
  if (const std::string type = object.text("model_type", "gyre"); type != "gyre") {
    throw Error("{}: model_type is \"{}\"; this program reads \"gyre\"", where, type);
  }
  const Reader reader(json, where);
  visit_spec(reader, spec);
  spec.groups = parse_groups(object, where);
  validate(spec, where);
  return spec;
}

nlohmann::json to_json(const ModelSpec& spec) {
  Writer writer;
  visit_spec(writer, spec);
  writer.json["model_type"] = "gyre";
  writer.json["groups"] = nlohmann::json::array();
  for (const Group& group : spec.groups) writer.json["groups"].push_back(group_json(group));
  return std::move(writer.json);
}

ModelSpec load_spec(const std::filesystem::path& file) { return parse_spec(load_json(file), file.string()); }

}  // namespace gyre
