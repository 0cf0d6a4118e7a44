# Warnings are errors in every file of the project; headers of other people are SYSTEM and stay silent.
add_library(gyre_warnings INTERFACE)
target_compile_options(gyre_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast
                                               -Woverloaded-virtual -Werror)
