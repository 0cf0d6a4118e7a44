#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>

namespace gyre {

/// Writes a NumPy array float32 [rows, columns] (format 1.0, little-endian, rows one after the other), atomically.
/// `row` gives the numbers of a row.
void write_npy(const std::filesystem::path& path, std::size_t rows, std::size_t columns,
               const std::function<std::span<const float>(std::size_t index)>& row);

}  // namespace gyre
