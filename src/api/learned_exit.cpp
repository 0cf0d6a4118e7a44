#include "api/learned_exit.hpp"

#include "base/error.hpp"
#include "model/number_types.hpp"

namespace gyre {

std::vector<const ExitHead*> heads_of(const ExitChoice& choice) {
  std::vector<const ExitHead*> heads;
  if (choice.head) heads.push_back(choice.head.get());
  for (const ExitChoice& part : choice.parts) {
    const std::vector<const ExitHead*> more = heads_of(part);
    heads.insert(heads.end(), more.begin(), more.end());
  }
  return heads;
}

void require_heads_fit(const ExitChoice& choice, const Model& model) {
  const std::vector<const ExitHead*> heads = heads_of(choice);
  if (heads.empty()) return;
  const std::string hash = model.hash();
  for (const ExitHead* const head : heads) {
    if (head->model_sha256 != hash) {
      throw Error(
          "exit head: {} was trained on other weights (SHA-256 {}) than these ({}); take the model it was trained on, "
          "or train one with gyre train-exit",
          head->file, head->model_sha256, hash);
    }
    const nlohmann::json weights = number_types(model).at("weights");
    if (head->weights != weights) {
      throw Error("exit head: {} was trained on weights in {} and these are in {}; run with the same --weights, or {}",
                  head->file, head->weights.dump(), weights.dump(), "train one with gyre train-exit");
    }
    if (head->stack != to_json(model.spec()).at("groups")) {
      throw Error("exit head: {} was trained on another stack of groups; loop the layers it was trained with, or {}",
                  head->file, "train one with gyre train-exit");
    }
  }
}

}  // namespace gyre
