#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/at_place.hpp"
#include "base/file.hpp"
#include "base/processors.hpp"
#include "cli/checks.hpp"
#include "cli/commands.hpp"
#include "cli/embed_texts.hpp"
#include "cli/interrupt.hpp"
#include "cli/options.hpp"
#include "engine/embedder.hpp"
#include "format/npy.hpp"
#include "kernels/kernels.hpp"
#include "model/weights.hpp"

namespace gyre::cli {
namespace {

struct EmbedOptions {
  std::string model;
  LoopFlags layer_loops;
  std::string weights;
  TextsOptions texts;
  std::string out;
  std::string pooling;
  int most_tokens = 0;
  bool no_normalize = false;
  int threads = 0;
  bool json = false;
};

EmbeddingConfig config_of(const EmbedOptions& options, const Model& model) {
  EmbeddingConfig config = load_embedding_config(model.path());
  if (!options.pooling.empty()) config.pooling = parse_pooling(options.pooling, "--pooling");
  if (options.no_normalize) config.normalize = false;
  if (options.most_tokens > model.spec().context) {
    throw Error("--max-tokens: {} is more than the {} positions of this model", options.most_tokens,
                model.spec().context);
  }
  if (options.most_tokens > 0) config.most_tokens = options.most_tokens;
  if (!config.prompt_name.empty() && options.texts.prefix.empty()) {
    fmt::print(stderr,
               "gyre: {}: note: its own program puts the prompt \"{}\" before every text; --prefix does it here\n",
               options.model, config.prompt_name);
  }
  return config;
}

std::string line_of(std::size_t index, const Embedding& embedding) {
  return fmt::format(R"({{"index": {}, "tokens": {}, "truncated": {}, "embedding": [{}]}})"
                     "\n",
                     index, embedding.tokens, embedding.truncated, fmt::join(embedding.vector, ", "));
}

bool is_npy(const std::string& out) { return out.ends_with(".npy"); }

void write(const EmbedOptions& options, const std::vector<Embedding>& embeddings) {
  if (options.out.empty()) {
    for (std::size_t i = 0; i < embeddings.size(); ++i) fmt::print("{}", line_of(i, embeddings[i]));
  } else if (is_npy(options.out)) {
    write_npy(options.out, embeddings.size(), embeddings.front().vector.size(),
              [&](std::size_t i) { return std::span<const float>(embeddings[i].vector); });
  } else {
    write_file_atomically(options.out, [&](FileWriter& file) {
      for (std::size_t i = 0; i < embeddings.size(); ++i) file.write(line_of(i, embeddings[i]));
    });
  }
}

void report(const EmbedOptions& options, const Embedder& embedder, const Model& model,
            const std::vector<Embedding>& embeddings, double seconds) {
  std::size_t tokens = 0;
  std::size_t truncated = 0;
  for (const Embedding& embedding : embeddings) {
    tokens += static_cast<std::size_t>(embedding.tokens);
    truncated += embedding.truncated ? 1 : 0;
  }
  const EmbeddingConfig& config = embedder.config();
  const double speed = static_cast<double>(embeddings.size()) / seconds;
  if (options.json) {
    const nlohmann::json json = {{"model", options.model},
                                 {"model_sha256", model.hash()},
                                 {"weights", model.weight_type()},
                                 {"isa", kernels().name},
                                 {"threads", options.threads},
                                 {"texts", embeddings.size()},
                                 {"tokens", tokens},
                                 {"truncated", truncated},
                                 {"max_tokens", config.most_tokens},
                                 {"hidden_size", embedder.hidden_size()},
                                 {"pooling", name_of(config.pooling)},
                                 {"normalized", config.normalize},
                                 {"prefix", options.texts.prefix},
                                 {"out", options.out},
                                 {"seconds", seconds},
                                 {"texts_per_second", speed}};
    fmt::print("{}\n", json.dump(2));
    return;
  }
  fmt::print(stderr, "gyre: {} texts, {} tokens, {} truncated at {}; {} pooling{}; {:.1f} texts/s\n", embeddings.size(),
             tokens, truncated, config.most_tokens, name_of(config.pooling), config.normalize ? ", normalized" : "",
             speed);
}

void check(const EmbedOptions& options) {
  if (options.out.empty() && options.json) {
    throw Error("--json prints the report where the vectors would go; give them a file by --out");
  }
  if (options.out.empty()) return;
  if (!is_npy(options.out) && !options.out.ends_with(".jsonl")) {
    throw Error("--out: {} ends neither in .npy nor in .jsonl, which say what is written", options.out);
  }
  check_out_file(options.out);
}

void run(EmbedOptions options) {
  check(options);
  const std::vector<std::string> texts = read_texts(options.texts);
  if (options.threads == 0) options.threads = usable_processors();
  watch_for_interrupt();
  const Checkpoint checkpoint = open_checkpoint(options.model, options.layer_loops, options.weights);
  Embedder embedder(checkpoint, config_of(options, checkpoint.model), options.threads, interrupt());
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Embedding> embeddings = at_place(options.texts.file, [&] { return embedder.embed(texts); });
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  write(options, embeddings);
  report(options, embedder, checkpoint.model, embeddings, seconds.count());
}

}  // namespace

void add_embed(CLI::App& program) {
  auto options = std::make_shared<EmbedOptions>();
  CLI::App* command = program.add_subcommand("embed", "Texts as vectors, by an encoder (BERT, XLM-R) or another model");
  command->add_option("-m,--model", options->model, "Model folder or GGUF file")->required();
  command->add_option("--text", options->texts.file, "File of texts, one a line; -: standard input")->required();
  CLI::Option* json_lines = command->add_flag("--jsonl", options->texts.json_lines, "Each line is an object of JSON");
  command->add_option("--field", options->texts.field, "With --jsonl: the key of the text")
      ->check(some_text())
      ->needs(json_lines)
      ->capture_default_str();
  command->add_option("--prefix", options->texts.prefix,
                      "Put before every text, as \"query: \" for E5 (default: nothing)");
  command->add_option(
      "--out", options->out,
      "File to write: .npy (float32 [texts, hidden]) or .jsonl (default: JSON lines on standard output)");
  command
      ->add_option("--pooling", options->pooling,
                   "mean, cls or last (default: as 1_Pooling of the model folder says, else mean)")
      ->check(known_to(parse_pooling, "--pooling"));
  command->add_flag("--no-normalize", options->no_normalize,
                    "Leave vectors as long as they are (default: length one, unless modules.json has no Normalize)");
  command
      ->add_option(
          "--max-tokens", options->most_tokens,
          "Longer texts are cut there (default: max_seq_length of sentence_bert_config.json, else the model's)")
      ->check(whole_number(1));
  add_loop_flags(*command, options->layer_loops);
  command->add_option("--weights", options->weights,
                      "Round matrices at load to one of " + weight_type_names() + " (default: as they are stored)");
  add_threads_option(*command, options->threads);
  command->add_flag("--json", options->json, "Print the report as JSON; needs --out");
  command->footer(
      "A line of JSON: index, tokens (those around the text included), truncated, embedding.\n"
      "Examples:\n"
      "  gyre embed -m all-MiniLM-L6-v2 --text sentences.txt --out sentences.npy\n"
      "  gyre embed -m multilingual-e5-small --text - --jsonl --field question --prefix \"query: \"");
  command->callback([options] { run(*options); });
}

}  // namespace gyre::cli
