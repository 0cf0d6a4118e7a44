#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "raman/spectrum.hpp"

namespace gyre::raman {

enum class Baseline { none, als, snip };
enum class Normalisation { none, maximum, area, l2, snv };

/// How a spectrum becomes the numbers a model sees. It is kept in the model's config.json, so that prediction cannot
/// differ from training.
struct Preprocessing {
  double from = 140;  ///< 1/cm, first grid point
  double to = 1300;   ///< 1/cm, last grid point
  int points = 512;

  double despike = 8;  ///< robust z-score of the second difference that marks a cosmic ray; 0: off

  Baseline baseline = Baseline::snip;
  double als_smoothness = 1e5;  ///< λ of asymmetric least squares (Eilers and Boelens 2005)
  double als_asymmetry = 0.01;  ///< p: weight of points above the baseline
  int als_iterations = 10;
  double snip_width = 60;  ///< 1/cm, half of the widest feature that SNIP (Ryan et al. 1988) keeps

  int smoothing = 0;        ///< grid points of a Savitzky-Golay window, odd; 0: off
  int smoothing_order = 2;  ///< degree of its polynomials

  double power = 0.5;  ///< intensities are raised to it with their sign kept; 1: off
  Normalisation normalisation = Normalisation::l2;

  bool operator==(const Preprocessing&) const = default;
};

/// `where` leads every message of an Error.
Preprocessing parse_preprocessing(const nlohmann::json& json, const std::string& where);
nlohmann::json to_json(const Preprocessing& config);

/// The spectrum on the grid, ready for a model. Points of the grid that the spectrum does not reach are zero. Throws
/// RejectedSpectrum (not_finite, flat) for one that has less than a tenth of the grid or nothing left on it.
std::vector<float> preprocess(const Spectrum& spectrum, const Preprocessing& config);

// The single steps, for tests and for whoever wants one alone.

/// Replaces points whose second difference stands out by more than `threshold` robust standard deviations (after
/// Whitaker and Hayes 2018), and which are sharper than a band that the points resolve, by a line across them.
void remove_cosmic_rays(std::span<double> values, double threshold);

/// Mean of the spectrum, taken as straight lines between its points, over the cell around each grid point. `first` and
/// `count` receive the part of the grid that the spectrum covers; elsewhere the values are zero.
std::vector<double> resample(const Spectrum& spectrum, double from, double to, int points, std::size_t& first,
                             std::size_t& count);

std::vector<double> als_baseline(std::span<const double> values, double smoothness, double asymmetry, int iterations);
/// `width` in points.
std::vector<double> snip_baseline(std::span<const double> values, int width);
/// Savitzky-Golay; at the ends the polynomial of the nearest whole window is read off.
std::vector<double> smooth(std::span<const double> values, int window, int order);
void normalise(std::span<double> values, Normalisation kind);

}  // namespace gyre::raman
