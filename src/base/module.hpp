#pragma once

#include <string>

namespace gyre {

/// Loads a module (a shared library such as "libgyre_train.so") that lies beside the program or in ../lib, and stays
/// loaded. Throws Error, led by `command`, when it is not there, which means that LibTorch was not there when the
/// program was built, or when it cannot be loaded.
void* load_module(const std::string& file, const std::string& command);

/// The function `name` of a module. Throws Error, led by `command`, when the module lacks it.
void* module_function(void* module, const std::string& name, const std::string& command);

/// LibTorch picks AVX2 and a BLAS with a thread pool of its own unless told otherwise before it is loaded. What the
/// user has set in the environment stays. Throws Error, led by `command`, on a processor that LibTorch does not run on.
void prepare_torch_environment(const std::string& command);

}  // namespace gyre
