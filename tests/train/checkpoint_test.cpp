#include "train/checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "base/error.hpp"
#include "base/file.hpp"
#include "format/json_object.hpp"
#include "model/model.hpp"
#include "scratch_folder.hpp"
#include "train/tiny_spec.hpp"

namespace gyre::checkpoint_test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

FolderFiles letters() { return language_files(Tokenizer::characters("abcdefghijk")); }

/// A model and an optimiser that has made some updates.
struct Trained {
  explicit Trained(const ModelSpec& spec, std::uint64_t seed, int updates = 3)
      : model(spec, seed), optimiser(model, TrainConfig{}) {
    for (int step = 1; step <= updates; ++step) {
      for (const std::string& name : model.names()) {
        torch::Tensor parameter = model.parameter(name);
        parameter.mutable_grad() = torch::randn(parameter.sizes());
      }
      optimiser.update(model, 0.01, step);
    }
  }

  void write(const fs::path& folder, int step) {
    write_checkpoint(folder, model, optimiser, letters(), nlohmann::json::object(), step);
  }

  TorchModel model;
  AdamW optimiser;
};

void expect_equal(Trained& one, Trained& other) {
  for (const std::string& name : one.model.names()) {
    EXPECT_TRUE(torch::equal(one.model.parameter(name), other.model.parameter(name))) << name;
  }
  for (std::size_t i = 0; i < one.optimiser.slots().size(); ++i) {
    const AdamW::Slot& slot = one.optimiser.slots()[i];
    EXPECT_TRUE(torch::equal(slot.first, other.optimiser.slots()[i].first)) << slot.name;
    EXPECT_TRUE(torch::equal(slot.second, other.optimiser.slots()[i].second)) << slot.name;
  }
}

/// What reading says of a mistake.
std::string message_of(const fs::path& folder, Trained& target) {
  try {
    read_checkpoint(folder, target.model, target.optimiser);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  return names;
}

/// While it lives, files cannot grow beyond `bytes`: writing more fails as on a full disk.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST(Checkpoint, RestoresEveryBit) {
  const ScratchFolder scratch;
  for (const NormKind norm : {NormKind::rms, NormKind::layer}) {
    ModelSpec spec = tiny_spec();
    spec.norm = norm;
    spec.biases = norm == NormKind::layer;
    spec.tied_head = norm == NormKind::layer;
    spec.groups[1].injection = Injection::linear;
    Trained written(spec, 1);
    written.write(scratch / "step-000042", 42);
    Trained read(spec, 2, 1);
    EXPECT_EQ(read_checkpoint(scratch / "step-000042", read.model, read.optimiser), 42);
    expect_equal(written, read);
  }
}

TEST(Checkpoint, IsAModelFolder) {
  const ScratchFolder scratch;
  Trained written(tiny_spec(), 1);
  written.write(scratch / "step-000001", 1);
  const Model model = Model::load(scratch / "step-000001");
  EXPECT_EQ(model.spec(), tiny_spec());
  const torch::Tensor& embedding = written.model.parameter("embed.weight");
  const std::vector<float> read = model.tensor("embed.weight");
  ASSERT_EQ(read.size(), static_cast<std::size_t>(embedding.numel()));
  EXPECT_TRUE(std::equal(read.begin(), read.end(), embedding.data_ptr<float>()));
  EXPECT_EQ(Tokenizer::load(scratch / "step-000001" / "tokenizer.json").size(), 11);
}

TEST(Checkpoint, ReplacesOneOfTheSameName) {
  const ScratchFolder scratch;
  Trained first(tiny_spec(), 1);
  Trained second(tiny_spec(), 2);
  first.write(scratch / "step-000005", 5);
  std::ofstream(scratch / "step-000005" / "left over") << "x";
  second.write(scratch / "step-000005", 5);
  Trained read(tiny_spec(), 3);
  read_checkpoint(scratch / "step-000005", read.model, read.optimiser);
  expect_equal(second, read);
  EXPECT_FALSE(fs::exists(scratch / "step-000005" / "left over"));
  EXPECT_EQ(names_in(scratch.path()), std::vector<std::string>{"step-000005"});
}

TEST(Checkpoint, OfAnotherShapeIsRefusedByTheTensorsName) {
  const ScratchFolder scratch;
  const fs::path folder = scratch / "step-000001";
  Trained(tiny_spec(), 1).write(folder, 1);
  ModelSpec wider = tiny_spec();
  wider.ffn_size = 15;
  Trained target(wider, 1);
  EXPECT_THAT(message_of(folder, target),
              AllOf(HasSubstr((folder / "model.safetensors").string()), HasSubstr("groups.0.layers.0.mlp.up.weight"),
                    HasSubstr("[26, 12]"), HasSubstr("[30, 12]")));
}

TEST(Checkpoint, OfAShallowerModelIsRefusedByTheTensorsName) {
  const ScratchFolder scratch;
  Trained(tiny_spec(), 1).write(scratch / "step-000001", 1);
  ModelSpec deeper = tiny_spec();
  deeper.groups[1].layers = 2;
  Trained target(deeper, 1);
  EXPECT_THAT(message_of(scratch / "step-000001", target), HasSubstr("groups.1.layers.1."));
}

// All that the config needs is there, but what is read would not be the model that was trained.
TEST(Checkpoint, OfADeeperModelIsRefusedByTheTensorsName) {
  const ScratchFolder scratch;
  ModelSpec deeper = tiny_spec();
  deeper.groups[1].layers = 2;
  Trained(deeper, 1).write(scratch / "step-000001", 1);
  Trained target(tiny_spec(), 1);
  EXPECT_THAT(message_of(scratch / "step-000001", target), HasSubstr("groups.1.layers.1."));
}

TEST(Checkpoint, WithoutItsParametersInF32IsRefused) {
  const ScratchFolder scratch;
  const fs::path folder = scratch / "step-000001";
  Trained written(tiny_spec(), 1);
  written.write(folder, 1);
  write_model_folder(scratch / "bf16", written.model, letters(), nlohmann::json::object(), DType::bf16);
  fs::copy_file(scratch / "bf16" / "model.safetensors", folder / "model.safetensors",
                fs::copy_options::overwrite_existing);
  EXPECT_THAT(message_of(folder, written), AllOf(HasSubstr("BF16"), HasSubstr("embed.weight")));
}

TEST(Checkpoint, ThatLacksAFileOrIsCutShortIsReportedByTheFile) {
  const ScratchFolder scratch;
  const fs::path folder = scratch / "step-000001";
  for (const std::string file : {"model.safetensors", "optimizer.safetensors", "training_state.json"}) {
    Trained written(tiny_spec(), 1);
    written.write(folder, 1);
    fs::resize_file(folder / file, fs::file_size(folder / file) - 3);
    EXPECT_THAT(message_of(folder, written), HasSubstr((folder / file).string()));
    fs::remove(folder / file);
    EXPECT_THAT(message_of(folder, written), HasSubstr((folder / file).string()));
  }
}

TEST(Checkpoint, BelowAFileCannotBeWrittenAndLeavesNothing) {
  const ScratchFolder scratch;
  std::ofstream(scratch / "checkpoints") << "a file";
  Trained written(tiny_spec(), 1);
  EXPECT_THROW(written.write(scratch / "checkpoints" / "step-000001", 1), Error);
  EXPECT_EQ(read_text(scratch / "checkpoints"), "a file");
}

TEST(Checkpoint, ThatDoesNotFitOnTheDiskLeavesNothing) {
  const ScratchFolder scratch;
  Trained written(tiny_spec(), 1);
  written.write(scratch / "whole" / "step-000001", 1);
  fs::create_directories(scratch / "cut");
  // Too small by one byte for each file in turn, so that the first and the last to be written fail once.
  for (const auto& entry : fs::directory_iterator(scratch / "whole" / "step-000001")) {
    SCOPED_TRACE(entry.path().filename().string());
    const FullDisk disk(entry.file_size() - 1);
    EXPECT_THROW(written.write(scratch / "cut" / "step-000001", 1), Error);
    EXPECT_THAT(names_in(scratch / "cut"), IsEmpty());
  }
}

TEST(Checkpoint, ThatDoesNotFitOnTheDiskLeavesTheOldOneInPlace) {
  const ScratchFolder scratch;
  Trained first(tiny_spec(), 1);
  Trained second(tiny_spec(), 2);
  first.write(scratch / "step-000001", 1);
  {
    const FullDisk disk(5000);
    EXPECT_THROW(second.write(scratch / "step-000001", 1), Error);
  }
  Trained read(tiny_spec(), 3);
  EXPECT_EQ(read_checkpoint(scratch / "step-000001", read.model, read.optimiser), 1);
  expect_equal(first, read);
  EXPECT_EQ(names_in(scratch.path()), std::vector<std::string>{"step-000001"});
}

TEST(Checkpoint, KeepsTheSettingsOfItsRun) {
  const ScratchFolder scratch;
  Trained written(tiny_spec(), 1);
  const nlohmann::json settings = {{"training", {{"batch", 3}}}};
  write_checkpoint(scratch / "step-000007", written.model, written.optimiser, letters(), nlohmann::json::object(), 7,
                   settings);
  EXPECT_EQ(read_state(scratch / "step-000007").step, 7);
  EXPECT_EQ(read_state(scratch / "step-000007").settings, settings);
  written.write(scratch / "step-000008", 8);
  EXPECT_TRUE(read_state(scratch / "step-000008").settings.is_null());
}

// Going back to it would be of no use, and the one before must stay.
TEST(Checkpoint, OfNumbersThatAreNotFiniteIsNotWritten) {
  const ScratchFolder scratch;
  const fs::path folder = scratch / "step-000001";
  Trained good(tiny_spec(), 1);
  good.write(folder, 1);
  for (const float bad : {NAN, INFINITY}) {
    for (const std::string place : {"parameter", "first", "second"}) {
      Trained broken(tiny_spec(), 2);
      const torch::NoGradGuard no_gradient;
      AdamW::Slot& slot = broken.optimiser.slots().at(1);
      torch::Tensor target = place == "parameter" ? broken.model.parameter(slot.name)
                             : place == "first"   ? slot.first
                                                  : slot.second;
      target.view({-1})[0] = bad;
      try {
        broken.write(folder, 2);
        ADD_FAILURE() << "no error for " << place;
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr(slot.name)) << place;
      }
      Trained read(tiny_spec(), 3);
      EXPECT_EQ(read_checkpoint(folder, read.model, read.optimiser), 1);
      expect_equal(good, read);
    }
  }
  EXPECT_EQ(names_in(scratch.path()), std::vector<std::string>{"step-000001"});
}

// 3.4e38 is a number of f32, and infinity in bf16.
TEST(ModelFolder, InBf16RefusesWhatWouldBecomeInfinite) {
  const ScratchFolder scratch;
  Trained written(tiny_spec(), 1);
  const torch::NoGradGuard no_gradient;
  torch::Tensor embedding = written.model.parameter("embed.weight");
  embedding.view({-1})[0] = 3.4e38F;
  const auto write = [&](DType type) {
    write_model_folder(scratch / "model", written.model, letters(), nlohmann::json::object(), type);
  };
  EXPECT_THROW(write(DType::bf16), Error);
  EXPECT_FALSE(fs::exists(scratch / "model"));
  EXPECT_NO_THROW(write(DType::f32));
}

TEST(ModelFolder, OfAConfigWithAnOrderSaysItsGroups) {
  nlohmann::json config = to_json(tiny_spec());
  config.erase("groups");
  config.update({{"order", {0, 1, 0}}, {"skips", {{0, 2}}}, {"training", {{"steps", 7}}}});
  const ModelSpec spec = parse_spec(config, "config");
  const ScratchFolder scratch;
  write_model_folder(scratch / "model", TorchModel(spec, 1), letters(), config, DType::f32);
  EXPECT_EQ(Model::load(scratch / "model").spec(), spec);
  EXPECT_EQ(load_json(scratch / "model" / "config.json").at("training"), config.at("training"));
}

TEST(ModelFolder, InBf16HoldsTheRoundedParameters) {
  const ScratchFolder scratch;
  Trained written(tiny_spec(), 1);
  write_model_folder(scratch / "model", written.model, letters(), nlohmann::json::object(), DType::bf16);
  const Model model = Model::load(scratch / "model");
  EXPECT_EQ(model.stored_type(), "BF16");
  const torch::Tensor rounded = written.model.parameter("embed.weight").to(torch::kBFloat16).to(torch::kFloat);
  const std::vector<float> read = model.tensor("embed.weight");
  ASSERT_EQ(read.size(), static_cast<std::size_t>(rounded.numel()));
  EXPECT_TRUE(std::equal(read.begin(), read.end(), rounded.data_ptr<float>()));
}

class LatestCheckpoint : public testing::Test {
 protected:
  void make(const std::string& name) const { fs::create_directories(scratch_ / name); }
  [[nodiscard]] std::string latest() const {
    const auto found = latest_checkpoint(scratch_.path());
    return found ? found->filename().string() : "none";
  }

  ScratchFolder scratch_;
};

TEST_F(LatestCheckpoint, IsNoneWithoutAny) {
  EXPECT_EQ(latest(), "none");
  EXPECT_FALSE(latest_checkpoint(scratch_ / "nowhere"));
}

TEST_F(LatestCheckpoint, IsTheOneOfTheHighestStep) {
  for (const int step : {9, 100, 20, 99, 1500, 3}) make(checkpoint_name(step));
  EXPECT_EQ(latest(), "step-001500");
}

// Six digits are only the least width of a name.
TEST_F(LatestCheckpoint, IsTheOneOfTheHighestStepBeyondAMillion) {
  for (const int step : {999'999, 1'000'000, 200'000}) make(checkpoint_name(step));
  EXPECT_EQ(latest(), "step-1000000");
}

TEST_F(LatestCheckpoint, IgnoresPartialFoldersAndFiles) {
  make(checkpoint_name(10));
  make(".step-000020.partial-123");
  std::ofstream(scratch_ / "step-000030") << "a file";
  EXPECT_EQ(latest(), "step-000010");
}

TEST_F(LatestCheckpoint, IgnoresFoldersThatAreNamedAfterNoStep) {
  make(checkpoint_name(10));
  make("step-old");
  make("step-000011-copy");
  EXPECT_EQ(latest(), "step-000010");
}

}  // namespace
}  // namespace gyre::checkpoint_test
