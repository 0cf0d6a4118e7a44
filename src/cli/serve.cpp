#include <fmt/format.h>

#include <memory>
#include <set>
#include <thread>

#include "api/calibrated_exit.hpp"
#include "base/processors.hpp"
#include "cli/checks.hpp"
#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/options.hpp"
#include "engine/kv_cache.hpp"
#include "kernels/kernels.hpp"
#include "model/weights.hpp"
#include "serve/heap.hpp"
#include "serve/server.hpp"

namespace gyre::cli {
namespace {

struct ServeOptions {
  std::vector<std::string> models;
  std::string weights;
  std::string exit;
  std::string kv_policy = "latest";
  std::string kv_type = "f32";
  std::string schedule = "rows";
  std::string arithmetic = "exact";
  std::string key_file;
  int context = 0;
  int threads = 0;
  int chunk = 256;
  int parallel = 16;
  int queue = 64;
  int prefix_megabytes = 256;
  int timeout = 600;
  int drain = 30;
  int body_megabytes = 32;
  bool special_tokens = false;
  serve::ServerOptions server;
};

/// "NAME=PATH", or a path alone, whose last part is the name.
std::pair<std::string, std::string> name_and_path(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals != std::string::npos && text.find('/') > equals) return {text.substr(0, equals), text.substr(equals + 1)};
  std::filesystem::path path = text;
  if (!path.has_filename()) path = path.parent_path();
  const bool file = path.extension() == ".gguf";
  return {(file ? path.stem() : path.filename()).string(), text};
}

KvPolicy kv_policy_of(const ServeOptions& options) {
  KvPolicy policy = parse_kv_policy(options.kv_policy, "--kv");
  policy.type = parse_kv_type(options.kv_type, "--kv-type");
  return policy;
}

/// --exit for a model, as the requests run that choose none.
std::optional<ExitChoice> exit_of(const ServeOptions& options, const Model& model) {
  if (options.exit.empty() || options.exit == "fixed") return std::nullopt;
  const std::vector<int> loops = model.spec().default_loops();
  ExitChoice choice = exit_for(options.exit, model, {.loops = loops, .kv = kv_policy_of(options)});
  const BoundedExit rule(choice, {model.spec(), loops, {}});  // for its messages
  return choice;
}

/// What holds for requests that choose nothing else.
void set_run(const ServeOptions& options, serve::ServedModel& model) {
  model.kv = kv_policy_of(options);
  const KvCache cache(model.spec(), model.spec().default_loops(), model.context, model.kv);  // for its messages
  model.exit = exit_of(options, model.checkpoint.model);
}

std::vector<serve::ServedModel> open_models(const ServeOptions& options) {
  std::vector<serve::ServedModel> models;
  std::set<std::string> names;
  for (const std::string& text : options.models) {
    const auto [name, path] = name_and_path(text);
    if (name.empty() || path.empty()) throw Error("--model: \"{}\" is not of the form NAME=PATH", text);
    if (!names.insert(name).second) throw Error("--model: there are two models \"{}\"; give one another NAME=", name);
    Checkpoint checkpoint = open_checkpoint(path, {}, options.weights);
    if (options.context > checkpoint.model.spec().context) {
      throw Error("--context: {} is more than the {} positions of {}", options.context, checkpoint.model.spec().context,
                  name);
    }
    models.push_back(serve::ServedModel::open(name, std::move(checkpoint), options.context));
    models.back().special_tokens = options.special_tokens;
    if (models.back().encoder()) continue;
    set_run(options, models.back());
  }
  return models;
}

serve::ServerOptions server_options(const ServeOptions& options) {
  serve::ServerOptions server = options.server;
  server.http.most_body = static_cast<std::size_t>(options.body_megabytes) << 20U;
  server.timeout = std::chrono::seconds(options.timeout);
  server.drain = std::chrono::seconds(options.drain);
  server.log = [](std::string_view text) { fmt::print(stderr, "gyre: {}\n", text); };
  if (!options.key_file.empty()) server.keys = serve::ApiKeys::load(options.key_file);
  server.engine.parallel = static_cast<std::size_t>(options.parallel);
  server.engine.queue = static_cast<std::size_t>(options.queue);
  server.engine.lane = {.threads = options.threads > 0 ? options.threads : usable_processors(),
                        .chunk = options.chunk,
                        .schedule = parse_schedule(options.schedule, "--schedule"),
                        .prefix_bytes = static_cast<std::size_t>(options.prefix_megabytes) << 20U};
  return server;
}

void run(const ServeOptions& options) {
  if (!options.exit.empty()) check_exit(options.exit);
  serve::ServerOptions chosen = server_options(options);
  if (options.arithmetic == "exact") require_exact_kernels();
  serve::share_heaps();
  std::vector<serve::ServedModel> models = open_models(options);
  const std::string host = chosen.http.host;
  const bool open_to_all = host != "127.0.0.1" && host != "localhost" && host != "::1" && chosen.keys.empty();
  serve::Server server(std::move(models), std::move(chosen));
  server.start();
  if (open_to_all) fmt::print(stderr, "gyre: {} is open to whoever reaches it; --api-key-file asks for a key\n", host);
  const bool v6 = host.find(':') != std::string::npos;
  fmt::print("listening on http://{}{}{}:{}\n", v6 ? "[" : "", host, v6 ? "]" : "", server.port());
  std::fflush(stdout);
  while (!interrupt().requested()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  server.finish();
  forget_interrupt();
}

void add_server_flags(CLI::App& command, ServeOptions& options) {
  serve::HttpOptions& http = options.server.http;
  command.add_option("--host", http.host, "Address to listen on; 0.0.0.0 takes clients from everywhere")
      ->check(some_text())
      ->capture_default_str();
  command.add_option("--port", http.port, "Port; 0 takes any that is free, and says which")
      ->check(whole_number(0, 65535))
      ->capture_default_str();
  command.add_option("--parallel", options.parallel, "Texts that run at once")
      ->check(whole_number(1, 1024))
      ->capture_default_str();
  command.add_option("--queue", options.queue, "Requests that may wait for a place; more get 429")
      ->check(whole_number(1, 1 << 20))
      ->capture_default_str();
  command.add_option("--timeout", options.timeout, "Seconds that a request may take")
      ->check(whole_number(1))
      ->capture_default_str();
  command.add_option("--drain", options.drain, "Seconds that requests have to end in when the server is stopped")
      ->check(whole_number(0))
      ->capture_default_str();
  command.add_option("--max-body", options.body_megabytes, "MiB that the body of a request may have")
      ->check(whole_number(1, 1024))
      ->capture_default_str();
  command.add_option("--api-key-file", options.key_file,
                     "File of keys, one a line, one of which requests have to bring (default: none needed)");
  command
      .add_option("--cors-origin", options.server.origins.also,
                  "Origin whose pages may ask, as https://chat.example.org, or * (default: those of this machine)")
      ->check(known_to(serve::require_origin, "--cors-origin"))
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command.add_flag("--special-tokens", options.special_tokens,
                   "Special tokens that a request spells out, as <|im_end|>, are those tokens, not text");
}

}  // namespace

void add_serve(CLI::App& program) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command = program.add_subcommand("serve", "Serve models over HTTP, as OpenAI's API does");
  command
      ->add_option("-m,--model", options->models,
                   "NAME=PATH of a model folder or GGUF file, or a path alone (may be given several times)")
      ->required()
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  add_server_flags(*command, *options);
  command->add_option("--context", options->context, "Positions of a text (default: the model's, at most 4096)")
      ->check(whole_number(1));
  command->add_option("--exit", options->exit,
                      "Exit rule of requests that choose none (default: full depth); gyre generate --help lists them");
  command->add_option("--weights", options->weights,
                      "Round matrices at load to one of " + weight_type_names() + " (default: as they are stored)");
  command
      ->add_option("--kv", options->kv_policy,
                   "Keys and values of loops, of requests that choose none: latest, latest:ring=K, latest:run=K, "
                   "latest:anchor=K, last, all_or_last, full")
      ->check(known_to(parse_kv_policy, "--kv"))
      ->capture_default_str();
  command->add_option("--kv-type", options->kv_type, "How keys and values are kept: f32, bf16, q8_0")
      ->check(known_to(parse_kv_type, "--kv-type"))
      ->capture_default_str();
  command
      ->add_option("--prefix-cache", options->prefix_megabytes,
                   "MiB of beginnings of texts that are kept, each model's own; 0: none")
      ->check(whole_number(0, 1 << 20))
      ->capture_default_str();
  command->add_option("--chunk", options->chunk, "Tokens of a prompt that go in together beside other texts")
      ->check(whole_number(1, 1 << 20))
      ->capture_default_str();
  command->add_option("--schedule", options->schedule, "rows or lockstep: who shares a pass over the weights")
      ->check(known_to(parse_schedule, "--schedule"))
      ->capture_default_str();
  command
      ->add_option("--arithmetic", options->arithmetic,
                   "exact: a text does not depend on who else is served; fast: its last bits may")
      ->check(CLI::IsMember({"fast", "exact"}))
      ->capture_default_str();
  add_threads_option(*command, options->threads);
  command->footer(
      "POST /v1/chat/completions, /v1/completions, /v1/embeddings, /completion, /tokenize, /detokenize;\n"
      "GET /v1/models, /health, /metrics; a browser gets a page at /. What they take: docs/server.md.\n"
      "Ctrl-C or SIGTERM: what is under way is answered, then the server ends.\n"
      "Examples:\n"
      "  gyre serve -m models/shakespeare\n"
      "  gyre serve -m small=models/arithmetic -m models/shakespeare --port 8000 --api-key-file keys.txt\n"
      "  gyre serve -m ouro=Ouro-1.4B --exit gate:threshold=0.5 --weights q8_0 --parallel 8\n"
      "  curl localhost:8080/v1/completions -d '{\"prompt\": \"ROMEO:\", \"max_tokens\": 50}'\n"
      "  curl localhost:8080/v1/completions -d '{\"prompt\": \"ROMEO:\", \"gyre\": {\"exit\": \"accel:tau=0.2\", "
      "\"tokens\": true}}'");
  command->callback([options] { run(*options); });
}

}  // namespace gyre::cli
