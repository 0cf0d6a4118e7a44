#include "study/exits/exit_training.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.hpp"
#include "base/random.hpp"
#include "model_folder.hpp"
#include "study/exits/exit_fit.hpp"
#include "study/held_out.hpp"

namespace gyre::exit_training_test {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

FitRows random_rows(std::size_t rows, std::size_t width, std::size_t classes) {
  FitRows result{width, classes, {}, {}};
  Random random(2);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t c = 0; c < width; ++c) result.numbers.push_back(static_cast<float>(random.normal()));
    result.class_of.push_back(i % classes);
  }
  return result;
}

double score(const FitRows& rows, std::size_t i, std::span<const double> weights, std::span<const double> constants) {
  double sum = constants[rows.class_of[i]];
  for (std::size_t c = 0; c < rows.width; ++c)
    sum += weights[c] * static_cast<double>(rows.numbers[i * rows.width + c]);
  return sum;
}

const std::vector<double> kWeights = {1.5, -2, 0.25};
const std::vector<double> kConstants = {0.5, -1};

TEST(FitRidge, RecoversWhatTheTargetsAreMadeOf) {
  const FitRows rows = random_rows(1500, 3, 2);  // more than are summed at once
  std::vector<double> targets;
  for (std::size_t i = 0; i < rows.size(); ++i) targets.push_back(score(rows, i, kWeights, kConstants));
  const LinearFit fit = fit_ridge(rows, targets, 0);
  for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(fit.weights[c], kWeights[c], 1e-6);
  for (std::size_t k = 0; k < 2; ++k) EXPECT_NEAR(fit.constants[k], kConstants[k], 1e-6);
}

TEST(FitRidge, PenaltyIsOfTheWeightsAgainstTheMeanSquare) {
  // One number, ±1 half of the time, target = number + 7: w = 1 / (1 + penalty), and the constant is free.
  const FitRows rows{1, 1, {1, -1, 1, -1}, {0, 0, 0, 0}};
  const LinearFit fit = fit_ridge(rows, std::vector<double>{8, 6, 8, 6}, 3);
  EXPECT_NEAR(fit.weights[0], 0.25, 1e-6);
  EXPECT_NEAR(fit.constants[0], 7, 1e-6);
}

TEST(FitLogistic, OfConstantsIsTheLogOddsOfTheirMeans) {
  const FitRows rows{1, 2, {0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 1, 1}};
  const LinearFit fit = fit_logistic(rows, std::vector<double>{1, 0, 0, 0, 0.8, 0.8}, 0);
  EXPECT_NEAR(fit.constants[0], std::log(0.25 / 0.75), 1e-5);
  EXPECT_NEAR(fit.constants[1], std::log(4.0), 1e-5);
  EXPECT_EQ(fit.weights[0], 0);
}

TEST(FitLogistic, RecoversWhatTheProbabilitiesAreMadeOf) {
  const FitRows rows = random_rows(1500, 3, 2);
  std::vector<double> targets;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    targets.push_back(1 / (1 + std::exp(-score(rows, i, kWeights, kConstants))));
  }
  const LinearFit fit = fit_logistic(rows, targets, 0);
  for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(fit.weights[c], kWeights[c], 1e-3);
  for (std::size_t k = 0; k < 2; ++k) EXPECT_NEAR(fit.constants[k], kConstants[k], 1e-3);
}

TEST(FitLogistic, OfRowsThatAllAgreeIsFinite) {
  const FitRows rows{1, 1, {1, -1}, {0, 0}};
  const LinearFit fit = fit_logistic(rows, std::vector<double>{1, 1}, 0.001);
  EXPECT_TRUE(std::isfinite(fit.constants[0]));
  EXPECT_GT(fit.constants[0], 5);
}

TEST(HeadTarget, IsTheDropOrOurosLabel) {
  const ExitPath path{{}, {}, {}, {3, 2.5, 2.51, 2}};
  const HeadTraining drop;
  EXPECT_DOUBLE_EQ(head_target(drop, path, 1), 1);
  EXPECT_DOUBLE_EQ(head_target(drop, path, 3), 0.51);
  const HeadTraining gate{.kind = HeadKind::gate, .slope = 2, .gain = 0.1};
  EXPECT_NEAR(head_target(gate, path, 1), 1 - 1 / (1 + std::exp(-2 * (0.5 - 0.1))), 1e-12) << "the next loop's gain";
  EXPECT_NEAR(head_target(gate, path, 2), 1 - 1 / (1 + std::exp(2 * 0.1)), 1e-12) << "a loss that rises is no gain";
}

TEST(AreaUnderCurve, CountsPairsInTheRightOrder) {
  const std::vector<double> scores = {4, 1, 3, 2, 3};
  const std::vector<char> labels = {1, 0, 1, 1, 0};
  // Of 3 · 2 pairs: 4 beats both, 3 beats 1 and halves with 3, 2 beats 1: 2 + 1.5 + 1.
  EXPECT_DOUBLE_EQ(area_under_curve(scores, labels, std::vector<double>{1, 1, 1, 1, 1}), 4.5 / 6);
  // The 4 twice, the second 3 not at all: of 4 pairs with the 1 all are right.
  EXPECT_DOUBLE_EQ(area_under_curve(scores, labels, std::vector<double>{2, 1, 1, 1, 0}), 1);
  EXPECT_TRUE(std::isnan(area_under_curve(scores, std::vector<char>(5, 1), std::vector<double>(5, 1))));
}

TEST(HeldOut, IsAsWorkedByHand) {
  // Two documents of one row each: targets 0 and 4. The head says 1 and 3 (errors 1, 1), the loop number 2 and 2
  // (4, 4), the constant 4 and 4 (16, 0).
  const std::vector<HeldOutRow> rows = {{0, 0, 1, 2, 4, false}, {1, 4, 3, 2, 4, true}};
  const HeldOutGroup group = held_out_group(rows, HeadKind::drop, 3);
  EXPECT_EQ(group.group, 3);
  EXPECT_EQ(group.rows, 2);
  EXPECT_DOUBLE_EQ(group.explained.value, 1 - 2.0 / 16);
  EXPECT_DOUBLE_EQ(group.explained_by_loop.value, 1 - 8.0 / 16);
  EXPECT_DOUBLE_EQ(group.explained_more.value, 6.0 / 16);
  EXPECT_DOUBLE_EQ(group.gaining, 0.5);
  EXPECT_DOUBLE_EQ(group.area.value, 1);
  EXPECT_DOUBLE_EQ(group.area_by_loop.value, 0.5);
  ASSERT_EQ(group.bins.size(), 2U);
  EXPECT_DOUBLE_EQ(group.bins[0].predicted, 1);
  EXPECT_DOUBLE_EQ(group.bins[1].realised.value, 4);
  // Of a gate, labels 1/2 and 1: KL(1/2 ‖ 1/4) = log 2 − log 3 / 2 …, and what says more gains less.
  const std::vector<HeldOutRow> gates = {{0, 0.5, 0.25, 0.5, 0.5, true}, {1, 1, 0.5, 0.5, 0.5, false}};
  const HeldOutGroup gate = held_out_group(gates, HeadKind::gate, 1);
  const double here = 0.5 * std::log(2.0) + 0.5 * std::log(0.5 / 0.75) + std::log(2.0);
  EXPECT_NEAR(gate.explained.value, 1 - here / std::log(2.0), 1e-12);
  EXPECT_DOUBLE_EQ(gate.area.value, 1);
}

/// Documents whose losses are linear in the states: ℓ_k = 2 x̂_0 − x̂_2 + r + 0.1 k before the last loop, and then 0.
ExitSamples linear_samples() {
  ExitSamples samples;
  samples.groups = {1};
  samples.hidden = 4;
  Random random(4);
  for (std::size_t i = 0; i < 400; ++i) {
    ExitToken& token = samples.tokens.emplace_back();
    token.document = i / 20;
    ExitPath& path = token.groups.emplace_back();
    for (int k = 1; k <= 2; ++k) {
      std::vector<float> x(4);
      double squares = 0;
      for (float& one : x) one = static_cast<float>(random.normal());
      for (const float one : x) squares += static_cast<double>(one) * static_cast<double>(one);
      const double rms = std::sqrt(squares / 4);
      const double relative = random.uniform();
      path.states.insert(path.states.end(), x.begin(), x.end());
      path.state_norms.push_back(static_cast<float>(std::sqrt(squares)));
      path.step_norms.push_back(static_cast<float>(relative * std::sqrt(squares)));
      path.losses.push_back((2 * static_cast<double>(x[0]) - static_cast<double>(x[2])) / rms + relative + 0.1 * k);
    }
    path.losses.push_back(0);
  }
  return samples;
}

TEST(TrainHead, RecoversADropThatIsLinearInTheState) {
  const TrainedHead trained = train_head(linear_samples(), {.penalty = 0, .held_out = 0.25});
  EXPECT_EQ(trained.documents, 20U);
  EXPECT_EQ(trained.held_out_documents, 5U);
  EXPECT_EQ(trained.held_out_tokens, 100U);
  EXPECT_EQ(trained.tokens, 300U);
  const GroupHead& head = trained.groups.at(0);
  EXPECT_THAT(head.state, ::testing::Pointwise(::testing::FloatNear(1e-4F), {2.0F, 0.0F, -1.0F, 0.0F}));
  EXPECT_NEAR(head.relative_step, 1, 1e-4);
  EXPECT_NEAR(head.loops.at(0), 0.1, 1e-4);
  EXPECT_NEAR(head.loops.at(1), 0.2, 1e-4);
  const HeldOutGroup& tried = trained.held_out.at(0);
  EXPECT_EQ(tried.rows, 200);
  EXPECT_NEAR(tried.explained.value, 1, 1e-6);
  EXPECT_NEAR(tried.explained_by_loop.value, 0, 0.05);
  EXPECT_DOUBLE_EQ(tried.area.value, 1);
  EXPECT_GT(tried.explained_more.interval.low, 0.9);
  for (const HeldOutBin& bin : tried.bins) EXPECT_NEAR(bin.predicted, bin.realised.value, 1e-4);
}

TEST(TrainHead, LearnsNothingOfHeldOutDocuments) {
  ExitSamples samples = linear_samples();
  const HeadTraining training{.seed = 7};
  const TrainedHead before = train_head(samples, training);
  std::size_t moved = 0;  // documents whose losses the head depends on
  for (std::size_t d = 0; d < 20; ++d) {
    ExitSamples other = samples;
    for (ExitToken& token : other.tokens) token.groups[0].losses[0] += token.document == d ? 5 : 0;
    moved += train_head(other, training).groups[0].state != before.groups[0].state ? 1 : 0;
  }
  EXPECT_EQ(moved, 16U);
}

TEST(TrainHead, OfAGateSaysWhereTheNextLoopGains) {
  ExitSamples samples = linear_samples();
  for (ExitToken& token : samples.tokens) {
    ExitPath& path = token.groups[0];
    for (std::size_t k = 1; k <= 2; ++k) {  // what the first number says, and nothing else
      path.losses[2 - k] = path.losses[3 - k] + (path.states[(2 - k) * 4] > 0 ? 1 : -1);
    }
  }
  const TrainedHead trained = train_head(samples, {.kind = HeadKind::gate, .penalty = 1e-4});
  EXPECT_LT(trained.groups[0].state[0], -1) << "a large number goes on";
  EXPECT_GT(trained.held_out[0].area.value, 0.99);
  EXPECT_GT(trained.held_out[0].explained.value, 0.5);
}

TEST(TrainHead, ChoosesThePenaltyThatIsBestOnOthers) {
  ExitSamples samples = linear_samples();
  EXPECT_EQ(train_head(samples, {}).penalties, std::vector<double>{1e-4}) << "nothing to smooth";
  Random random(8);
  for (ExitToken& token : samples.tokens) {
    for (std::size_t k = 0; k < 2; ++k) token.groups[0].losses[k] = random.normal();
  }
  EXPECT_GE(train_head(samples, {}).penalties.at(0), 1) << "nothing to learn";
  EXPECT_EQ(train_head(samples, {.penalty = 0.25}).penalties, std::vector<double>{0.25});
}

TEST(TrainHead, NeedsDocumentsToTryItOn) {
  ExitSamples samples = linear_samples();
  for (ExitToken& token : samples.tokens) token.document %= 3;
  EXPECT_THAT([&] { train_head(samples, {}); }, ThrowsMessage<Error>(HasSubstr("3 documents are too few")));
}

class ExitSamplesOfASmallModel : public ::testing::Test {
 protected:
  ExitSamplesOfASmallModel() {
    options_.run.loops = model_.spec().default_loops();  // 1, 4, 3, 1
    options_.run.window = 6;
    Random random(9);
    for (int d = 0; d < 4; ++d) {
      std::vector<std::int32_t>& document = text_.documents.emplace_back();
      for (int t = 0; t < 9; ++t) document.push_back(static_cast<std::int32_t>(random.below(16)));
    }
  }

  ExitSamples samples() const { return collect_exit_samples(model_, text_, options_, {}); }

  /// The loss of the second position of the first document when its token runs so many loops, by a text of its own.
  double loss(const std::string& rule) {
    Engine engine(model_, 1);
    Sequence sequence = start_sequence(engine, options_.run);
    TokenDepth depth;
    engine.decode(sequence, text_.documents[0][0], nullptr, depth);
    BoundedExit exit(parse_exit(rule), {model_.spec(), options_.run.loops, {}});
    const auto logits = engine.decode(sequence, text_.documents[0][1], &exit, depth);
    return loss_of(logits);
  }

  double loss_of(std::span<const float> logits) const {
    std::vector<float> log_p(logits.size());
    log_probabilities(logits, log_p, 0);
    return -static_cast<double>(log_p[static_cast<std::size_t>(text_.documents[0][2])]);
  }

  ModelFolder folder_;
  Model model_ = Model::load(folder_.path());
  MeasuredText text_;
  ExitSampleOptions options_;
};

TEST_F(ExitSamplesOfASmallModel, CodaRunsEveryLaterGroupOnce) {
  const ExitSamples all = samples();
  EXPECT_EQ(all.groups, (std::vector<int>{1, 2}));
  EXPECT_EQ(all.tokens.size(), 32U) << "all but the first token of each document";
  const ExitToken& token = all.tokens[1];
  for (int k = 1; k <= 4; ++k) {
    EXPECT_EQ(token.groups[0].losses.at(static_cast<std::size_t>(k - 1)), loss(fmt::format("fixed:loops={}/1", k)));
  }
  for (int k = 1; k <= 3; ++k) {
    EXPECT_EQ(token.groups[1].losses.at(static_cast<std::size_t>(k - 1)), loss(fmt::format("fixed:loops=4/{}", k)));
  }
}

TEST_F(ExitSamplesOfASmallModel, FullRunsThemAtFullDepth) {
  options_.readout = HeadReadout::full;
  const ExitToken token = samples().tokens[1];
  ASSERT_EQ(token.groups[0].losses.size(), 4U);
  ASSERT_EQ(token.groups[1].losses.size(), 3U);
  for (int k = 1; k <= 4; ++k) {
    EXPECT_EQ(token.groups[0].losses[static_cast<std::size_t>(k - 1)], loss(fmt::format("fixed:loops={}/3", k)));
  }
  EXPECT_EQ(token.groups[1].losses.back(), loss("fixed"));
}

TEST_F(ExitSamplesOfASmallModel, LensReadsTheStateItself) {
  options_.readout = HeadReadout::lens;
  const ExitToken token = samples().tokens[1];
  Engine engine(model_, 1);
  Sequence sequence = start_sequence(engine, options_.run);
  std::map<std::pair<int, int>, std::vector<float>> states;
  const TraceSink keep = [&](const TracePoint& point) {
    states[{point.group, point.loop}].assign(point.states.begin(), point.states.end());
  };
  for (std::size_t t = 0; t < 2; ++t) {
    DecodeRow row{&sequence, text_.documents[0][t], nullptr, {}, &keep};
    engine.decode({&row, 1});
  }
  const ExitPath& path = token.groups[0];
  ASSERT_EQ(path.losses.size(), 4U);
  for (int k = 1; k <= 4; ++k) {
    EXPECT_EQ(path.losses[static_cast<std::size_t>(k - 1)], loss_of(engine.head(states.at({1, k})))) << k;
  }
  ASSERT_EQ(path.state_norms.size(), 3U) << "nobody is asked after the last loop";
  for (int k = 1; k <= 3; ++k) {
    const std::vector<float>& now = states.at({1, k});
    const auto first = static_cast<std::ptrdiff_t>((k - 1) * 16);
    EXPECT_TRUE(std::equal(now.begin(), now.end(), path.states.begin() + first)) << k;
    double step = 0;
    for (std::size_t c = 0; c < 16; ++c) {
      step += std::pow(static_cast<double>(now[c] - states.at({1, k - 1})[c]), 2);
    }
    EXPECT_NEAR(path.step_norms[static_cast<std::size_t>(k - 1)], std::sqrt(step), 1e-5);
  }
}

TEST_F(ExitSamplesOfASmallModel, AreTheSameOnAnyNumberOfThreads) {
  options_.tokens = 10;
  const ExitSamples one = samples();
  EXPECT_EQ(one.tokens.size(), 16U) << "two whole documents";
  EXPECT_EQ(one.text_tokens, 32);
  for (const int threads : {2, 5, 8}) {
    options_.run.threads = threads;
    const ExitSamples more = samples();
    ASSERT_EQ(more.tokens.size(), one.tokens.size());
    for (std::size_t i = 0; i < one.tokens.size(); ++i) {
      EXPECT_EQ(more.tokens[i].document, one.tokens[i].document);
      for (std::size_t g = 0; g < 2; ++g) {
        EXPECT_EQ(more.tokens[i].groups[g].losses, one.tokens[i].groups[g].losses);
        EXPECT_EQ(more.tokens[i].groups[g].states, one.tokens[i].groups[g].states);
      }
    }
  }
}

TEST_F(ExitSamplesOfASmallModel, OfDrawnDocumentsAreWhatTheyAreAmongAll) {
  const ExitSamples all = samples();
  options_.tokens = 5;
  for (const ExitToken& token : samples().tokens) {
    const auto same = std::find_if(all.tokens.begin(), all.tokens.end(), [&](const ExitToken& other) {
      return other.document == token.document && other.groups[0].losses == token.groups[0].losses;
    });
    EXPECT_NE(same, all.tokens.end());
  }
}

TEST_F(ExitSamplesOfASmallModel, NeedALoopToLeave) {
  options_.run.loops = {1, 1, 1, 1};
  EXPECT_THAT([&] { samples(); }, ThrowsMessage<Error>(HasSubstr("no group of this model loops more than once")));
  options_.run.loops = {1, 4, 1, 1};
  EXPECT_EQ(samples().groups, std::vector<int>{1});
  options_.run.start = NoiseStart::previous;
  EXPECT_THAT([&] { samples(); }, ThrowsMessage<Error>(HasSubstr("cannot be decoded again")));
}

}  // namespace
}  // namespace gyre::exit_training_test
