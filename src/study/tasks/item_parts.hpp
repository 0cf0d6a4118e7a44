#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "study/tasks/task.hpp"

namespace gyre {

/// Code points of valid UTF-8.
std::size_t characters(std::string_view text);
/// Without the blanks of ASCII at both ends.
std::string_view without_blanks(std::string_view text);
/// A list of texts; `key` names it in messages.
std::vector<std::string> texts_of(const nlohmann::json& list, std::string_view key, const std::string& where);

/// A question whose answers stand behind it and a space. Throws Error when there are fewer than two answers, or one is
/// empty.
TaskItem choice_item(const std::string& where, const std::string& context, const std::vector<std::string>& answers,
                     std::size_t right);

}  // namespace gyre
