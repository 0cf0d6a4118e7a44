#include "train/data.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/at_place.hpp"
#include "base/error.hpp"
#include "base/random.hpp"

namespace gyre {
namespace {

struct TokenFileHeader {
  char magic[8];  // NOLINT(modernize-avoid-c-arrays): the layout of a file
  std::uint32_t bytes_per_token;
  std::uint32_t reserved;
  std::uint64_t total;
  std::uint64_t training;
};
static_assert(sizeof(TokenFileHeader) == 32);

constexpr char kMagic[] = "GYRETOK1";

template <typename Id>
void write_ids(FileWriter& writer, std::span<const std::int32_t> ids) {
  std::vector<Id> narrow(ids.begin(), ids.end());
  writer.write(std::as_bytes(std::span<const Id>(narrow)));
}

constexpr std::uint64_t kPassStream = 0x70617373ULL;

/// Its members of a batch.
template <typename Item>
std::vector<Item> share_of(std::span<const Item> whole, const RowShare& share) {
  std::vector<Item> own;
  for (auto i = static_cast<std::size_t>(share.rank); i < whole.size(); i += static_cast<std::size_t>(share.world)) {
    own.push_back(whole[i]);
  }
  return own;
}

/// Whether rows are gone through in passes, rather than drawn one by one.
bool in_passes(const TrainConfig& config) { return config.packing || config.layout == DataLayout::chat; }

/// The rows of one part, whose examples have these lengths and are numbered from `first`.
std::vector<RowItems> rows_for(const TrainConfig& config, std::span<const std::size_t> lengths, std::size_t first) {
  std::vector<RowItems> rows;
  if (config.packing) {
    rows = pack_shuffled(lengths, static_cast<std::size_t>(config.sequence), config.seed);
    for (RowItems& row : rows) {
      for (std::size_t& index : row) index += first;
    }
  } else {
    for (std::size_t i = 0; i < lengths.size(); ++i) rows.push_back({first + i});
  }
  return rows;
}

}  // namespace

TokenFile::TokenFile(const std::filesystem::path& path) : file_(path) {
  TokenFileHeader header{};
  const auto bytes = file_.bytes();
  if (bytes.size() < sizeof header) throw Error("{}: not a token file; delete it to make it anew", path.string());
  std::memcpy(&header, bytes.data(), sizeof header);
  const std::size_t held = (bytes.size() - sizeof header) / std::max(1U, header.bytes_per_token);
  if (std::memcmp(header.magic, kMagic, sizeof header.magic) != 0 || held != header.total ||
      header.training > header.total || (header.bytes_per_token != 2 && header.bytes_per_token != 4)) {
    throw Error("{}: not a token file, or cut short; delete it to make it anew", path.string());
  }
  total_ = static_cast<std::int64_t>(header.total);
  training_ = static_cast<std::int64_t>(header.training);
  wide_ = header.bytes_per_token == 4;
}

void TokenFile::write(const std::filesystem::path& path, const Tokenizer& tokenizer, std::string_view training,
                      std::string_view validation) {
  const auto encode = [&](std::string_view text) {
    return at_place("the data", [&] { return tokenizer.encode(text); });
  };
  const std::vector<std::int32_t> first = encode(training);
  const std::vector<std::int32_t> second = encode(validation);
  const bool wide = tokenizer.size() > 65536;
  TokenFileHeader header{};
  std::memcpy(header.magic, kMagic, sizeof header.magic);
  header.bytes_per_token = wide ? 4 : 2;
  header.total = first.size() + second.size();
  header.training = first.size();
  write_file_atomically(path, [&](FileWriter& writer) {
    writer.write(std::as_bytes(std::span(&header, 1)));
    for (const auto* ids : {&first, &second}) {
      wide ? write_ids<std::uint32_t>(writer, *ids) : write_ids<std::uint16_t>(writer, *ids);
    }
  });
}

void TokenFile::copy(std::int64_t begin, std::span<std::int64_t> out) const {
  const std::byte* ids = file_.bytes().data() + sizeof(TokenFileHeader);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t index = static_cast<std::size_t>(begin) + i;
    if (wide_) {
      std::uint32_t id = 0;
      std::memcpy(&id, ids + 4 * index, sizeof id);
      out[i] = id;
    } else {
      std::uint16_t id = 0;
      std::memcpy(&id, ids + 2 * index, sizeof id);
      out[i] = id;
    }
  }
}

TrainingData::TrainingData(const TrainConfig& config, TokenFile tokens) : config_(config) {
  const std::int64_t needed = config.sequence + 1;
  if (tokens.training_size() < needed || tokens.validation_size() < needed) {
    throw Error(
        "the data: {} training and {} validation tokens; training.sequence ({}) needs at least {} of each; give "
        "more text, a shorter sequence, or another training.validation_share",
        tokens.training_size(), tokens.validation_size(), config.sequence, needed);
  }
  tokens_.push_back(std::move(tokens));
}

TrainingData::TrainingData(const TrainConfig& config, std::vector<AnswerExample> training,
                           std::vector<AnswerExample> validation)
    : config_(config), examples_(std::move(training)), training_examples_(examples_.size()) {
  if (examples_.empty() || validation.empty()) {
    throw Error(
        "the data: {} examples for training and {} for validation fit training.sequence ({}); give more prompts, "
        "longer rows, or another training.validation_share",
        examples_.size(), validation.size(), config.sequence);
  }
  std::move(validation.begin(), validation.end(), std::back_inserter(examples_));
  std::vector<std::size_t> lengths;
  lengths.reserve(examples_.size());
  for (const AnswerExample& example : examples_) {
    if (example.inputs.size() > static_cast<std::size_t>(config.sequence)) {
      throw Error("the data: an example has {} tokens; training.sequence allows {}", example.inputs.size() + 1,
                  config.sequence + 1);
    }
    lengths.push_back(example.inputs.size());
  }
  const std::span all = lengths;
  rows_ = rows_for(config, all.first(training_examples_), 0);
  training_rows_ = rows_.size();
  for (RowItems& row : rows_for(config, all.subspan(training_examples_), training_examples_)) {
    rows_.push_back(std::move(row));
  }
}

std::int64_t TrainingData::training_tokens() const {
  if (!tokens_.empty()) return tokens_[0].training_size();
  std::int64_t count = 0;
  for (std::size_t i = 0; i < training_examples_; ++i) count += static_cast<std::int64_t>(examples_[i].inputs.size());
  return count;
}

Batch TrainingData::windows(std::span<const std::int64_t> begins) const {
  Batch batch{static_cast<int>(begins.size()), config_.sequence, {}, {}};
  const auto columns = static_cast<std::size_t>(config_.sequence);
  std::vector<std::int64_t> window(columns + 1);
  for (const std::int64_t begin : begins) {
    tokens_[0].copy(begin, window);
    batch.inputs.insert(batch.inputs.end(), window.begin(), window.end() - 1);
    batch.targets.insert(batch.targets.end(), window.begin() + 1, window.end());
  }
  batch.counted = static_cast<std::int64_t>(batch.targets.size());
  return batch;
}

Batch TrainingData::rows_of(std::span<const std::size_t> whole, const RowShare& share) const {
  const auto length = [this](const RowItems& row) {
    std::size_t places = 0;
    for (const std::size_t index : row) places += examples_[index].inputs.size();
    return places;
  };
  std::size_t columns = 0;
  std::int64_t counted = 0;
  for (const std::size_t number : whole) {
    columns = std::max(columns, length(rows_[number]));
    for (const std::size_t index : rows_[number]) {
      const auto& targets = examples_[index].targets;
      counted += std::count_if(targets.begin(), targets.end(), [](auto target) { return target >= 0; });
    }
  }
  const std::vector<std::size_t> numbers = share_of<std::size_t>(whole, share);
  Batch batch{static_cast<int>(numbers.size()), static_cast<int>(columns), {}, {}, {}, counted};
  batch.inputs.assign(numbers.size() * columns, 0);
  batch.targets.assign(numbers.size() * columns, -1);
  if (config_.packing) batch.documents.assign(numbers.size() * columns, 0);
  for (std::size_t r = 0; r < numbers.size(); ++r) {
    auto place = static_cast<std::ptrdiff_t>(r * columns);
    std::int64_t document = 0;
    for (const std::size_t index : rows_[numbers[r]]) {
      const AnswerExample& example = examples_[index];
      std::copy(example.inputs.begin(), example.inputs.end(), batch.inputs.begin() + place);
      std::copy(example.targets.begin(), example.targets.end(), batch.targets.begin() + place);
      const auto end = place + static_cast<std::ptrdiff_t>(example.inputs.size());
      if (config_.packing) std::fill(batch.documents.begin() + place, batch.documents.begin() + end, document);
      place = end;
      ++document;
    }
    const auto end = static_cast<std::ptrdiff_t>((r + 1) * columns);
    if (config_.packing) std::fill(batch.documents.begin() + place, batch.documents.begin() + end, document);
  }
  return batch;
}

/// The rows of a step. Those that are drawn anew may come twice; the others come once in each pass.
std::vector<std::size_t> TrainingData::training_numbers(std::uint64_t seed, int step, std::size_t rows) const {
  std::vector<std::size_t> numbers(rows);
  if (!in_passes(config_)) {
    Random random(combine_seeds(seed, static_cast<std::uint64_t>(step)));
    for (std::size_t& number : numbers) number = random.below(training_rows_);
    return numbers;
  }
  std::size_t begun = 0;  // passes whose order is at hand
  std::vector<std::size_t> order;
  for (std::size_t r = 0; r < rows; ++r) {
    const std::size_t place = static_cast<std::size_t>(step - 1) * rows + r;
    const std::size_t pass = place / training_rows_;
    if (begun != pass + 1) order = shuffled(training_rows_, combine_seeds(seed ^ kPassStream, pass));
    begun = pass + 1;
    numbers[r] = order[place % training_rows_];
  }
  return numbers;
}

Batch TrainingData::training_batch(std::uint64_t seed, int step, const RowShare& share) const {
  const std::size_t rows = static_cast<std::size_t>(config_.batch) * static_cast<std::size_t>(share.world);
  if (tokens_.empty()) return rows_of(training_numbers(seed, step, rows), share);
  Random random(combine_seeds(seed, static_cast<std::uint64_t>(step)));
  const auto choices = static_cast<std::uint64_t>(tokens_[0].training_size() - config_.sequence);
  std::vector<std::int64_t> begins(rows);
  for (std::int64_t& begin : begins) begin = static_cast<std::int64_t>(random.below(choices));
  Batch batch = windows(share_of<std::int64_t>(begins, share));
  batch.counted *= share.world;
  return batch;
}

std::vector<Batch> TrainingData::validation_batches() const {
  const bool text = !tokens_.empty();
  const std::int64_t whole =
      text ? (tokens_[0].validation_size() - 1) / config_.sequence : static_cast<std::int64_t>(validation_rows());
  const std::int64_t count = std::min<std::int64_t>(whole, config_.evaluate_windows);
  std::vector<Batch> batches;
  for (std::int64_t first = 0; first < count; first += config_.batch) {
    std::vector<std::int64_t> begins;
    std::vector<std::size_t> numbers;
    for (std::int64_t i = first; i < std::min<std::int64_t>(count, first + config_.batch); ++i) {
      const std::int64_t place = i * whole / count;
      if (text) {
        begins.push_back(tokens_[0].training_size() + place * config_.sequence);
      } else {
        numbers.push_back(training_rows_ + static_cast<std::size_t>(place));
      }
    }
    batches.push_back(text ? windows(begins) : rows_of(numbers));
  }
  return batches;
}

}  // namespace gyre
