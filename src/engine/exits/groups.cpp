#include "engine/exits.hpp"
#include "engine/exits/kinds.hpp"

namespace gyre {

/// No rule by itself: BoundedExit holds one of each group, with bounds of its own.
ExitKind groups_exit() {
  return {kGroupsExit,
          "groups(GROUP=RULE;GROUP=RULE…): each looped group, by name or number, has a rule with options of its own;\n"
          "          one that is not named runs all its loops",
          {}};
}

}  // namespace gyre
