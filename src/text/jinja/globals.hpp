#pragma once

#include <optional>
#include <string_view>

#include "text/jinja/value.hpp"

namespace gyre::jinja {

/// The functions that every template has: range, namespace, dict, cycler, joiner, raise_exception and strftime_now.
std::optional<Value> global_named(std::string_view name);

/// datetime.now().strftime(format) at `clock` seconds since 1970, in local time.
std::string time_text(const std::string& format, std::int64_t clock);

}  // namespace gyre::jinja
