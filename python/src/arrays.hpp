#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace gyre::python {

namespace nb = nanobind;

/// Tokens as they come from Python.
using Tokens = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
inline std::span<const std::int32_t> span_of(const Tokens& tokens) { return {tokens.data(), tokens.shape(0)}; }

/// Numbers of an array of the given type and dimensions.
template <std::size_t Dimensions>
using Floats = nb::ndarray<const float, nb::ndim<Dimensions>, nb::c_contig, nb::device::cpu>;

/// A NumPy array over numbers that it keeps alive and nobody copies.
template <typename Number, typename Element = Number>
nb::object array_of(std::shared_ptr<std::vector<Number>> numbers, std::vector<std::size_t> shape) {
  auto* const kept = new std::shared_ptr<std::vector<Number>>(std::move(numbers));
  const nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::shared_ptr<std::vector<Number>>*>(p); });
  Element* const data = (*kept)->data();
  return nb::cast(nb::ndarray<nb::numpy, Element>(data, shape.size(), shape.data(), owner));
}

template <typename Number>
nb::object array_of(std::vector<Number>&& numbers, std::vector<std::size_t> shape) {
  return array_of<Number, Number>(std::make_shared<std::vector<Number>>(std::move(numbers)), std::move(shape));
}

}  // namespace gyre::python
