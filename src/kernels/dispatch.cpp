#include <cstdlib>
#include <string>

#include "base/error.hpp"
#include "kernels/tables.hpp"

namespace gyre {
namespace {

const Kernels& choose() {
  const std::vector<const Kernels*> tables = available_kernels();
  const char* wanted = std::getenv("GYRE_ISA");
  if (wanted == nullptr || *wanted == '\0') return *tables.back();
  std::string names;
  for (const Kernels* table : tables) {
    if (table->name == wanted) return *table;
    names += (names.empty() ? "" : ", ") + std::string(table->name);
  }
  throw Error("GYRE_ISA: \"{}\" is unknown or not in this processor; choose one of {}", wanted, names);
}

}  // namespace

std::vector<const Kernels*> available_kernels() {
  std::vector<const Kernels*> tables = {&kScalarKernels};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables.push_back(&kAvx2Kernels);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) tables.push_back(&kAvx512Kernels);
#endif
  return tables;
}

const Kernels& kernels() {
  static const Kernels& table = choose();
  return table;
}

}  // namespace gyre
