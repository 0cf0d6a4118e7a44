#include <fmt/format.h>

#include <memory>

#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "engine/kv_cache.hpp"

namespace gyre::cli {
namespace {

/// Multiply-adds a token costs in the layers and the head, without attention over the past.
std::int64_t multiply_adds(const ModelSpec& spec, const std::vector<int>& loops) {
  const auto hidden = static_cast<std::int64_t>(spec.hidden_size);
  const std::int64_t attention = hidden * (2 * spec.attention_size() + 2 * spec.kv_size());
  const std::int64_t mlp = hidden * spec.ffn_size * (spec.gated_mlp() ? 3 : 2);
  std::int64_t sum = hidden * spec.vocab_size;
  for (std::size_t g = 0; g < loops.size(); ++g) {
    const Injection injection = spec.groups[g].injection;
    const std::int64_t inject = injection == Injection::linear  ? 2 * hidden * hidden
                                : injection == Injection::decay ? hidden * hidden
                                                                : 0;
    sum += loops[g] * (spec.groups[g].layers * (attention + mlp) + inject);
  }
  return sum;
}

std::string describe_group(const nlohmann::json& group) {
  const int loops = group["loops"];
  std::string text = fmt::format("{} layer{}{}", group["layers"].get<int>(), group["layers"] == 1 ? "" : "s",
                                 loops > 1 ? fmt::format(" × {} loops", loops) : "");
  if (group.contains("injection")) text += fmt::format(", injection {}", group["injection"].get<std::string>());
  if (group.contains("first_state")) text += fmt::format(", starts from {}", group["first_state"].get<std::string>());
  return text;
}

void run(const RunOptions& options) {
  const Model model = load_model(options.model, options.layer_loops);
  const ModelSpec& spec = model.spec();
  const std::vector<int> loops = loops_of(options, spec);
  const KvCache cache(spec, loops, 1, parse_kv_policy(options.kv_policy, "--kv"));
  const auto flops = static_cast<double>(2 * multiply_adds(spec, loops));
  nlohmann::json json = provenance(options, model);
  json["spec"] = to_json(spec);
  json["parameters"] = model.parameter_count();
  json["flops_per_token"] = flops;
  json["kv_bytes_per_token"] = cache.bytes_per_token();
  if (options.json) {
    fmt::print("{}\n", json.dump(2));
    return;
  }
  fmt::print("{}  ({})\n", spec.name.empty() ? options.model : spec.name, options.model);
  fmt::print("  family       {}\n", model.family());
  fmt::print("  parameters   {:.2f} M, stored as {}, computed in F32\n",
             static_cast<double>(model.parameter_count()) / 1e6, model.stored_type());
  fmt::print("  vocabulary   {} tokens; context {} positions\n", spec.vocab_size, spec.context);
  fmt::print("  width        {}, {} heads of {} ({} for keys and values), MLP {} ({})\n", spec.hidden_size, spec.heads,
             spec.head_size, spec.kv_heads, spec.ffn_size, json["spec"]["mlp"].get<std::string>());
  fmt::print("  norms        {}, placed {}; positions {}\n", json["spec"]["norm"].get<std::string>(),
             json["spec"]["norm_placement"].get<std::string>(), json["spec"]["position"].get<std::string>());
  for (std::size_t g = 0; g < spec.groups.size(); ++g) {
    fmt::print("  group {:<6} {:10} {}\n", g, spec.groups[g].name, describe_group(json["spec"]["groups"][g]));
  }
  fmt::print("  a token      {:.2f} MFLOP and {:.1f} KiB of KV cache at loops {} ({})\n", flops / 1e6,
             static_cast<double>(cache.bytes_per_token()) / 1024, fmt::join(loops, "/"),
             json["kv_policy"].get<std::string>());
  fmt::print("  full context {:.1f} MiB of KV cache\n",
             static_cast<double>(cache.bytes_per_token()) * spec.context / 1048576);
  fmt::print("  sha256       {}\n", model.hash());
}

}  // namespace

void add_info(CLI::App& program) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = program.add_subcommand("info", "What a model is: groups and loops, size, cost of a token");
  add_run_options(*command, *options);
  command->footer("Example:\n  gyre info -m models/shakespeare");
  command->callback([options] { run(*options); });
}

}  // namespace gyre::cli
