#include <fmt/color.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iostream>
#include <iterator>

#include "api/calibrated_exit.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "cli/conversation.hpp"
#include "cli/generate_json.hpp"
#include "cli/generate_request.hpp"
#include "cli/interrupt.hpp"
#include "cli/options.hpp"
#include "gyre/gyre.hpp"
#include "text/utf8.hpp"

namespace gyre::cli {
namespace {

/// From cool (few loops) to warm (many); distinct in brightness too.
constexpr std::array<std::uint32_t, 6> kDepthColors = {0x4C72B0, 0x55A3C4, 0x7FC8A9, 0xE3C75F, 0xE8934A, 0xD1495B};

/// Loops a token ran, as a share of the most it could: 0 is one loop in every looped group.
double depth_share(const std::vector<int>& depth, const std::vector<int>& most) {
  const auto groups = static_cast<int>(std::count_if(most.begin(), most.end(), [](int loops) { return loops > 1; }));
  const int all = looped_loops(most, most);
  return all > groups ? static_cast<double>(looped_loops(depth, most) - groups) / (all - groups) : 1.0;
}

fmt::text_style style_of(const std::vector<int>& depth, const std::vector<int>& most) {
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
std::pair<std::int32_t, float> parse_bias(const std::string& text) {
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
  return {token, bias};
}

bool wants_color(const std::string& choice) {
  return choice == "always" || (choice == "auto" && ::isatty(STDOUT_FILENO) == 1);
}

/// The prompt as the model wants it: behind what begins every text, or as a conversation.
std::vector<std::int32_t> prompt_tokens(const GenerateRequest& request, const api::Model& model) {
  if (!request.chat && request.messages_file.empty()) return model.encode(request.prompt);
  const Conversation talk =
      conversation_of({request.prompt, request.system, request.messages_file, request.template_arguments});
  const nlohmann::ordered_json json = {
      {"messages", talk.messages}, {"tools", talk.tools}, {"documents", talk.documents}};
  return model.encode_chat(json.dump(), talk.arguments.dump());
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

api::Model open_model(const RunOptions& run) {
  if (run.arithmetic == "exact") api::require_exact_arithmetic();
  api::Model model = api::Model::open(run.model, {.weights = run.weights,
                                                  .adapter = run.adapter,
                                                  .loop = run.layer_loops.runs,
                                                  .damping = run.layer_loops.damping,
                                                  .names = api::OptionNames::flags});
  print_notes(run.model, model.notes());
  return model;
}

/// The flags that every command has, as the API names them.
void take_run_flags(GenerateRequest& request, const api::Model& model) {
  const RunOptions& run = request.run;
  if (!run.loops.empty()) request.sequence.loops = model.loops(run.loops);
  request.sequence.kv = run.kv_policy;
  request.sequence.kv_type = run.kv_type;
  request.sequence.first_state = run.first_state;
  request.sequence.test_noise = run.test_noise;
  request.sequence.seed = request.generate.seed = run.seed;
  for (const std::string& bias : request.bias) request.generate.logit_bias.push_back(parse_bias(bias));
  if (request.generate.logprobs >= 0 && !run.json)
    throw Error("--logprobs: they are printed with --json alone; add it");
}

void print_summary(const GenerateRequest& request, const api::Generation& result, const DepthSum& depths,
                   const std::vector<int>& loops) {
  const double per_token = milliseconds_per_token(result);
  fmt::print("\n");
  fmt::print(stderr, "{} tokens, {:.2f} loops/token of {}, {:.2f} ms/token ({:.0f} tok/s), exit {}, stopped by {}\n",
             result.tokens.size(), depths.mean(), looped_loops(loops, loops), per_token,
             1000.0 / std::max(per_token, 1e-9), request.sequence.exit, result.stop_reason);
  if (!request.generate.draft.empty()) {
    fmt::print(stderr, "drafted {} tokens in {} rounds, {} accepted; {:.2f} tokens a pass at full depth\n",
               result.draft.drafted, result.draft.rounds, result.draft.accepted,
               static_cast<double>(result.tokens.size()) / std::max(1, result.passes));
  }
  if (!request.sequence.diffuse.empty()) {
    fmt::print(stderr, "{} steps of {:.1f} positions each\n", result.diffusion.steps,
               static_cast<double>(result.diffusion.positions) / std::max(1, result.diffusion.steps));
  }
}

}  // namespace

void run_generate(GenerateRequest& request) {
  if (!request.prompt_file.empty()) request.prompt = prompt_of_file(request.prompt_file);
  check_prompt(request);
  check_exit(request.sequence.exit);  // a rule that cannot be is refused before a model is read
  const api::Model model = open_model(request.run);
  take_run_flags(request, model);
  api::Runner runner(model, {.threads = thread_count(request.run), .stop = &interrupt_flag()});
  api::Sequence sequence = runner.start(request.sequence);
  const std::vector<std::int32_t> prompt = prompt_tokens(request, model);
  runner.check(sequence, prompt, request.generate);
  const std::vector<int> loops = sequence.loops();
  // The rule within a file of gyre calibrate is shown with it.
  request.sequence.exit = nlohmann::json::parse(runner.provenance(sequence)).at("exit");
  const bool color = !request.run.json && wants_color(request.color);
  if (color) print_legend(loops);
  if (!request.run.json && !request.chat && request.messages_file.empty()) fmt::print("{}", request.prompt);
  nlohmann::json tokens = nlohmann::json::array();
  DepthSum depths;
  const api::Generation result =
      runner.generate(sequence, prompt, request.generate, [&](const api::GeneratedToken& token) {
        depths.add(token.loops, loops);
        if (request.run.json) {
          tokens.push_back(token_json(token, loops, model));
        } else if (color) {
          fmt::print("{}", fmt::styled(token.text, style_of(token.loops, loops)));
        } else {
          fmt::print("{}", token.text);
        }
        if (!request.run.json) std::fflush(stdout);
      });
  if (request.run.json) {
    nlohmann::json json = result_json(request, nlohmann::json::parse(runner.provenance(sequence)), result, loops);
    json["prompt_tokens"] = prompt.size();
    json["tokens"] = std::move(tokens);
    json["mean_loops_per_token"] = depths.mean();
    fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  print_summary(request, result, depths, loops);
}

}  // namespace gyre::cli
