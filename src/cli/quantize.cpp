#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.hpp"
#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "format/storage_types.hpp"
#include "model/convert.hpp"
#include "model/rounding.hpp"

namespace gyre::cli {
namespace {

void print_written(const WriteOptions& options, const Model& written, const std::vector<PartRounding>& parts) {
  nlohmann::json json = {{"out", options.out},
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

void run(const WriteOptions& options) {
  if (!options.out.ends_with(".gguf"))
    throw Error("--out: {}: a quantised model is a GGUF file; let it end in .gguf", options.out);
  const Storage storage = parse_storage(options.type, options.parts);
  const Checkpoint checkpoint = open_checkpoint(options.model, options.layer_loops, {}, options.adapter);
  const Model& model = checkpoint.model;
  convert(checkpoint, storage, options.out);
  const Model written = Model::load(options.out);
  const std::vector<PartRounding> parts = compare_parts(model, written);
  options.json ? print_written(options, written, parts) : print_table(parts);
}

}  // namespace

void add_quantize(CLI::App& program) {
  auto options = std::make_shared<WriteOptions>();
  CLI::App* command = program.add_subcommand("quantize", "Write a model with its matrices rounded, part by part");
  options->type = "q8_0";
  add_write_options(
      *command, *options, "GGUF file to write",
      written_types() + " (tq2_0: ternary); mixes by the use of a matrix, as llama.cpp's: " + mix_names());
  command->footer(
      "Vectors stay F32, and so do matrices whose rows are no whole blocks (of 32 numbers; tq2_0 and K types: 256). "
      "In\n"
      "place of a K type they take one of blocks of 32 where those fit: q4_k q5_0, q5_k q5_1, q6_k q8_0.\n"
      "What the rounding costs at every depth: gyre eval -m NEW --reference OLD --depths 1,2,4,8\n"
      "Examples:\n"
      "  gyre quantize -m models/shakespeare --type q8_0 --out shakespeare.gguf\n"
      "  gyre quantize -m huginn --type q8_0 --part core=q4_0 --part embed=bf16 --out huginn.gguf\n"
      "  gyre quantize -m SmolLM2 --type q4_k_m --out smollm2.gguf");
  command->callback([options] { run(*options); });
}

}  // namespace gyre::cli
