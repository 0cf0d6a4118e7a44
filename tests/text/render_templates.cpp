#include <fmt/format.h>

#include <iostream>
#include <string>

#include "base/error.hpp"
#include "text/chat_template.hpp"

// Renders chat templates for compare_templates.py: a JSON object a line on stdin (template, tokens, messages, tools,
// documents, add_generation_prompt, arguments, clock), and a line with "text" or "error" for each on stdout.
int main() {
  using Json = nlohmann::ordered_json;
  std::string line;
  while (std::getline(std::cin, line)) {
    const Json job = Json::parse(line);
    Json answer;
    try {
      gyre::ChatTemplate::Tokens tokens;
      for (const auto& [name, token] : job.at("tokens").items()) tokens.emplace_back(name, token);
      const gyre::ChatTemplate made(job.at("template").get<std::string>(), std::move(tokens), "template");
      gyre::Conversation conversation;
      conversation.messages = job.at("messages");
      conversation.tools = job.at("tools");
      conversation.documents = job.at("documents");
      conversation.add_generation_prompt = job.at("add_generation_prompt").get<bool>();
      conversation.arguments = job.at("arguments");
      conversation.clock = job.at("clock").get<std::int64_t>();
      answer["text"] = made.render(conversation);
    } catch (const gyre::Error& error) {
      answer["error"] = error.what();
    }
    fmt::print("{}\n", answer.dump());
  }
}
