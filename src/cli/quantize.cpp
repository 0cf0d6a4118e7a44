#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/progress.hpp"
#include "cli/checks.hpp"
#include "cli/commands.hpp"
#include "cli/measured.hpp"
#include "cli/options.hpp"
#include "format/storage_types.hpp"
#include "model/convert.hpp"
#include "model/rounding.hpp"
#include "study/input_moments.hpp"

namespace gyre::cli {
namespace {

struct QuantizeRequest {
  WriteOptions write;
  TextOptions text;  ///< that matrices are rounded for; no file: each number by itself
  RunOptions run;    ///< of that text
  std::size_t most_tokens = 16384;
  int window = 0;
};

/// Throws Error when no matrix is rounded to blocks: a text would change nothing.
void require_blocks(const Storage& storage) {
  const auto blocks = [](const auto& part) { return block_size(part.second) > 1; };
  if (storage.mix != nullptr || block_size(storage.type) > 1) return;
  if (std::any_of(storage.parts.begin(), storage.parts.end(), blocks)) return;
  throw Error("--calibrate changes nothing of {}, which rounds each number by itself; choose a type of blocks, as q4_0",
              name_of(storage.type));
}

/// Converts for a text, and gives what that depends on.
nlohmann::json convert_for_text(const QuantizeRequest& request, const Checkpoint& checkpoint, const Storage& storage) {
  const ModelSpec& spec = checkpoint.model.spec();
  const MeasuredText text = measured_text(request.text, checkpoint.language.tokenizer, request.most_tokens);
  const EvaluationOptions options = evaluation_options(request.run, request.window, spec);
  Progress line("calibrate", 0, "windows");
  const ProgressSink progress = [&line](std::int64_t done, std::int64_t total) {
    line.set_total(total);
    line.update(done);
  };
  ThreadPool pool(options.threads);
  InputMoments moments(checkpoint.model, text, options, pool, progress);
  const RoundingText rounding{[&moments](const std::string& tensor) { return moments.of(tensor); }, pool};
  convert(checkpoint, storage, request.write.out, &rounding);
  nlohmann::json json = {{"tokens", text.size()}, {"window", options.window}, {"loops", options.loops}};
  add_text(json, request.text, text);
  return json;
}

void print_written(const WriteOptions& options, const Model& written, const std::vector<PartRounding>& parts,
                   const nlohmann::json& rounded_for) {
  nlohmann::json json = {{"out", options.out},         {"rounded_for", rounded_for},
                         {"family", written.family()}, {"parameters", written.parameter_count()},
                         {"sha256", written.hash()},   {"parts", nlohmann::json::array()}};
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

void run(const QuantizeRequest& request) {
  const WriteOptions& options = request.write;
  if (!options.out.ends_with(".gguf"))
    throw Error("--out: {}: a quantised model is a GGUF file; let it end in .gguf", options.out);
  const Storage storage = parse_storage(options.type, options.parts);
  if (!request.text.file.empty()) require_blocks(storage);
  const Checkpoint checkpoint = open_checkpoint(options.model, options.layer_loops, {}, options.adapter);
  const Model& model = checkpoint.model;
  nlohmann::json rounded_for;
  if (request.text.file.empty()) {
    convert(checkpoint, storage, options.out);
  } else {
    rounded_for = convert_for_text(request, checkpoint, storage);
  }
  const Model written = Model::load(options.out);
  const std::vector<PartRounding> parts = compare_parts(model, written);
  options.json ? print_written(options, written, parts, rounded_for) : print_table(parts);
}

/// The flags of the text.
void add_text_flags(CLI::App& command, QuantizeRequest& request) {
  CLI::Option* const text = command.add_option(
      "--calibrate", request.text.file,
      "Text file or folder of *.txt: round matrices for what they read in it, in every loop, so that errors make up\n"
      "for one another (GPTQ)");
  const std::string only = "Of --calibrate: ";
  command.add_option("--split", request.text.split, only + "the part of the text: all, train, validation")
      ->check(known_to(parse_text_part, "--split"))
      ->capture_default_str()
      ->needs(text);
  command.add_option("--validation-share", request.text.validation_share, only + "the last part, that validates")
      ->check(number(0, 1))
      ->capture_default_str()
      ->needs(text);
  command.add_option("--max-tokens", request.most_tokens, only + "most tokens")
      ->check(whole_number(2))
      ->capture_default_str()
      ->needs(text);
  command
      .add_option("--window", request.window,
                  only + "positions that share a context (default: the model's, at most 1024)")
      ->check(whole_number(2, kMostContext))
      ->needs(text);
  command.add_option("--loops", request.run.loops, only + "loops at which it is read (default: the model's)")
      ->needs(text);
  add_threads_option(command, request.run.threads)->needs(text);
}

}  // namespace

void add_quantize(CLI::App& program) {
  auto options = std::make_shared<QuantizeRequest>();
  CLI::App* command = program.add_subcommand("quantize", "Write a model with its matrices rounded, part by part");
  options->write.type = "q8_0";
  add_write_options(
      *command, options->write, "GGUF file to write",
      written_types() + " (tq2_0: ternary); mixes by the use of a matrix, as llama.cpp's: " + mix_names());
  add_text_flags(*command, *options);
  command->footer(
      "Vectors stay F32, and so do matrices whose rows are no whole blocks (of 32 numbers; tq2_0 and K types: 256). "
      "In\n"
      "place of a K type they take one of blocks of 32 where those fit: q4_k q5_0, q5_k q5_1, q6_k q8_0.\n"
      "What the rounding costs at every depth: gyre eval -m NEW --reference OLD --depths 1,2,4,8\n"
      "Examples:\n"
      "  gyre quantize -m models/shakespeare --type q8_0 --out shakespeare.gguf\n"
      "  gyre quantize -m models/shakespeare --type q4_0 --calibrate input.txt --split train --out shakespeare.gguf\n"
      "  gyre quantize -m huginn --type q8_0 --part core=q4_0 --part embed=bf16 --out huginn.gguf\n"
      "  gyre quantize -m SmolLM2 --type q4_k_m --out smollm2.gguf");
  command->callback([options] { run(*options); });
}

}  // namespace gyre::cli
