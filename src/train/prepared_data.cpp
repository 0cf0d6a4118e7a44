#include "train/prepared_data.hpp"

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

std::vector<AnswerExample> encode_examples(const std::vector<Example>& examples, const Tokenizer& tokenizer) {
  std::vector<AnswerExample> encoded;
  encoded.reserve(examples.size());
  for (const Example& example : examples) encoded.push_back(encode_example(example, tokenizer));
  return encoded;
}

}  // namespace

SourceData read_source(const std::filesystem::path& data, const TrainConfig& config) {
  SourceData source;
  if (config.layout == DataLayout::text) {
    source.text = read_corpus(data);
    source.digest = sha256(std::as_bytes(std::span(source.text)));
  } else {
    const std::vector<Example> examples = read_examples(data);
    source.digest = digest_of(examples);
    source.examples = split_examples(examples, config.validation_share);
  }
  return source;
}

Tokenizer make_tokenizer(const TrainConfig& config, const SourceData& source) {
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
                           const std::filesystem::path& out) {
  if (config.layout == DataLayout::answers) {
    return {config, encode_examples(source.examples.training, tokenizer),
            encode_examples(source.examples.validation, tokenizer)};
  }
  const TextSplit split = split_text(source.text, config.validation_share);
  const std::filesystem::path tokens = out / "tokens.bin";
  TokenFile::write(tokens, tokenizer, split.training, split.validation);
  return {config, TokenFile(tokens)};
}

}  // namespace gyre
