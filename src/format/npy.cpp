#include "format/npy.hpp"

#include <fmt/format.h>

#include <string>

#include "base/error.hpp"
#include "base/file.hpp"

namespace gyre {
namespace {

/// Magic, version, the header's length in two bytes, and the header: padded so that the numbers begin at a multiple of
/// 64 (numpy.lib.format).
std::string header_of(std::size_t rows, std::size_t columns) {
  constexpr std::size_t kAlign = 64;
  constexpr std::size_t kBefore = 10;
  std::string text = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, columns);
  const std::size_t whole = (kBefore + text.size() + 1 + kAlign - 1) / kAlign * kAlign;
  text.resize(whole - kBefore - 1, ' ');
  text += '\n';
  std::string header = "\x93NUMPY";
  header += '\x01';
  header += '\0';
  header += static_cast<char>(text.size() % 256);
  header += static_cast<char>(text.size() / 256);
  return header + text;
}

}  // namespace

void write_npy(const std::filesystem::path& path, std::size_t rows, std::size_t columns,
               const std::function<std::span<const float>(std::size_t index)>& row) {
  write_file_atomically(path, [&](FileWriter& file) {
    file.write(header_of(rows, columns));
    for (std::size_t i = 0; i < rows; ++i) {
      const std::span<const float> numbers = row(i);
      if (numbers.size() != columns) {
        throw Error("{}: row {} has {} numbers, not {}", path.string(), i, numbers.size(), columns);
      }
      file.write(std::as_bytes(numbers));
    }
  });
}

}  // namespace gyre
