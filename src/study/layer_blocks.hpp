#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "study/evaluation.hpp"
#include "study/measures/segmentation.hpp"
#include "study/statistics.hpp"
#include "study/windows.hpp"

namespace gyre {

/// Makes every layer of a plain model a group of its own. Throws Error naming a group that does not run each of its
/// layers once and nothing else.
void cut_layers(Model& model);

/// How alike the states behind the layers of a plain model are, [layers][layers].
struct LayerSimilarity {
  std::vector<std::vector<double>> cka;     ///< linear, of a sample of tokens
  std::vector<std::vector<double>> cosine;  ///< mean over the same tokens
  std::size_t tokens = 0;
};

/// Of a model that was cut; at most `most` tokens of the text.
LayerSimilarity layer_similarity(const Model& cut, const MeasuredText& text, const EvaluationOptions& options,
                                 std::size_t most);

/// Losses of a text under tied blocks that were trained: nats, summed over the scored positions of each window.
using BlockTrainer =
    std::function<std::vector<double>(std::span<const Segment> blocks, std::span<const Window> windows)>;

/// What training the representatives of a cut made of it, on windows that it did not see.
struct TrainedCut {
  Estimate loss;
  Estimate difference;  ///< to the model
  Estimate gain;        ///< to the same blocks untrained; below 0 training helped
};

/// A cut into blocks and what it costs that every layer of a block is its representative: nats/token, and more than the
/// model itself on the same windows.
struct BlockCut {
  std::vector<Segment> blocks;
  Estimate loss;        ///< the representative runs as often as the block has layers
  Estimate difference;  ///< to the model
  Estimate once_loss;   ///< it runs once: what the repetition is worth
  Estimate once_difference;
  std::optional<TrainedCut> trained;
};

struct BlockStudy {
  Estimate loss;  ///< of the model itself
  std::int64_t tokens = 0;
  std::vector<BlockCut> cuts;
};

/// Layers of a model that was cut run in the place of others. No weight is trained but by `trainer`, if there is one,
/// which is asked about every cut that has a block of more than one layer.
BlockStudy measure_blocks(const Model& cut, const MeasuredText& text, const std::vector<std::vector<Segment>>& cuts,
                          const EvaluationOptions& options, const ProgressSink& progress,
                          const BlockTrainer& trainer = {});

}  // namespace gyre
