#include <algorithm>

#include "api/state.hpp"
#include "base/error.hpp"
#include "base/processors.hpp"
#include "engine/embedder.hpp"

namespace gyre::api {

struct Embedder::State {
  std::shared_ptr<const Model::State> model;
  std::function<bool()> stop_when;
  gyre::Embedder embedder;

  State(std::shared_ptr<const Model::State> opened, const EmbeddingConfig& config, const EmbedderOptions& options)
      : model(std::move(opened)),
        stop_when(options.stop_when),
        embedder(model->checkpoint, config, options.threads > 0 ? options.threads : usable_processors(),
                 Stop(nullptr, stop_when)) {}
};

Embedder::Embedder(const Model& model, const EmbedderOptions& options) {
  const Model::State& opened = *model.state_;
  EmbeddingConfig config = load_embedding_config(opened.checkpoint.model.path());
  if (!options.pooling.empty()) config.pooling = parse_pooling(options.pooling, opened.named("pooling"));
  if (options.normalize) config.normalize = *options.normalize;
  if (options.most_tokens < 0 || options.most_tokens > opened.spec().context) {
    throw Error("{}: {} is not within the {} positions of this model", opened.named("max_tokens"), options.most_tokens,
                opened.spec().context);
  }
  if (options.most_tokens > 0) config.most_tokens = options.most_tokens;
  state_ = std::make_unique<State>(model.state_, config, options);
}
Embedder::Embedder(Embedder&&) noexcept = default;
Embedder::~Embedder() = default;

std::vector<float> Embedder::embed(std::span<const std::string> texts) {
  std::vector<float> rows;
  for (const Embedding& one : state_->embedder.embed(texts)) {
    rows.insert(rows.end(), one.vector.begin(), one.vector.end());
  }
  return rows;
}

}  // namespace gyre::api
