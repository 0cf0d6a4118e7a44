#include <fmt/format.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/checks.hpp"
#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "engine/cost.hpp"

namespace gyre::cli {
namespace {

struct InfoRequest {
  RunOptions run;
  int context = 0;
};

/// What the checkpoint holds of one type.
struct StoredType {
  std::size_t tensors = 0;
  std::size_t parameters = 0;
  std::size_t bytes = 0;
};

std::map<std::string, StoredType> stored_types(const TensorStore& store) {
  std::map<std::string, StoredType> types;
  for (const auto& [name, tensor] : store.tensors()) {
    StoredType& type = types[std::string(name_of(tensor.dtype))];
    type.tensors += 1;
    type.parameters += tensor.element_count();
    type.bytes += tensor.bytes.size();
  }
  return types;
}

double mebibytes(double bytes) { return bytes / 1048576; }

std::string describe_group(const nlohmann::json& group) {
  const int loops = group["loops"];
  std::string text = fmt::format("{} layer{}{}", group["layers"].get<int>(), group["layers"] == 1 ? "" : "s",
                                 loops > 1 ? fmt::format(" × {} loops", loops) : "");
  if (group.contains("order")) text += fmt::format(", {} runs in an order of their own", group["order"].size());
  if (group.contains("skips")) text += fmt::format(", {} skips", group["skips"].size());
  if (group.contains("fast")) {
    text += fmt::format(", each after {} runs of a fast stack of {}", group["fast"]["runs"].get<int>(),
                        group["fast"]["layers"].get<int>());
  }
  if (group.contains("injection")) text += fmt::format(", injection {}", group["injection"].get<std::string>());
  if (group.contains("bare_first_loop")) text += " but in the first loop";
  if (group.contains("minus_state")) text += ", less the state that entered the loop";
  if (group.contains("update_rank"))
    text += fmt::format(", a gated update of rank {}", group["update_rank"].get<int>());
  if (group.contains("first_loop_attention")) {
    text += ", later loops attend to the first one's keys too";
    if (group.contains("loop_window"))
      text += fmt::format(" and to the last {} of their own", group["loop_window"].get<int>());
  }
  if (group.contains("first_state")) text += fmt::format(", starts from {}", group["first_state"].get<std::string>());
  return text;
}

nlohmann::json describe(const InfoRequest& request, const Model& model) {
  const ModelSpec& spec = model.spec();
  const std::vector<int> loops = loops_of(request.run, spec);
  const KvPolicy policy = kv_policy_of(request.run);
  const int context = context_of(request.context, spec);
  const TokenCost cost = token_cost(model, loops, context, policy.type);
  const MemoryNeed need = memory_need(model, loops, context, policy, thread_count(request.run));
  nlohmann::json json = provenance(request.run, model);
  json["spec"] = to_json(spec);
  json["parameters"] = model.parameter_count();
  json["stored"] = nlohmann::json::object();
  for (const auto& [name, type] : stored_types(model.source().store())) {
    json["stored"][name] = {{"tensors", type.tensors}, {"parameters", type.parameters}, {"bytes", type.bytes}};
  }
  json["flops_per_token"] = cost.flops;
  json["weight_bytes_per_token"] = cost.weight_bytes;
  json["kv_bytes_per_token"] = need.kv_cache / static_cast<std::size_t>(context);
  json["context"] = context;
  json["at_full_context"] = {{"attention_flops_per_token", cost.attention_flops},
                             {"kv_bytes_read_per_token", cost.kv_bytes}};
  json["memory_bytes"] = {
      {"weights", need.weights}, {"kv_cache", need.kv_cache}, {"activations", need.activations}, {"sum", need.sum()}};
  return json;
}

void print_model(const InfoRequest& request, const Model& model, const nlohmann::json& json) {
  const ModelSpec& spec = model.spec();
  fmt::print("{}  ({})\n", spec.name.empty() ? request.run.model : spec.name, request.run.model);
  fmt::print("  family       {}\n", model.family());
  fmt::print("  parameters   {:.2f} M, matrices held as {}\n", static_cast<double>(model.parameter_count()) / 1e6,
             model.weight_type());
  for (const auto& [name, type] : json["stored"].items()) {
    fmt::print("  stored       {:<5} {} tensors, {:.2f} M parameters, {:.1f} MiB\n", name, type["tensors"].get<int>(),
               type["parameters"].get<double>() / 1e6, mebibytes(type["bytes"]));
  }
  fmt::print("  vocabulary   {} tokens; context {} positions\n", spec.vocab_size, spec.context);
  fmt::print("  width        {}, {} heads of {} ({} for keys and values), MLP {} ({})\n", spec.hidden_size, spec.heads,
             spec.head_size, spec.kv_heads, spec.ffn_size, json["spec"]["mlp"].get<std::string>());
  fmt::print("  norms        {}, placed {}; positions {}\n", json["spec"]["norm"].get<std::string>(),
             json["spec"]["norm_placement"].get<std::string>(), json["spec"]["position"].get<std::string>());
  for (std::size_t g = 0; g < spec.groups.size(); ++g) {
    fmt::print("  group {:<6} {:10} {}\n", g, spec.groups[g].name, describe_group(json["spec"]["groups"][g]));
  }
}

void print_cost(const nlohmann::json& json) {
  fmt::print("  a token      {:.2f} MFLOP, {:.2f} MiB of weights read, {:.1f} KiB of KV cache; loops {} ({})\n",
             json["flops_per_token"].get<double>() / 1e6, mebibytes(json["weight_bytes_per_token"]),
             json["kv_bytes_per_token"].get<double>() / 1024, fmt::join(json["loops"].get<std::vector<int>>(), "/"),
             json["kv_policy"].get<std::string>());
  const int context = json["context"];
  fmt::print("  its past     {:.2f} MFLOP and {:.2f} MiB of keys and values read behind {} tokens\n",
             json["at_full_context"]["attention_flops_per_token"].get<double>() / 1e6,
             mebibytes(json["at_full_context"]["kv_bytes_read_per_token"]), context);
  const nlohmann::json& memory = json["memory_bytes"];
  fmt::print(
      "  memory       {:.1f} MiB at a context of {}: weights {:.1f}, KV cache {:.1f}, activations up to {:.1f}\n",
      mebibytes(memory["sum"]), context, mebibytes(memory["weights"]), mebibytes(memory["kv_cache"]),
      mebibytes(memory["activations"]));
  fmt::print("  sha256       {}\n", json["model_sha256"].get<std::string>());
}

void run(const InfoRequest& request) {
  const Model model = load_model(request.run);
  const nlohmann::json json = describe(request, model);
  if (request.run.json) {
    fmt::print("{}\n", json.dump(2));
    return;
  }
  print_model(request, model, json);
  print_cost(json);
}

}  // namespace

void add_info(CLI::App& program) {
  auto request = std::make_shared<InfoRequest>();
  CLI::App* command = program.add_subcommand("info", "What a model is: groups and loops, size, cost of a token");
  add_run_options(*command, request->run);
  command
      ->add_option("--context", request->context,
                   "Positions that memory and the past are counted for (default: the model's, at most 4096)")
      ->check(whole_number(1));
  command->footer(
      "FLOPs, and bytes of weights, are those of the matrices, anew in every loop. Memory is that of one text, whose\n"
      "prompt may fill the context.\n"
      "Examples:\n"
      "  gyre info -m models/shakespeare\n"
      "  gyre info -m Ouro-1.4B --loops 2 --context 2048 --kv last --json");
  command->callback([request] { run(*request); });
}

}  // namespace gyre::cli
