#include "serve/request.hpp"

#include <algorithm>
#include <charconv>
#include <random>

#include "base/error.hpp"
#include "engine/kv_cache.hpp"

namespace gyre::serve {
namespace {

std::uint64_t any_seed() {
  std::random_device device;
  return device() & 0x7fffffffU;
}

void read_sampling(Fields& body, const ServedModel& model, SamplingOptions& sampling) {
  sampling.temperature = static_cast<float>(body.number("temperature", 0, 100).value_or(1));
  sampling.top_p = static_cast<float>(body.number("top_p", 0, 1).value_or(1));
  sampling.min_p = static_cast<float>(body.number("min_p", 0, 1).value_or(0));
  sampling.top_k = static_cast<int>(std::max<std::int64_t>(0, body.integer("top_k", -1, 1 << 24).value_or(0)));
  const auto penalty = body.number("repetition_penalty", 0.01, 100);
  const auto other = body.number("repeat_penalty", 0.01, 100);
  if (penalty && other) throw body.wrong("repeat_penalty", "repetition_penalty says it already; leave one out");
  sampling.repetition_penalty = static_cast<float>(penalty ? *penalty : other.value_or(1));
  sampling.presence_penalty = static_cast<float>(body.number("presence_penalty", -2, 2).value_or(0));
  sampling.frequency_penalty = static_cast<float>(body.number("frequency_penalty", -2, 2).value_or(0));
  const std::int64_t seed =
      body.integer("seed", std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max())
          .value_or(-1);
  sampling.seed = seed == -1 ? any_seed() : static_cast<std::uint64_t>(seed);
  const Json* const bias = body.find("logit_bias");
  if (bias == nullptr) return;
  if (!bias->is_object())
    throw body.wrong("logit_bias", "expected an object of tokens and numbers, found {}", kind_of(*bias));
  for (const auto& [token, value] : bias->items()) {
    std::int32_t id = -1;
    const auto read = std::from_chars(token.data(), token.data() + token.size(), id);
    if (read.ec != std::errc() || read.ptr != token.data() + token.size() || id < 0 || id >= model.vocabulary()) {
      throw body.wrong("logit_bias", "there is no token \"{}\" among the {} of this model", token.substr(0, 40),
                       model.vocabulary());
    }
    if (!value.is_number() || std::abs(value.get<double>()) > 100) {
      throw body.wrong("logit_bias", "token {}: a bias is a number from -100 to 100", id);
    }
    sampling.bias.emplace_back(id, value.get<float>());
  }
}

std::vector<std::string> read_stops(Fields& body) {
  const Json* const value = body.find("stop");
  if (value == nullptr) return {};
  const Json stops = value->is_string() ? Json::array({*value}) : *value;
  if (!stops.is_array()) throw body.wrong("stop", "expected a text or a list of texts, found {}", kind_of(*value));
  if (stops.size() > kRequestLimits.stops)
    throw body.wrong("stop", "{} texts; {} are the most", stops.size(), kRequestLimits.stops);
  std::vector<std::string> found;
  for (std::size_t i = 0; i < stops.size(); ++i) {
    const std::string field = fmt::format("stop[{}]", i);
    if (!stops[i].is_string()) throw body.wrong(field, "expected a text, found {}", kind_of(stops[i]));
    found.push_back(stops[i].get<std::string>());
    if (found.back().empty()) throw body.wrong(field, "an empty text would end every text; leave it out");
    if (found.back().size() > kRequestLimits.stop_bytes)
      throw body.wrong(field, "longer than {} bytes", kRequestLimits.stop_bytes);
  }
  return found;
}

std::vector<int> read_loops(Fields& gyre, const ServedModel& model) {
  const ModelSpec& spec = model.spec();
  const Json* const value = gyre.find("loops");
  if (value == nullptr) return spec.default_loops();
  std::string text;
  if (value->is_string()) {
    text = value->get<std::string>();
  } else if (value->is_array()) {
    for (const Json& count : *value) text += (text.empty() ? "" : "/") + dump(count);
  } else {
    text = dump(*value);
  }
  try {
    const std::vector<int> loops = parse_loops(text, spec, "gyre.loops");
    for (std::size_t g = 0; g < loops.size(); ++g) {
      const int most = std::max(kRequestLimits.loops, kRequestLimits.loops_times * spec.groups[g].loops);
      if (loops[g] > most)
        throw gyre.wrong("loops", "{} is more than the {} that requests may ask for", loops[g], most);
    }
    return loops;
  } catch (const Error& failure) {
    throw bad_request("gyre.loops", "{}", failure.what());
  }
}

/// A rule of a request is written out: one that reads a file of this machine is no client's to choose.
std::optional<ExitChoice> read_exit(Fields& gyre, const ServedModel& model, const std::vector<int>& loops) {
  const std::optional<std::string> text = gyre.text("exit");
  if (!text) return model.exit;
  if (text->empty() || *text == "fixed") return std::nullopt;
  if (text->size() > 1000) throw gyre.wrong("exit", "a rule is no longer than 1000 characters");
  if (text->find("file") != std::string::npos || text->starts_with("calibrated")) {
    throw gyre.wrong("exit", "rules of files are not for requests to choose; write the rule out");
  }
  try {
    ExitChoice choice = parse_exit(*text);
    const BoundedExit rule(choice, {model.spec(), loops, {}});  // for its messages
    return choice;
  } catch (const Error& failure) {
    throw bad_request("gyre.exit", "gyre.exit: {}", failure.what());
  }
}

/// A policy of a request, the keys and values kept as the server keeps them.
KvPolicy read_kv_policy(Fields& gyre, const ServedModel& model, const std::vector<int>& loops) {
  const std::optional<std::string> text = gyre.text("kv");
  if (!text) return model.kv;
  KvPolicy policy;
  try {
    policy = parse_kv_policy(*text, "gyre.kv");
  } catch (const Error& failure) {
    throw bad_request("gyre.kv", "{}", failure.what());
  }
  policy.type = model.kv.type;
  try {
    const KvCache cache(model.spec(), loops, model.context, policy);  // for its messages
    return policy;
  } catch (const Error& failure) {
    throw bad_request("gyre.kv", "gyre.kv: {}", failure.what());
  }
}

void read_own_fields(Fields& body, const ServedModel& model, TextRequest& request) {
  Generation& generation = request.generation;
  generation.loops = model.spec().default_loops();
  generation.exit = model.exit;
  generation.kv = model.kv;
  std::optional<Fields> gyre = body.object("gyre");
  if (!gyre) return;
  generation.loops = read_loops(*gyre, model);
  if (model.exit && gyre->find("loops") != nullptr && gyre->find("exit") == nullptr) {
    throw gyre->wrong("loops", "the server's own exit rule is for its own loops; give gyre.exit too");
  }
  generation.exit = read_exit(*gyre, model, generation.loops);
  generation.kv = read_kv_policy(*gyre, model, generation.loops);
  request.own_exit = gyre->find("exit") != nullptr;
  generation.noise_seed =
      static_cast<std::uint64_t>(gyre->integer("noise_seed", 0, std::numeric_limits<std::int64_t>::max()).value_or(1));
  generation.lens = static_cast<int>(gyre->integer("lens", 0, kRequestLimits.lens).value_or(0));
  request.token_details = gyre->boolean("tokens").value_or(false) || generation.lens > 0;
  gyre->done();
}

void read_stream(Fields& body, TextRequest& request) {
  request.stream = body.boolean("stream").value_or(false);
  std::optional<Fields> options = body.object("stream_options");
  if (!options) return;
  if (!request.stream) throw body.wrong("stream_options", "only where \"stream\" is true");
  request.stream_usage = options->boolean("include_usage").value_or(false);
  options->ignore({"include_obfuscation"});
  options->done();
}

/// What would change the text and is not offered.
void refuse_others(Fields& body) {
  for (const char* name : {"min_tokens", "mirostat", "xtc_probability", "dry_multiplier", "dynatemp_range"}) {
    body.only(name, {0, 0.0});
  }
  for (const char* name : {"typical_p", "typical", "tfs_z", "length_penalty"}) body.only(name, {1, 1.0});
  for (const char* name : {"use_beam_search", "include_stop_str_in_output", "return_progress", "timings_per_token"}) {
    body.only(name, {false});
  }
  for (const char* name : {"grammar", "suffix", "guided_grammar", "guided_decoding_backend"}) {
    body.only(name, {""});
  }
  body.only("stop_token_ids", {Json::array()});
  body.only("bad_words", {Json::array()});
}

}  // namespace

std::size_t model_of(Fields& body, std::span<const ServedModel> models) {
  const std::optional<std::string> name = body.text("model");
  if (!name && models.size() == 1) return 0;
  std::string names;
  for (const ServedModel& model : models) names += (names.empty() ? "" : ", ") + model.name;
  if (!name) throw body.wrong("model", "name one of {}", names);
  const auto found = std::find_if(models.begin(), models.end(), [&](const ServedModel& m) { return m.name == *name; });
  if (found != models.end()) return static_cast<std::size_t>(found - models.begin());
  throw ApiError(404, "invalid_request_error",
                 fmt::format("model: there is no \"{}\" here; the models are {}", name->substr(0, 200), names),
                 {.param = "model", .code = "model_not_found"});
}

void require_fits(std::span<const std::int32_t> prompt, const ServedModel& model, const std::string& field) {
  if (prompt.empty()) throw bad_request(field, "{}: there are no tokens; give at least one", field);
  if (static_cast<int>(prompt.size()) <= model.context) return;
  throw ApiError(400, "invalid_request_error",
                 fmt::format("{}: {} tokens are more than the context of {}; shorten the prompt", field, prompt.size(),
                             model.context),
                 {.param = field, .code = "context_length_exceeded"});
}

const ServedModel& read_shared_fields(Fields& body, std::span<const ServedModel> models, FormatCache& formats,
                                      TextRequest& request) {
  Generation& generation = request.generation;
  generation.model = model_of(body, models);
  const ServedModel& model = models[generation.model];
  if (model.encoder()) {
    throw bad_request("model", "model: {} is an encoder, which has no next token; ask /v1/embeddings", model.name);
  }
  read_sampling(body, model, generation.sampling);
  generation.n = static_cast<int>(body.integer("n", 1, 128).value_or(1));
  generation.limits.stops = read_stops(body);
  if (!body.boolean("ignore_eos").value_or(false)) generation.limits.ends = model.checkpoint.language.end_tokens;
  read_stream(body, request);
  read_own_fields(body, model, request);
  read_format(body, formats, request);
  refuse_others(body);
  body.ignore({"user", "store", "metadata", "service_tier", "prompt_cache_key", "prompt_cache_retention",
               "safety_identifier", "cache_prompt", "id_slot", "priority", "request_id"});
  return model;
}

}  // namespace gyre::serve
