#include "engine/generate.hpp"

#include <fmt/color.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iostream>
#include <iterator>
#include <memory>

#include "base/error.hpp"
#include "base/file.hpp"
#include "cli/checks.hpp"
#include "cli/commands.hpp"
#include "cli/conversation.hpp"
#include "cli/options.hpp"
#include "model/language.hpp"
#include "text/utf8.hpp"

namespace gyre::cli {
namespace {

struct Request {
  RunOptions run;
  std::string prompt;
  std::string prompt_file;
  bool chat = false;
  std::string system;
  std::string messages_file;
  std::vector<std::string> template_arguments;
  std::string exit = "fixed";
  std::string draft;
  std::string diffusion;
  std::vector<std::string> bias;
  bool exit_prompt = false;
  bool whole_prompt = false;
  GenerateOptions generate;
  bool ignore_end = false;
  int context = 0;
  std::string color = "auto";
};

/// From cool (few loops) to warm (many); distinct in brightness too.
constexpr std::array<std::uint32_t, 6> kDepthColors = {0x4C72B0, 0x55A3C4, 0x7FC8A9, 0xE3C75F, 0xE8934A, 0xD1495B};

/// Loops over the looped groups together, of one token or the most it could run.
int looped_loops(const std::vector<int>& loops, const std::vector<int>& most) {
  int sum = 0;
  for (std::size_t g = 0; g < most.size(); ++g) sum += most[g] > 1 ? loops[g] : 0;
  return sum;
}

/// Loops a token ran, as a share of the most it could: 0 is one loop in every looped group.
double depth_share(const TokenDepth& depth, const std::vector<int>& most) {
  const auto groups = static_cast<int>(std::count_if(most.begin(), most.end(), [](int loops) { return loops > 1; }));
  const int all = looped_loops(most, most);
  return all > groups ? static_cast<double>(looped_loops(depth.loops, most) - groups) / (all - groups) : 1.0;
}

fmt::text_style style_of(const TokenDepth& depth, const std::vector<int>& most) {
  const auto last = static_cast<double>(kDepthColors.size() - 1);
  return fmt::fg(fmt::rgb(kDepthColors[static_cast<std::size_t>(std::lround(depth_share(depth, most) * last))]));
}

void print_legend(const std::vector<int>& most) {
  fmt::print(stderr, "loops a token, few to many: ");
  for (const std::uint32_t color : kDepthColors) fmt::print(stderr, fmt::fg(fmt::rgb(color)), "██");
  const std::vector<int> least(most.size(), 1);
  fmt::print(stderr, "  {} to {}\n", looped_loops(least, most), looped_loops(most, most));
}

nlohmann::json token_json(const GeneratedToken& token, const std::vector<int>& most) {
  return {{"token", token.token},
          {"text", token.text},
          {"loops", looped_loops(token.depth.loops, most)},
          {"group_loops", token.depth.loops},
          {"group_reasons", token.depth.reasons},
          {"milliseconds", token.milliseconds}};
}

/// As the OpenAI API names them.
nlohmann::json probabilities_json(const GeneratedToken& token, const Tokenizer& tokenizer) {
  const auto of = [&](const TokenProbability& one) {
    return nlohmann::json{{"token", one.token},
                          {"text", tokenizer.decode(std::vector<std::int32_t>{one.token})},
                          {"logprob", one.log_probability}};
  };
  nlohmann::json json = of(token.probabilities.front());
  json["top_logprobs"] = nlohmann::json::array();
  for (std::size_t i = 1; i < token.probabilities.size(); ++i)
    json["top_logprobs"].push_back(of(token.probabilities[i]));
  return json;
}

/// "TOKEN=BIAS", a number of the vocabulary and what is added to its logit.
std::pair<std::int32_t, float> parse_bias(const std::string& text, const ModelSpec& spec) {
  const std::size_t equals = text.find('=');
  std::int32_t token = -1;
  float bias = 0;
  const char* const end = text.data() + text.size();
  const char* const middle = text.data() + std::min(equals, text.size());
  const auto first = std::from_chars(text.data(), middle, token);
  const auto second = std::from_chars(std::min(middle + 1, end), end, bias);
  const bool read = equals != std::string::npos && first.ec == std::errc() && first.ptr == middle &&
                    second.ec == std::errc() && second.ptr == end && std::isfinite(bias);
  if (!read) throw Error("--logit-bias: \"{}\" is not of the form TOKEN=NUMBER, as in 15=-5", text);
  if (token < 0 || token >= spec.vocab_size) {
    throw Error("--logit-bias: there is no token {} in a vocabulary of {}; see gyre tokenize", token, spec.vocab_size);
  }
  return {token, bias};
}

struct DepthSum {
  double loops = 0;
  double tokens = 0;
  void add(const TokenDepth& depth, const std::vector<int>& most) {
    loops += looped_loops(depth.loops, most);
    tokens += 1;
  }
  [[nodiscard]] double mean() const { return tokens > 0 ? loops / tokens : 0; }
};

bool wants_color(const std::string& choice) {
  return choice == "always" || (choice == "auto" && ::isatty(STDOUT_FILENO) == 1);
}

/// The prompt as the model wants it: behind what begins every text, or as a conversation.
std::vector<std::int32_t> prompt_tokens(const Request& request, const Language& language) {
  const Tokenizer& tokenizer = language.tokenizer;
  if (request.chat || !request.messages_file.empty()) {
    const ChatTemplate chat = load_chat_template(request.run.model, tokenizer);
    return tokenizer.encode(chat.render(
        conversation_of({request.prompt, request.system, request.messages_file, request.template_arguments})));
  }
  std::vector<std::int32_t> tokens = tokenizer.prefix_tokens();
  const std::vector<std::int32_t> words = tokenizer.encode(request.prompt);
  tokens.insert(tokens.end(), words.begin(), words.end());
  return tokens;
}

/// An exit for every token of the prompt, when the user wants them.
std::vector<BoundedExit> prompt_exits(const Request& request, const ExitChoice& choice, const ExitContext& context,
                                      std::size_t prompt_size) {
  std::vector<BoundedExit> exits;
  if (!request.exit_prompt) return exits;
  for (std::size_t t = 0; t < prompt_size; ++t) exits.emplace_back(choice, context);
  return exits;
}

double milliseconds_per_token(const Generation& result) {
  const auto drafted = result.draft.rounds > 0;  // a pass may give several
  return result.decode_milliseconds /
         std::max(1, drafted ? static_cast<int>(result.tokens.size()) : result.decode_passes);
}

nlohmann::json sampling_json(const SamplingOptions& sampling) {
  nlohmann::json json = {{"temperature", sampling.temperature},
                         {"top_k", sampling.top_k},
                         {"top_p", sampling.top_p},
                         {"min_p", sampling.min_p},
                         {"repetition_penalty", sampling.repetition_penalty}};
  if (!sampling.bias.empty()) json["logit_bias"] = sampling.bias;
  return json;
}

nlohmann::json draft_json(const Request& request, const Generation& result) {
  const DraftCount& count = result.draft;
  const double verified = count.rounds > 0 ? (count.accepted + count.rounds) / static_cast<double>(count.rounds) : 0;
  return {{"draft", request.draft},
          {"rounds", count.rounds},
          {"drafted", count.drafted},
          {"accepted", count.accepted},
          {"plain_passes", count.plain},
          {"tokens_per_verifying_pass", verified},
          {"tokens_per_full_pass", static_cast<double>(result.tokens.size()) / std::max(1, result.decode_passes)}};
}

nlohmann::json chat_json(const Request& request) {
  nlohmann::json json = {{"template_arguments", request.template_arguments}};
  if (!request.system.empty()) json["system"] = request.system;
  if (!request.messages_file.empty()) json["messages"] = request.messages_file;
  return json;
}

/// What a generation gave, but for its tokens.
nlohmann::json result_json(const Request& request, const Model& model, const Generation& result,
                           const std::vector<int>& loops) {
  nlohmann::json json = provenance(request.run, model);
  json["exit"] = request.exit;
  json["sampling"] = sampling_json(request.generate.sampling);
  json["context"] = context_of(request.context, model.spec());
  if (!request.generate.stops.empty()) json["stop"] = request.generate.stops;
  if (request.ignore_end) json["ignore_end"] = true;
  if (request.chat || !request.messages_file.empty()) json["chat"] = chat_json(request);
  if (request.messages_file.empty()) json["prompt"] = request.prompt;
  if (!request.messages_file.empty()) json["messages"] = request.messages_file;
  if (request.chat) json["chat"] = true;
  if (!request.system.empty()) json["system"] = request.system;
  if (!request.template_arguments.empty()) json["template_arguments"] = request.template_arguments;
  json["text"] = result.text;
  json["stop_reason"] = name_of(result.reason);
  if (!request.diffusion.empty()) {
    const Diffuser::Count& count = result.diffusion;
    json["diffusion"] = {{"diffuse", request.diffusion},
                         {"steps", count.steps},
                         {"positions_per_step", static_cast<double>(count.positions) / std::max(1, count.steps)},
                         {"tokens_per_step", static_cast<double>(result.tokens.size()) / std::max(1, count.steps)}};
  }
  if (!request.draft.empty()) json["speculation"] = draft_json(request, result);
  if (request.whole_prompt) json["whole_prompt"] = true;
  if (request.exit_prompt) {
    DepthSum prompt_depths;
    for (const TokenDepth& depth : result.prompt_depths) prompt_depths.add(depth, loops);
    json["mean_loops_per_prompt_token"] = prompt_depths.mean();
  }
  json["prefill_milliseconds"] = result.prefill_milliseconds;
  json["milliseconds_per_token"] = milliseconds_per_token(result);
  return json;
}

/// The text of a file, or of standard input for "-", without the line break that ends it.
std::string prompt_of_file(const std::string& file) {
  std::string text;
  if (file == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    text = read_text(file);
  }
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty()) throw Error("--prompt-file: {} is empty; give at least one character", file);
  return text;
}

/// Refuses what would change nothing.
void check_prompt(const Request& request) {
  require_utf8(request.prompt, "--prompt");
  require_utf8(request.system, "--system");
  const bool chats = request.chat || !request.messages_file.empty();
  if (request.messages_file.empty() && request.prompt.empty()) {
    throw Error("--prompt: the prompt is empty; give at least one character");
  }
  if (!chats && !request.system.empty()) throw Error("--system: a prompt has no system text; add --chat");
  if (!chats && !request.template_arguments.empty())
    throw Error("--template-arg: a prompt has no template; add --chat");
  if (!request.messages_file.empty() && !(request.prompt.empty() && request.system.empty())) {
    throw Error("--messages: the file holds the conversation; leave out --prompt and --system");
  }
}

/// What a wavefront of positions leaves nothing to do for.
void check_diffusion(const Request& request) {
  const auto refuse = [](bool given, std::string_view flag) {
    if (given) throw Error("--diffuse: positions loop until they settle; leave out {}", flag);
  };
  refuse(request.exit != "fixed", "--exit");
  refuse(request.exit_prompt, "--exit-prompt");
  refuse(!request.draft.empty(), "--draft");
  refuse(!request.run.loops.empty(), "--loops");
  refuse(request.whole_prompt, "--whole-prompt");
  refuse(request.generate.likeliest >= 0, "--logprobs");
}

void run(Request& request) {
  if (!request.prompt_file.empty()) request.prompt = prompt_of_file(request.prompt_file);
  check_prompt(request);
  const ExitChoice choice = parse_exit(request.exit);
  const Model model = load_model(request.run.model, request.run.layer_loops, request.run.weights);
  const Language language = load_language(model.path());
  const Tokenizer& tokenizer = language.tokenizer;
  std::vector<int> loops = loops_of(request.run, model.spec());
  if (!request.diffusion.empty()) {
    check_diffusion(request);
    request.generate.diffusion = parse_diffusion(request.diffusion, "--diffuse");
    loops[diffusion_group(model.spec(), "--diffuse")] = request.generate.diffusion->inner;
  }
  const int context = context_of(request.context, model.spec());
  BoundedExit exit(choice, {model.spec(), loops, {}});
  Engine engine(model, thread_count(request.run));
  Sequence sequence = engine.start(loops, context, kv_policy_of(request.run), request.run.seed,
                                   parse_noise_start(request.run.first_state, "--first-state"));
  if (request.whole_prompt && !model.spec().prefix_lm) {
    throw Error("--whole-prompt: {} was trained to see the tokens before each only; leave the flag out",
                request.run.model);
  }
  sequence.whole_prompt = request.whole_prompt;
  const std::vector<std::int32_t> prompt = prompt_tokens(request, language);
  if (static_cast<int>(prompt.size()) > context) {
    throw Error("--prompt: {} tokens are more than the context of {}; shorten the prompt", prompt.size(), context);
  }

  for (const std::string& bias : request.bias) {
    request.generate.sampling.bias.push_back(parse_bias(bias, model.spec()));
  }
  GenerateOptions options = request.generate;
  options.sampling.seed = request.run.seed;
  if (options.likeliest >= 0 && !request.run.json)
    throw Error("--logprobs: they are printed with --json alone; add it");
  if (!request.draft.empty()) {
    if (request.exit != "fixed")
      throw Error("--draft: full depth verifies what is drafted; leave out --exit {}", request.exit);
    if (options.likeliest >= 0) throw Error("--draft: tokens come several at a time; leave out --logprobs");
    options.draft = parse_draft(request.draft, model.spec(), loops, "--draft");
    Speculator(engine, sequence, *options.draft, options.sampling, 1);  // refuses before anything is printed
  }
  if (!request.ignore_end) options.end_tokens = language.end_tokens;
  std::vector<BoundedExit> exits = prompt_exits(request, choice, {model.spec(), loops, {}}, prompt.size());
  options.prompt_exits = exits;
  if (options.diffusion) Diffuser(engine, sequence, *options.diffusion, 1);  // likewise
  const bool color = !request.run.json && wants_color(request.color);
  if (color) print_legend(loops);
  if (!request.run.json && !request.chat && request.messages_file.empty()) fmt::print("{}", request.prompt);
  nlohmann::json tokens = nlohmann::json::array();
  DepthSum depths;
  const Generation result =
      generate(engine, sequence, tokenizer, prompt, options, &exit, [&](const GeneratedToken& token) {
        depths.add(token.depth, loops);
        if (request.run.json) {
          tokens.push_back(token_json(token, loops));
          if (!token.probabilities.empty()) tokens.back()["probabilities"] = probabilities_json(token, tokenizer);
        } else if (color) {
          fmt::print("{}", fmt::styled(token.text, style_of(token.depth, loops)));
        } else {
          fmt::print("{}", token.text);
        }
        if (!request.run.json) std::fflush(stdout);
      });
  if (request.run.json) {
    nlohmann::json json = result_json(request, model, result, loops);
    json["prompt_tokens"] = prompt.size();
    json["tokens"] = std::move(tokens);
    json["mean_loops_per_token"] = depths.mean();
    fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  const double per_token = milliseconds_per_token(result);
  fmt::print("\n");
  fmt::print(stderr, "{} tokens, {:.2f} loops/token of {}, {:.2f} ms/token ({:.0f} tok/s), exit {}, stopped by {}\n",
             result.tokens.size(), depths.mean(), looped_loops(loops, loops), per_token,
             1000.0 / std::max(per_token, 1e-9), request.exit, name_of(result.reason));
  if (!request.draft.empty()) {
    fmt::print(stderr, "drafted {} tokens in {} rounds, {} accepted; {:.2f} tokens a pass at full depth\n",
               result.draft.drafted, result.draft.rounds, result.draft.accepted,
               static_cast<double>(result.tokens.size()) / std::max(1, result.decode_passes));
  }
}

}  // namespace

void add_generate(CLI::App& program) {
  auto request = std::make_shared<Request>();
  CLI::App* command =
      program.add_subcommand("generate", "Write text, deciding for every token how many loops to spend");
  add_run_options(*command, request->run);
  SamplingOptions& sampling = request->generate.sampling;
  CLI::Option* prompt = command->add_option("-p,--prompt", request->prompt, "Text to go on from");
  command
      ->add_option("--prompt-file", request->prompt_file,
                   "File that holds it, or - for standard input; the line break at its end is left out")
      ->excludes(prompt)
      ->check(some_text());
  command->add_flag("--chat", request->chat, "The prompt is a message: write it as the model's chat template says");
  command->add_option("--system", request->system, "With --chat: what the system says first");
  command->add_option(
      "--messages", request->messages_file,
      "JSON file of a whole conversation instead of --prompt: a list of {\"role\", \"content\"}, or an\n"
      "object with messages and, if wanted, tools and documents");
  command
      ->add_option("--template-arg", request->template_arguments,
                   "KEY=JSON for the chat template, say enable_thinking=false (may be given several times)")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_option("-n,--tokens", request->generate.tokens, "Most tokens to generate")
      ->check(whole_number(1, 1 << 24))
      ->capture_default_str();
  command->add_option("--exit", request->exit, "Exit rule, see below")->capture_default_str();
  command->add_flag("--exit-prompt", request->exit_prompt,
                    "The rule holds for the prompt too: tokens that leave a group drop out of its later loops");
  command->add_flag(
      "--whole-prompt", request->whole_prompt,
      "The tokens of the prompt see one another whole, for models trained that way (HRM-Text); the last of\n"
      "them then goes in with the others and chooses the first token at their depth");
  command->add_option("--context", request->context, "Positions to make room for (default: the model's, at most 4096)")
      ->check(whole_number(1));
  command->add_option("--temperature", sampling.temperature, "0 takes the likeliest token")
      ->check(number(0, 100))
      ->capture_default_str();
  command->add_option("--top-k", sampling.top_k, "Keep the k likeliest tokens (0: all)")
      ->check(whole_number(0))
      ->capture_default_str();
  command->add_option("--top-p", sampling.top_p, "Keep the likeliest tokens that reach this probability")
      ->check(number(0, 1))
      ->capture_default_str();
  command->add_option("--min-p", sampling.min_p, "Drop tokens below this share of the likeliest one's probability")
      ->check(number(0, 1))
      ->capture_default_str();
  command->add_option("--repetition-penalty", sampling.repetition_penalty, "Above 1: avoid tokens already used")
      ->check(number(0.01, 100))
      ->capture_default_str();
  command
      ->add_option("--logit-bias", request->bias,
                   "TOKEN=NUMBER is added to the logit of a token (may be given several times)")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command
      ->add_option("--logprobs", request->generate.likeliest,
                   "With --json: log-probabilities of every token and of so many of the likeliest")
      ->check(whole_number(0, 100));
  command->add_option(
      "--draft", request->draft,
      "loops=L,tokens=T: draft T tokens with L loops, verify them with one pass at full depth; the text is "
      "that of full depth");
  command->add_option(
      "--diffuse", request->diffusion,
      "A wavefront of positions that loop together and freeze as they settle (arXiv 2510.14961), for models "
      "with one core: inner=4,steps=32,headway=1,wavefront=128,freeze=latent-diff,tau=0.03,ema=0.1,"
      "noise=0.5; freeze is latent-diff, acceleration, stable or fixed");
  command->add_option("--stop", request->generate.stops, "End before this text (may be given several times)")
      ->check(some_text());
  command->add_flag("--ignore-end", request->ignore_end, "Go on behind the model's end token, to measure a set length");
  command->add_option("--color", request->color, "Colour tokens by depth: auto, always, never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str();
  command->footer(exit_help() +
                  "Examples:\n"
                  "  gyre generate -m models/shakespeare -p \"ROMEO:\" -n 200\n"
                  "  gyre generate -m models/shakespeare -p \"ROMEO:\" --exit accel:tau=0.2,form=relative\n"
                  "  gyre generate -m models/shakespeare -p \"ROMEO:\" --draft loops=2,tokens=4 --temperature 0\n"
                  "  gyre generate -m smollm2.gguf --chat -p \"Name three rivers.\" --temperature 0\n"
                  "  gyre generate -m qwen3 --messages talk.json --template-arg enable_thinking=false\n"
                  "  gyre generate -m models/arithmetic -p \"3+4*2-1=\" -n 1 --temperature 0 --json");
  command->callback([request] { run(*request); });
}

}  // namespace gyre::cli
