#include "text/replace_all.hpp"

namespace gyre {

std::string replace_all(std::string_view text, std::string_view wanted, std::string_view content,
                        const Growth& growth) {
  std::string made;
  std::size_t done = 0;
  for (std::size_t at = text.find(wanted); at != std::string_view::npos; at = text.find(wanted, done)) {
    made += text.substr(done, at - done);
    made += content;
    growth.check(made.size());
    done = at + wanted.size();
  }
  return made += text.substr(done);
}

}  // namespace gyre
