#include "model/convert.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "format/storage_types.hpp"

namespace gyre::cli {
namespace {

void run(const WriteOptions& options) {
  const Storage storage = parse_storage(options.type, options.parts);
  const Checkpoint checkpoint = open_checkpoint(options.model, options.layer_loops, {}, options.adapter);
  const Model& model = checkpoint.model;
  convert(checkpoint, storage, options.out);
  const Model written = Model::load(options.out);
  const nlohmann::json json = {{"out", options.out},
                               {"family", model.family()},
                               {"stored_dtype", written.stored_type()},
                               {"parameters", written.parameter_count()},
                               {"sha256", written.hash()}};
  if (options.json) {
    fmt::print("{}\n", json.dump(2));
    return;
  }
  fmt::print("wrote {}: {:.2f} M parameters as {}, sha256 {}\n", options.out,
             static_cast<double>(written.parameter_count()) / 1e6, written.stored_type(), written.hash());
}

}  // namespace

void add_convert(CLI::App& program) {
  auto options = std::make_shared<WriteOptions>();
  CLI::App* command = program.add_subcommand("convert", "Write a model of any family in gyre's own form");
  options->type = "bf16";
  add_write_options(*command, *options, "A name that ends in .gguf for one file, or a folder's name",
                    "f32, f16, bf16; in GGUF also " + written_types(true) + " and " + mix_names());
  command->footer(
      "Examples:\n"
      "  gyre convert -m Ouro-1.4B --out ouro.gguf --type q8_0\n"
      "  gyre convert -m smollm2.gguf --loop 10-13x4 --out looped");
  command->callback([options] { run(*options); });
}

}  // namespace gyre::cli
