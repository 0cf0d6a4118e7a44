#pragma once

#include <string>
#include <string_view>

namespace gyre {

/// `text` fit for one line of a message: control characters become '?', and a long text is cut.
std::string printable(std::string_view text);

/// Throws Error unless `path`, which the server `host` named, is relative, stays below the folder it is put into, and
/// can be printed.
void require_safe_path(const std::string& path, const std::string& host);

/// Whether a shell pattern matches the path of a file. `*` stops at slashes; with `any_folder`, a pattern without a
/// slash looks at the last part of the path alone, so that "*.gguf" finds files in every folder.
bool matches(const std::string& pattern, const std::string& path, bool any_folder);

}  // namespace gyre
