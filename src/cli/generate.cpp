#include <fmt/color.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iostream>
#include <iterator>

#include "base/error.hpp"
#include "base/file.hpp"
#include "cli/conversation.hpp"
#include "cli/generate_json.hpp"
#include "cli/generate_request.hpp"
#include "cli/interrupt.hpp"
#include "cli/options.hpp"
#include "model/checkpoint.hpp"
#include "text/utf8.hpp"

namespace gyre::cli {
namespace {

/// From cool (few loops) to warm (many); distinct in brightness too.
constexpr std::array<std::uint32_t, 6> kDepthColors = {0x4C72B0, 0x55A3C4, 0x7FC8A9, 0xE3C75F, 0xE8934A, 0xD1495B};

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

bool wants_color(const std::string& choice) {
  return choice == "always" || (choice == "auto" && ::isatty(STDOUT_FILENO) == 1);
}

/// The prompt as the model wants it: behind what begins every text, or as a conversation.
std::vector<std::int32_t> prompt_tokens(const GenerateRequest& request, const Checkpoint& checkpoint) {
  const Tokenizer& tokenizer = checkpoint.language.tokenizer;
  if (request.chat || !request.messages_file.empty()) {
    const ChatTemplate chat = checkpoint.chat_template();
    return tokenizer.encode(chat.render(
        conversation_of({request.prompt, request.system, request.messages_file, request.template_arguments})));
  }
  std::vector<std::int32_t> tokens = tokenizer.prefix_tokens();
  const std::vector<std::int32_t> words = tokenizer.encode(request.prompt);
  tokens.insert(tokens.end(), words.begin(), words.end());
  return tokens;
}

/// An exit for every token of the prompt, when the user wants them.
std::vector<BoundedExit> prompt_exits(const GenerateRequest& request, const ExitChoice& choice,
                                      const ExitContext& context, std::size_t prompt_size) {
  std::vector<BoundedExit> exits;
  if (parse_prompt_exit(request.exit_prompt, "--exit-prompt") != PromptExit::each) return exits;
  for (std::size_t t = 0; t < prompt_size; ++t) exits.emplace_back(choice, context);
  return exits;
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
void check_prompt(const GenerateRequest& request) {
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
void check_diffusion(const GenerateRequest& request) {
  const auto refuse = [](bool given, std::string_view flag) {
    if (given) throw Error("--diffuse: positions loop until they settle; leave out {}", flag);
  };
  refuse(request.exit != "fixed", "--exit");
  refuse(request.exit_prompt != "last", "--exit-prompt");
  refuse(parse_test_noise(request.run.test_noise, "--test-noise").there(), "--test-noise");
  refuse(!request.draft.empty(), "--draft");
  refuse(!request.run.loops.empty(), "--loops");
  refuse(request.whole_prompt, "--whole-prompt");
  refuse(request.generate.likeliest >= 0, "--logprobs");
}

/// How tokens are drawn and come by; `loops` are the most of each group.
GenerateOptions options_of(GenerateRequest& request, const ModelSpec& spec, const std::vector<int>& loops) {
  for (const std::string& bias : request.bias) {
    request.generate.sampling.bias.push_back(parse_bias(bias, spec));
  }
  GenerateOptions options = request.generate;
  options.sampling.seed = request.run.seed;
  options.prompt_exit = parse_prompt_exit(request.exit_prompt, "--exit-prompt");
  if (options.likeliest >= 0 && !request.run.json)
    throw Error("--logprobs: they are printed with --json alone; add it");
  if (!request.draft.empty()) {
    if (request.exit != "fixed")
      throw Error("--draft: full depth verifies what is drafted; leave out --exit {}", request.exit);
    if (options.likeliest >= 0) throw Error("--draft: tokens come several at a time; leave out --logprobs");
    if (options.prompt_exit != PromptExit::last)
      throw Error("--draft: prompts run at full depth; leave out --exit-prompt");
    options.draft = parse_draft(request.draft, spec, loops, "--draft");
  }
  return options;
}

Sequence start_sequence(const GenerateRequest& request, const Engine& engine, const std::vector<int>& loops) {
  const ModelSpec& spec = engine.model().spec();
  Sequence sequence = engine.start(loops, context_of(request.context, spec), kv_policy_of(request.run),
                                   request.run.seed, parse_noise_start(request.run.first_state, "--first-state"));
  if (request.whole_prompt && !spec.prefix_lm) {
    throw Error("--whole-prompt: {} was trained to see the tokens before each only; leave the flag out",
                request.run.model);
  }
  sequence.whole_prompt = request.whole_prompt;
  sequence.test_noise = test_noise_of(request.run, spec);
  return sequence;
}

void print_summary(const GenerateRequest& request, const Generation& result, const DepthSum& depths,
                   const std::vector<int>& loops) {
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
  if (!request.diffusion.empty()) {
    fmt::print(stderr, "{} steps of {:.1f} positions each\n", result.diffusion.steps,
               static_cast<double>(result.diffusion.positions) / std::max(1, result.diffusion.steps));
  }
}

}  // namespace

void run_generate(GenerateRequest& request) {
  if (!request.prompt_file.empty()) request.prompt = prompt_of_file(request.prompt_file);
  check_prompt(request);
  const ExitChoice choice = parse_exit(request.exit);
  const Checkpoint checkpoint = open_checkpoint(request.run);
  const Model& model = checkpoint.model;
  std::vector<int> loops = loops_of(request.run, model.spec());
  if (!request.diffusion.empty()) {
    check_diffusion(request);
    request.generate.diffusion = parse_diffusion(request.diffusion, "--diffuse");
    loops[diffusion_group(model.spec(), "--diffuse")] = request.generate.diffusion->inner;
  }
  BoundedExit exit(choice, {model.spec(), loops, {}});
  Engine engine(model, thread_count(request.run), interrupt());
  Sequence sequence = start_sequence(request, engine, loops);
  const std::vector<std::int32_t> prompt = prompt_tokens(request, checkpoint);
  if (const int context = sequence.cache.context(); static_cast<int>(prompt.size()) > context) {
    throw Error("--prompt: {} tokens are more than the context of {}; shorten the prompt", prompt.size(), context);
  }

  GenerateOptions options = options_of(request, model.spec(), loops);
  if (options.draft) Speculator(engine, sequence, *options.draft, options.sampling, 1);  // refuses before it is printed
  if (options.diffusion) Diffuser(engine, sequence, *options.diffusion, 1);              // likewise
  if (!request.ignore_end) options.end_tokens = checkpoint.language.end_tokens;
  std::vector<BoundedExit> exits = prompt_exits(request, choice, {model.spec(), loops, {}}, prompt.size());
  options.prompt_exits = exits;
  const bool color = !request.run.json && wants_color(request.color);
  if (color) print_legend(loops);
  if (!request.run.json && !request.chat && request.messages_file.empty()) fmt::print("{}", request.prompt);
  nlohmann::json tokens = nlohmann::json::array();
  DepthSum depths;
  const Generation result = generate(
      engine, sequence, checkpoint.language.tokenizer, prompt, options, &exit, [&](const GeneratedToken& token) {
        depths.add(token.depth, loops);
        if (request.run.json) {
          tokens.push_back(token_json(token, loops));
          if (!token.probabilities.empty())
            tokens.back()["probabilities"] = probabilities_json(token, checkpoint.language.tokenizer);
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
  print_summary(request, result, depths, loops);
}

}  // namespace gyre::cli
