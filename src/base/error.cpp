#include "base/error.hpp"

#include <system_error>

namespace gyre {

std::string system_message(int code) { return std::system_category().message(code); }

}  // namespace gyre
