#pragma once

#include <string>

#include "text/chat_template.hpp"

namespace gyre {

/// A conversation of JSON: a list of messages, or an object that holds it with tools and documents. Throws Error with
/// `where` and what is wrong.
Conversation read_conversation(nlohmann::ordered_json json, const std::string& where);

}  // namespace gyre
