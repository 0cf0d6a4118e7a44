#include "model/convert.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "cli/commands.hpp"
#include "cli/options.hpp"

namespace gyre::cli {
namespace {

struct Request {
  std::string model;
  LoopFlags layer_loops;
  std::string out;
  std::string type = "bf16";
  std::vector<std::string> parts;
  bool json = false;
};

void run(const Request& request) {
  const Storage storage = parse_storage(request.type, request.parts);
  const Model model = load_model(request.model, request.layer_loops);
  convert(model, storage, request.out);
  const Model written = Model::load(request.out);
  const nlohmann::json json = {{"out", request.out},
                               {"family", model.family()},
                               {"stored_dtype", written.stored_type()},
                               {"parameters", written.parameter_count()},
                               {"sha256", written.hash()}};
  if (request.json) {
    fmt::print("{}\n", json.dump(2));
    return;
  }
  fmt::print("wrote {}: {:.2f} M parameters as {}, sha256 {}\n", request.out,
             static_cast<double>(written.parameter_count()) / 1e6, written.stored_type(), written.hash());
}

}  // namespace

void add_convert(CLI::App& program) {
  auto request = std::make_shared<Request>();
  CLI::App* command = program.add_subcommand("convert", "Write a model of any family in gyre's own form");
  command->add_option("-m,--model", request->model, "Model folder or GGUF file")->required();
  add_loop_flags(*command, request->layer_loops);
  command->add_option("--out", request->out, "A name that ends in .gguf for one file, or a folder's name")->required();
  command->add_option("--type", request->type, "Type of matrices: f32, f16, bf16; in GGUF also q8_0, q4_0, tq2_0")
      ->capture_default_str();
  command->add_option("--part", request->parts, "PART=TYPE for a part of its own: embed, head, or a group by its name");
  command->add_flag("--json", request->json, "Print JSON");
  command->footer(
      "Examples:\n"
      "  gyre convert -m Ouro-1.4B --out ouro.gguf --type q8_0\n"
      "  gyre convert -m smollm2.gguf --loop 10-13x4 --out looped");
  command->callback([request] { run(*request); });
}

}  // namespace gyre::cli
