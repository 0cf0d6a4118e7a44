#include <memory>

#include "api/calibrated_exit.hpp"
#include "cli/checks.hpp"
#include "cli/commands.hpp"
#include "cli/generate_request.hpp"
#include "engine/generate.hpp"

namespace gyre::cli {

void add_generate(CLI::App& program) {
  auto request = std::make_shared<GenerateRequest>();
  CLI::App* command =
      program.add_subcommand("generate", "Write text, deciding for every token how many loops to spend");
  add_run_options(*command, request->run);
  add_noise_option(*command, request->run);
  api::SequenceOptions& sequence = request->sequence;
  api::GenerateOptions& options = request->generate;
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
  command->add_option("-n,--tokens", options.tokens, "Most tokens to generate")
      ->check(whole_number(1, 1 << 24))
      ->capture_default_str();
  command->add_option("--exit", sequence.exit, "Exit rule, see below")->capture_default_str();
  command
      ->add_flag(
          "--exit-prompt{each}", options.exit_prompt,
          "The rule holds for the prompt too: --exit-prompt, or --exit-prompt=each: tokens that leave a group\n"
          "drop out of its later loops; =whole: all of the prompt leaves as one, and chooses the first new token\n"
          "(Huginn's program); =never: none does, the first new token is chosen at full depth; =last: the last\n"
          "token alone (default)")
      ->check(known_to(parse_prompt_exit, "--exit-prompt"));
  command->add_flag(
      "--whole-prompt", sequence.whole_prompt,
      "The tokens of the prompt see one another whole, for models trained that way (HRM-Text); the last of\n"
      "them then goes in with the others and chooses the first token at their depth");
  command->add_option("--context", sequence.context, "Positions to make room for (default: the model's, at most 4096)")
      ->check(whole_number(1));
  command->add_option("--temperature", options.temperature, "0 takes the likeliest token")
      ->check(number(0, 100))
      ->capture_default_str();
  command->add_option("--top-k", options.top_k, "Keep the k likeliest tokens (0: all)")
      ->check(whole_number(0))
      ->capture_default_str();
  command->add_option("--top-p", options.top_p, "Keep the likeliest tokens that reach this probability")
      ->check(number(0, 1))
      ->capture_default_str();
  command->add_option("--min-p", options.min_p, "Drop tokens below this share of the likeliest one's probability")
      ->check(number(0, 1))
      ->capture_default_str();
  command->add_option("--repetition-penalty", options.repetition_penalty, "Above 1: avoid tokens already used")
      ->check(number(0.01, 100))
      ->capture_default_str();
  command
      ->add_option("--logit-bias", request->bias,
                   "TOKEN=NUMBER is added to the logit of a token (may be given several times)")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command
      ->add_option("--logprobs", options.logprobs,
                   "With --json: log-probabilities of every token and of so many of the likeliest")
      ->check(whole_number(0, 100));
  command->add_option(
      "--draft", options.draft,
      "loops=L,tokens=T: draft T tokens with L loops, verify them with one pass at full depth; the text is "
      "that of full depth");
  command->add_option(
      "--diffuse", sequence.diffuse,
      "A wavefront of positions that loop together and freeze as they settle (arXiv 2510.14961), for models "
      "with one core: inner=4,steps=32,headway=1,wavefront=128,freeze=latent-diff,tau=0.03,ema=0.1,"
      "noise=0.5; freeze is latent-diff, acceleration, stable or fixed");
  command->add_option("--stop", options.stop, "End before this text (may be given several times)")->check(some_text());
  command->add_flag("--ignore-end", options.ignore_end, "Go on behind the model's end token, to measure a set length");
  command->add_option("--color", request->color, "Colour tokens by depth: auto, always, never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str();
  command->footer(exit_help() + calibrated_exit_help() +
                  "Examples:\n"
                  "  gyre generate -m models/shakespeare -p \"ROMEO:\" -n 200\n"
                  "  gyre generate -m models/shakespeare -p \"ROMEO:\" --exit accel:tau=0.2,form=relative\n"
                  "  gyre generate -m models/shakespeare -p \"ROMEO:\" --exit calibrated:exit.json\n"
                  "  gyre generate -m models/shakespeare -p \"ROMEO:\" --draft loops=2,tokens=4 --temperature 0\n"
                  "  gyre generate -m smollm2.gguf --chat -p \"Name three rivers.\" --temperature 0\n"
                  "  gyre generate -m qwen3 --messages talk.json --template-arg enable_thinking=false\n"
                  "  gyre generate -m models/arithmetic -p \"3+4*2-1=\" -n 1 --temperature 0 --json");
  command->callback([request] { run_generate(*request); });
}

}  // namespace gyre::cli
