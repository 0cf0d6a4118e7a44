#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "study/evaluation.hpp"
#include "study/measures/segmentation.hpp"
#include "study/statistics.hpp"

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

/// A cut into blocks and what it costs that every layer of a block is its representative: nats/token, and more than the
/// model itself on the same windows.
struct BlockCut {
  std::vector<Segment> blocks;
  Estimate loss;        ///< the representative runs as often as the block has layers
  Estimate difference;  ///< to the model
  Estimate once_loss;   ///< it runs once: what the repetition is worth
  Estimate once_difference;
};

struct BlockStudy {
  Estimate loss;  ///< of the model itself
  std::int64_t tokens = 0;
  std::vector<BlockCut> cuts;
};

/// No weight is trained: layers of a model that was cut only run in the place of others.
BlockStudy measure_blocks(const Model& cut, const MeasuredText& text, const std::vector<std::vector<Segment>>& cuts,
                          const EvaluationOptions& options, const ProgressSink& progress);

}  // namespace gyre
