#pragma once

#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/random.hpp"
#include "raman/backend.hpp"
#include "raman/dataset.hpp"

namespace gyre::raman {

/// Specimens of three countries with two spectra each. A country has a band of its own in most of its spectra, so that
/// there is something to learn, and the two spectra of a specimen are nearly the same.
inline Collection small_collection(int specimens) {
  const std::vector<std::string> places = {"Cusco, Peru", "Oslo, Norway", "Kyoto, Japan"};
  Collection collection;
  Random random(23);
  for (int s = 0; s < specimens; ++s) {
    const auto country = static_cast<std::size_t>(s) % places.size();
    const double own = 200 + 400 * random.uniform();
    for (int twin = 0; twin < 2; ++twin) {
      Spectrum spectrum;
      spectrum.source = "spectrum " + std::to_string(collection.spectra.size());
      spectrum.specimen = "R" + std::to_string(1000 + s);
      spectrum.mineral = "Mineral " + std::to_string(s / 4);
      spectrum.laser = twin == 0 ? 532 : 785;
      spectrum.locality = places[country];
      for (int i = 0; i < 240; ++i) {
        const double x = 100 + 5 * i;
        const auto band = [&](double centre, double height) {
          return height * std::exp(-std::pow((x - centre) / 12, 2));
        };
        spectrum.shifts.push_back(x);
        spectrum.intensities.push_back(band(own, 50) + band(800 + 150.0 * static_cast<double>(country), 80) +
                                       0.5 * random.normal() + 5);
      }
      collection.spectra.push_back(std::move(spectrum));
    }
  }
  return collection;
}

/// An infrared spectrum of each of the first `specimens`, as RRUFF writes its specimen.
inline std::vector<Spectrum> small_infrared(int specimens) {
  const Collection raman = small_collection(specimens);
  std::vector<Spectrum> infrared;
  for (int s = 0; s < specimens; ++s) {
    Spectrum spectrum = raman.spectra[static_cast<std::size_t>(2 * s)];
    spectrum.technique = Technique::infrared;
    spectrum.source += ", infrared";
    for (std::size_t i = 0; i < spectrum.shifts.size(); ++i) {
      const double x = spectrum.shifts[i];
      spectrum.intensities[i] = 0.1 + std::exp(-std::pow((x - 400 - 10.0 * s) / 30, 2));
    }
    infrared.push_back(std::move(spectrum));
  }
  return infrared;
}

inline Preprocessing small_grid() {
  Preprocessing config;
  config.points = 64;
  return config;
}

inline Dataset small_dataset(int specimens) {
  const Collection collection = small_collection(specimens);
  return build_dataset(collection, label_spectra(collection.spectra, Gazetteer()), small_grid(), 2);
}

/// A model that knows nothing but the mean spectrum of each class: its logit is the similarity. In place of LibTorch.
class MeanClassifier : public Classifier {
 public:
  MeanClassifier(std::vector<float> means, int points) : means_(std::move(means)), points_(points) {}

  [[nodiscard]] std::vector<float> logits(std::span<const float> inputs) const override {
    const auto width = static_cast<std::size_t>(points_);
    std::vector<float> out;
    for (std::size_t i = 0; i < inputs.size(); i += width) {
      for (std::size_t c = 0; c < means_.size(); c += width) {
        float sum = 0;
        for (std::size_t k = 0; k < width; ++k) sum += 10 * inputs[i + k] * means_[c + k];
        out.push_back(sum);
      }
    }
    return out;
  }
  [[nodiscard]] std::vector<float> embeddings(std::span<const float> inputs) const override {
    return {inputs.begin(), inputs.end()};
  }
  [[nodiscard]] std::vector<float> attributions(std::span<const float> inputs, std::span<const int> targets,
                                                int /*steps*/) const override {
    const auto width = static_cast<std::size_t>(points_);
    std::vector<float> out(inputs.begin(), inputs.end());
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] *= 10 * means_[static_cast<std::size_t>(targets[i / width]) * width + i % width];
    }
    return out;
  }
  void save(const std::filesystem::path& file) const override {
    write_text_atomically(file, nlohmann::json(means_).dump());
  }

 private:
  std::vector<float> means_;  ///< [classes, points]
  int points_;
};

class MeanBackend : public Backend {
 public:
  mutable int fits = 0;
  mutable std::vector<Examples> trained_on;
  mutable std::vector<Examples> pretrained_on;  ///< besides
  mutable std::vector<std::uint64_t> seeds;
  int interrupt_at = -1;  ///< the fit of this number is interrupted

  void check(const nlohmann::json& /*config*/, const std::string& /*where*/, int /*points*/) const override {}
  [[nodiscard]] std::unique_ptr<Classifier> fit(const FitRequest& request) const override {
    if (fits++ == interrupt_at) return nullptr;
    const Examples& examples = request.examples;
    trained_on.push_back(examples);
    pretrained_on.push_back(request.more != nullptr ? *request.more : Examples{});
    seeds.push_back(request.seed);
    const auto width = static_cast<std::size_t>(examples.points);
    std::vector<float> means(static_cast<std::size_t>(examples.classes) * width, 0.0F);
    for (std::size_t i = 0; i < examples.size(); ++i) {
      for (std::size_t k = 0; k < width; ++k) {
        means[static_cast<std::size_t>(examples.labels[i]) * width + k] += examples.input(i)[k] / 20;
      }
    }
    return std::make_unique<MeanClassifier>(std::move(means), examples.points);
  }
  [[nodiscard]] std::unique_ptr<Classifier> load(const std::filesystem::path& weights, const nlohmann::json&,
                                                 const std::string&, int points, int, int) const override {
    return std::make_unique<MeanClassifier>(nlohmann::json::parse(read_text(weights)).get<std::vector<float>>(),
                                            points);
  }
};

}  // namespace gyre::raman
