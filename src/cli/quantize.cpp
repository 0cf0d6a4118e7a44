#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.hpp"
#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "model/convert.hpp"
#include "model/rounding.hpp"

namespace gyre::cli {
namespace {

struct Request {
  std::string model;
  LoopFlags layer_loops;
  std::string out;
  std::string type = "q8_0";
  std::vector<std::string> parts;
  bool json = false;
};

void print_json(const Request& request, const Model& written, const std::vector<PartRounding>& parts) {
  nlohmann::json json = {{"out", request.out},
                         {"family", written.family()},
                         {"parameters", written.parameter_count()},
                         {"sha256", written.hash()},
                         {"parts", nlohmann::json::array()}};
  for (const PartRounding& part : parts) {
    json["parts"].push_back({{"part", part.part},
                             {"types", part.types},
                             {"parameters", part.parameters},
                             {"bytes", part.bytes},
                             {"relative_error", part.relative_error}});
  }
  fmt::print("{}\n", json.dump(2));
}

void print_table(const std::vector<PartRounding>& parts) {
  std::size_t width = 5;
  for (const PartRounding& part : parts) width = std::max(width, part.part.size());
  fmt::print("{:{}}  {:>12} {:>11} {:>9} {:>11}  {}\n", "part", width, "parameters", "MB", "bits each", "rel. error",
             "types");
  PartRounding all{.part = "all", .types = {}};
  const auto row = [width](const PartRounding& part, const std::string& error) {
    fmt::print("{:{}}  {:12} {:11.2f} {:9.2f} {:>11}  {}\n", part.part, width, part.parameters,
               static_cast<double>(part.bytes) / 1e6,
               8.0 * static_cast<double>(part.bytes) / static_cast<double>(part.parameters), error, part.types);
  };
  for (const PartRounding& part : parts) {
    row(part, fmt::format("{:.5f}", part.relative_error));
    all.parameters += part.parameters;
    all.bytes += part.bytes;
  }
  row(all, "");
}

void run(const Request& request) {
  if (!request.out.ends_with(".gguf"))
    throw Error("--out: {}: a quantised model is a GGUF file; let it end in .gguf", request.out);
  const Storage storage = parse_storage(request.type, request.parts);
  const Model model = load_model(request.model, request.layer_loops);
  convert(model, storage, request.out);
  const Model written = Model::load(request.out);
  const std::vector<PartRounding> parts = compare_parts(model, written);
  request.json ? print_json(request, written, parts) : print_table(parts);
}

}  // namespace

void add_quantize(CLI::App& program) {
  auto request = std::make_shared<Request>();
  CLI::App* command = program.add_subcommand("quantize", "Write a model with its matrices rounded, part by part");
  command->add_option("-m,--model", request->model, "Model folder or GGUF file")->required();
  add_loop_flags(*command, request->layer_loops);
  command->add_option("--out", request->out, "GGUF file to write")->required();
  command->add_option("--type", request->type, "Type of matrices: q8_0, q4_0, tq2_0 (ternary), bf16, f16, f32")
      ->capture_default_str();
  command->add_option("--part", request->parts,
                      "PART=TYPE for a part of its own: embed, head, or a group by its name (gyre info shows them)");
  command->add_flag("--json", request->json, "Print JSON");
  command->footer(
      "Vectors stay F32, and so do matrices whose rows are no whole blocks (of 32 numbers; tq2_0: 256).\n"
      "What the rounding costs at every depth: gyre eval -m NEW --reference OLD --depths 1,2,4,8\n"
      "Examples:\n"
      "  gyre quantize -m models/shakespeare --type q8_0 --out shakespeare.gguf\n"
      "  gyre quantize -m huginn --type q8_0 --part core=q4_0 --part embed=bf16 --out huginn.gguf");
  command->callback([request] { run(*request); });
}

}  // namespace gyre::cli
