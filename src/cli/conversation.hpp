#pragma once

#include <string>
#include <vector>

#include "text/chat_template.hpp"

namespace gyre::cli {

/// What flags say of a conversation.
struct ConversationFlags {
  std::string prompt;                           ///< what the user says, unless there is a file
  std::string system;                           ///< what the system says before, if anything
  std::string messages_file;                    ///< --messages: JSON of a whole conversation
  std::vector<std::string> template_arguments;  ///< --template-arg: KEY=JSON
};

/// The conversation that flags ask for. Throws Error with the flag or file and the mend.
Conversation conversation_of(const ConversationFlags& flags);

}  // namespace gyre::cli
