#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/error.hpp"
#include "kernels/tables.hpp"

namespace gyre {
namespace {

#if defined(__x86_64__)
/// AVX-VNNI, which not every compiler has a name for.
bool has_avx_vnni() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 4 & 1U) != 0;
}

/// AVX512_BF16, AMX-BF16 and AMX-TILE, which not every compiler has names for.
bool has_bf16_tiles() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d >> 22 & 1U) == 0 || (d >> 24 & 1U) == 0) return false;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 5 & 1U) != 0;
}
#endif

/// Linux hands the tile registers to a program that asks for them.
bool tiles_are_granted() {
#if defined(__x86_64__) && defined(__linux__)
  constexpr long kRequestPermission = 0x1023;
  constexpr long kTileData = 18;
  static const bool granted = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return granted;
#else
  return false;
#endif
}

/// Empty: none.
std::string_view named_table() {
  const char* const name = std::getenv("GYRE_ISA");
  return name == nullptr ? std::string_view() : name;
}

const Kernels* choose() {
  const std::vector<const Kernels*> tables = available_kernels();
  const std::string_view wanted = named_table();
  if (wanted.empty()) return tables.back();
  std::string names;
  for (const Kernels* table : tables) {
    if (table->name == wanted) return table;
    names += (names.empty() ? "" : ", ") + std::string(table->name);
  }
  throw Error("GYRE_ISA: \"{}\" is unknown or not in this processor; choose one of {}", wanted, names);
}

const Kernels*& chosen() {
  static const Kernels* table = choose();
  return table;
}

}  // namespace

std::vector<const Kernels*> available_kernels() {
  std::vector<const Kernels*> tables = {&kScalarKernels};
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2) tables.push_back(&kAvx2Kernels);
  if (avx2 && has_avx_vnni()) tables.push_back(&kAvxVnniKernels);
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512vnni");
  if (avx2 && avx512) tables.push_back(&kAvx512Kernels);
  if (avx2 && avx512 && has_bf16_tiles() && tiles_are_granted()) tables.push_back(&kAmxKernels);
#endif
  return tables;
}

const Kernels& kernels() { return *chosen(); }

void require_exact_kernels() {
  if (kernels().exact) return;
  if (!named_table().empty()) {
    throw Error("GYRE_ISA: {} rounds by how many tokens are beside one; name another for exact arithmetic",
                kernels().name);
  }
  const std::vector<const Kernels*> tables = available_kernels();
  chosen() = *std::find_if(tables.rbegin(), tables.rend(), [](const Kernels* table) { return table->exact; });
}

}  // namespace gyre
