#include "train/prepared_data.hpp"

#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "text/corpus.hpp"

namespace gyre {
namespace {

void add_text(HashStream& stream, std::string_view text) {
  const std::uint64_t size = text.size();  // so that no two lists of texts run into the same bytes
  stream.update(std::as_bytes(std::span(&size, 1)));
  stream.update(std::as_bytes(std::span(text)));
}

std::string digest_of(const std::vector<Example>& examples) {
  HashStream stream(HashKind::sha256);
  for (const Example& example : examples) {
    add_text(stream, example.prompt);
    add_text(stream, example.answer);
    add_text(stream, std::to_string(example.level));
    add_text(stream, example.labels);
    if (!example.group.empty()) add_text(stream, example.group);
  }
  return stream.finish();
}

std::string digest_of(const std::vector<ChatExample>& examples) {
  HashStream stream(HashKind::sha256);
  for (const ChatExample& example : examples) {
    add_text(stream, example.prompt);
    add_text(stream, example.answer);
    if (!example.group.empty()) add_text(stream, example.group);
  }
  return stream.finish();
}

/// Prompts and answers on lines of their own: they are encoded apart, so no merge may reach from one into the next.
std::string joined(const std::vector<Example>& examples) {
  std::string all;
  for (const Example& example : examples) all += example.prompt + "\n" + example.answer + "\n";
  return all;
}

std::string characters_of(const std::vector<Example>& examples) {
  std::string all;
  for (const Example& example : examples) all += example.prompt + example.answer;
  return all;
}

/// The texts of a folder one behind the other, each with what ends it.
std::string joined(const std::vector<std::string>& documents, const std::string& end) {
  std::string all;
  for (const std::string& document : documents) all += document + end;
  return all;
}

std::size_t repeated(const std::vector<std::string>& documents) {
  return documents.size() - std::set<std::string_view>(documents.begin(), documents.end()).size();
}

/// Counts examples and what is on which side of their split; a repeat in the validation part, which the split leaves
/// out, is counted by `all`.
template <typename Item>
DataReport counts_of(const std::vector<Item>& training, const std::vector<Item>& validation,
                     const std::vector<Item>& all) {
  std::vector<ReadExample> seen;
  const auto add = [&seen](const std::vector<Item>& part, bool validates) {
    for (const Item& item : part) {
      seen.push_back({item.prompt, item.answer, item.group.empty() ? item.prompt : item.group, validates});
    }
  };
  add(all, false);
  DataReport counts = report_on(seen);
  seen.clear();
  add(training, false);
  add(validation, true);
  const DataReport sides = report_on(seen);
  counts.shared_groups = sides.shared_groups;
  counts.shared_prompts = sides.shared_prompts;
  return counts;
}

SourceData read_texts(const std::filesystem::path& data, const TrainConfig& config) {
  SourceData source;
  const std::vector<std::string> documents = read_documents(data);
  source.text = joined(documents, config.end_token);
  source.digest = sha256(std::as_bytes(std::span(source.text)));
  source.counts.read = documents.size();
  source.counts.repeated = repeated(documents);
  return source;
}

/// What was read of examples, which `split` divides.
template <typename Item, typename Split>
SourceData divided(const std::vector<Item>& examples, Split SourceData::*part, Split split) {
  SourceData source;
  source.digest = digest_of(examples);
  source.*part = std::move(split);
  source.counts = counts_of((source.*part).training, (source.*part).validation, examples);
  return source;
}

SourceData read_answers(const std::filesystem::path& data, const TrainConfig& config) {
  const std::vector<Example> examples = read_examples(data, config.keys);
  return divided(examples, &SourceData::examples, split_examples(examples, config.validation_share));
}

SourceData read_chats(const std::filesystem::path& data, const TrainConfig& config) {
  const std::vector<ChatExample> examples = read_chat_examples(data, config.keys);
  return divided(examples, &SourceData::chats, split_chats(examples, config.validation_share));
}

TrainingData encode_text(const TrainConfig& config, const SourceData& source, const Tokenizer& tokenizer,
                         const std::filesystem::path& out) {
  require_end_token(config, tokenizer);
  const TextSplit split = split_text(source.text, config.validation_share);
  const std::filesystem::path file = out / "tokens.bin";
  TokenFile::write(file, tokenizer, split.training, split.validation);
  TokenFile tokens(file);
  DataReport report = source.counts;
  const auto count = [&config](PartReport& part, std::int64_t size) {
    part.tokens = static_cast<std::size_t>(size);
    part.learned = part.tokens;
    part.rows = part.tokens / static_cast<std::size_t>(config.sequence);
  };
  count(report.training, tokens.training_size());
  count(report.validation, tokens.validation_size());
  TrainingData made(config, std::move(tokens));
  made.set_report(std::move(report));
  return made;
}

TrainingData data_of(const TrainConfig& config, const SourceData& source, EncodedPart training,
                     EncodedPart validation) {
  DataReport report = source.counts;
  report.training = report_on(training);
  report.validation = report_on(validation);
  TrainingData made(config, std::move(training.examples), std::move(validation.examples));
  count_rows(report.training, made.training_rows(), config.sequence);
  count_rows(report.validation, made.validation_rows(), config.sequence);
  made.set_report(std::move(report));
  return made;
}

}  // namespace

SourceData read_source(const std::filesystem::path& data, const TrainConfig& config) {
  SourceData source = config.layout == DataLayout::text      ? read_texts(data, config)
                      : config.layout == DataLayout::answers ? read_answers(data, config)
                                                             : read_chats(data, config);
  source.counts.layout = name_of(config.layout);
  return source;
}

Tokenizer make_tokenizer(const TrainConfig& config, const SourceData& source) {
  if (config.layout == DataLayout::chat) {
    throw Error(
        "training.layout \"chat\" needs a model that has a chat template and a vocabulary to go on from; for a new "
        "vocabulary use \"answers\"");
  }
  const bool text = config.layout == DataLayout::text;
  switch (config.vocabulary) {
    case VocabularyKind::bytes:
      return Tokenizer::bytes();
    case VocabularyKind::characters:
      return Tokenizer::characters(
          text ? source.text : characters_of(source.examples.training) + characters_of(source.examples.validation));
    case VocabularyKind::bpe:
      return Tokenizer::train_bpe(text ? std::string(split_text(source.text, config.validation_share).training)
                                       : joined(source.examples.training),
                                  config.bpe_size);
  }
  return Tokenizer::bytes();
}

std::string digest_of(const Tokenizer& tokenizer) {
  const std::string file = tokenizer.file_text();
  return sha256(std::as_bytes(std::span(file)));
}

TrainingData encode_source(const TrainConfig& config, const SourceData& source, const Tokenizer& tokenizer,
                           const std::filesystem::path& out, const ChatTemplate* chat) {
  switch (config.layout) {
    case DataLayout::text:
      return encode_text(config, source, tokenizer, out);
    case DataLayout::answers:
      return data_of(config, source, encode_part(source.examples.training, tokenizer, config),
                     encode_part(source.examples.validation, tokenizer, config));
    case DataLayout::chat:
      break;
  }
  if (chat == nullptr) throw Error("training.layout \"chat\": the model has no chat template; use \"answers\"");
  return data_of(config, source, encode_part(source.chats.training, tokenizer, *chat, config),
                 encode_part(source.chats.validation, tokenizer, *chat, config));
}

}  // namespace gyre
