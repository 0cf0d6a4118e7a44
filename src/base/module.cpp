#include "base/module.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.hpp"

namespace gyre {

namespace fs = std::filesystem;

void* load_module(const std::string& file, const std::string& command) {
  const fs::path program = fs::read_symlink("/proc/self/exe").parent_path();
  std::string problem;
  for (const fs::path& folder : {program, program / "../lib"}) {
    const fs::path module = folder / file;
    if (!fs::exists(module)) continue;
    if (void* handle = ::dlopen(module.c_str(), RTLD_NOW | RTLD_GLOBAL)) return handle;
    problem = ::dlerror();
  }
  if (!problem.empty()) throw Error("{}: cannot load the training module: {}", command, problem);
  throw Error("{}: this program was built without training; install LibTorch (Debian: libtorch-dev) and build again",
              command);
}

void* module_function(void* module, const std::string& name, const std::string& command) {
  void* function = ::dlsym(module, name.c_str());
  if (function == nullptr) throw Error("{}: the training module is of another version; build it again", command);
  return function;
}

void prepare_torch_environment(const std::string& command) {
  constexpr int kKeepTheUsersChoice = 0;
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2")) throw Error("{}: this processor lacks AVX2, which LibTorch needs", command);
  if (__builtin_cpu_supports("avx512bw")) ::setenv("ATEN_CPU_CAPABILITY", "avx512", kKeepTheUsersChoice);
#else
  static_cast<void>(command);
#endif
  // Ranks that wait for one another to start say so with every try.
  ::setenv("TORCH_CPP_LOG_LEVEL", "ERROR", kKeepTheUsersChoice);
  // A library that is already loaded under the same name is what the module will be given. Not for all to see: a
  // LibTorch with products of its own (PyTorch's wheel has MKL) would call this one's where they share a name.
  for (const char* blas : {"/usr/lib/x86_64-linux-gnu/openblas-openmp/libblas.so.3",
                           "/usr/lib/aarch64-linux-gnu/openblas-openmp/libblas.so.3"}) {
    if (fs::exists(blas)) ::dlopen(blas, RTLD_NOW | RTLD_LOCAL);
  }
}

}  // namespace gyre
