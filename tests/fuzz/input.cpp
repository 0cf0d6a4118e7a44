#include "fuzz/input.hpp"

#include <fstream>
#include <functional>
#include <stdexcept>
#include <vector>

namespace gyre::fuzz {

std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

std::filesystem::path InputFolder::add(const std::string& name, std::string_view content) const {
  const std::filesystem::path path = scratch_ / name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

void require(bool kept, const char* promise) {
  if (!kept) throw std::logic_error(promise);
}

void read_tensors(const std::map<std::string, TensorView>& tensors, Bytes file) {
  const std::less_equal<> not_behind;
  for (const auto& [name, tensor] : tensors) {
    const std::byte* const end = tensor.bytes.data() + tensor.bytes.size();
    require(not_behind(file.data(), tensor.bytes.data()) && not_behind(end, file.data() + file.size()),
            "a tensor lies inside its file");
    require(elements_of(tensor.shape) == tensor.element_count(), "the bytes of a tensor fit its shape");
    // A copy ends where the tensor ends, so that a step beyond it is seen.
    const std::vector<std::byte> bytes(tensor.bytes.begin(), tensor.bytes.end());
    const TensorView copy{tensor.dtype, tensor.shape, bytes};
    std::vector<float> numbers(copy.element_count());
    widen(copy, numbers);
    static_cast<void>(is_finite(copy));
    if (copy.rows() > 0) widen_rows(copy, copy.rows() - 1, std::span(numbers).first(copy.columns()));
  }
}

}  // namespace gyre::fuzz
