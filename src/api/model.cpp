#include <algorithm>

#include "api/state.hpp"
#include "base/error.hpp"
#include "kernels/kernels.hpp"
#include "text/conversation.hpp"

namespace gyre::api {

void require_exact_arithmetic() { require_exact_kernels(); }

std::string name_of(OptionNames names, std::string field) {
  if (names == OptionNames::fields) return field;
  std::replace(field.begin(), field.end(), '_', '-');
  return "--" + field;
}

Model::Model(std::shared_ptr<const State> state) : state_(std::move(state)) {}

Model Model::open(const std::filesystem::path& path, const OpenOptions& options) {
  LoadOptions load{.adapter = options.adapter};
  if (!options.weights.empty()) load.weights = parse_weight_type(options.weights, name_of(options.names, "weights"));
  Checkpoint checkpoint = Checkpoint::open(path, load);
  if (!options.loop.empty()) {
    const std::string name = name_of(options.names, "loop");
    checkpoint.model.loop_layers(parse_layer_loops(options.loop, name), options.damping, name);
  }
  return Model(std::make_shared<const State>(State{std::move(checkpoint), options.names}));
}

std::string Model::spec_json() const { return to_json(state_->spec()).dump(2); }
std::string Model::digest() const { return state_->digest(); }
std::string Model::family() const { return state_->checkpoint.model.family(); }
std::vector<std::string> Model::notes() const { return state_->checkpoint.model.notes(); }
int Model::vocabulary_size() const { return state_->spec().vocab_size; }
int Model::hidden_size() const { return state_->spec().hidden_size; }
int Model::context() const { return state_->spec().context; }
std::vector<int> Model::default_loops() const { return state_->spec().default_loops(); }

std::vector<int> Model::loops(const std::string& text) const {
  return text.empty() ? default_loops() : parse_loops(text, state_->spec(), state_->named("loops"));
}

std::vector<std::int32_t> Model::encode(std::string_view text) const {
  const Tokenizer& tokenizer = state_->checkpoint.language.tokenizer;
  std::vector<std::int32_t> tokens = tokenizer.prefix_tokens();
  const std::vector<std::int32_t> words = tokenizer.encode(text);
  tokens.insert(tokens.end(), words.begin(), words.end());
  return tokens;
}

std::vector<std::int32_t> Model::encode_further(std::string_view text) const {
  return state_->checkpoint.language.tokenizer.encode(text);
}

std::string Model::token_name(std::int32_t token) const {
  const std::vector<std::string>& names = state_->checkpoint.language.tokenizer.names();
  if (token < 0 || static_cast<std::size_t>(token) >= names.size()) {
    throw Error("token: there is no token {} in a vocabulary of {}", token, names.size());
  }
  return names[static_cast<std::size_t>(token)];
}

std::string Model::decode(std::span<const std::int32_t> tokens) const {
  return state_->checkpoint.language.tokenizer.decode({tokens.begin(), tokens.end()});
}

std::string Model::render_chat(const std::string& conversation, const std::string& arguments) const {
  Conversation talk = read_conversation(parse_ordered_json(conversation, "conversation"), "conversation");
  talk.arguments = parse_ordered_json(arguments, "arguments");
  if (!talk.arguments.is_object()) throw Error("arguments: variables of a template are a JSON object of their names");
  return state_->checkpoint.chat_template().render(talk);
}

std::vector<std::int32_t> Model::encode_chat(const std::string& conversation, const std::string& arguments) const {
  return state_->checkpoint.language.tokenizer.encode(render_chat(conversation, arguments));
}

std::vector<std::int32_t> Model::end_tokens() const { return state_->checkpoint.language.end_tokens; }

}  // namespace gyre::api
