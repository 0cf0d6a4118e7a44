# cmake -D PAGE=FILE -D OUT=FILE -P bundle_page.cmake: writes PAGE with the files beside it that it includes, each in a
# line of its own as /*GYRE_INCLUDE path*/, put in their places.
file(READ ${PAGE} text)
get_filename_component(folder ${PAGE} DIRECTORY)
file(STRINGS ${PAGE} lines REGEX "GYRE_INCLUDE")
foreach(line IN LISTS lines)
  if(NOT line MATCHES "^/\\*GYRE_INCLUDE ([a-z0-9_./-]+)\\*/$")
    message(FATAL_ERROR "${PAGE}: \"${line}\" is not an inclusion: /*GYRE_INCLUDE path*/ in a line of its own")
  endif()
  file(READ ${folder}/${CMAKE_MATCH_1} part)
  string(REPLACE "${line}" "${part}" text "${text}")
endforeach()
file(WRITE ${OUT} "${text}")
