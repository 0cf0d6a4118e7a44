# gyre_compile_together(TARGET): where all is built once, files of one room are compiled forty at a time as one, since what
# they include costs more than what is in them. Names inside a file can clash with those of its own room alone. Files
# with flags of their own are left as they are.
function(gyre_compile_together target)
  if(NOT GYRE_BUILT_ONCE)
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  list(FILTER sources INCLUDE REGEX "\\.cpp$")
  foreach(source ${sources})
    cmake_path(GET source PARENT_PATH room)
    cmake_path(RELATIVE_PATH room BASE_DIRECTORY ${CMAKE_SOURCE_DIR})
    string(MAKE_C_IDENTIFIER "${room}" room)
    if(NOT DEFINED files_${room})
      set(files_${room} 0)
    endif()
    math(EXPR unit "${files_${room}} / 40")
    math(EXPR files_${room} "${files_${room}} + 1")
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${room}_${unit})
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
endfunction()

# gyre_precompile(TARGET ARGUMENT...): target_precompile_headers where it pays. GCC reads what it has precompiled no
# sooner than it parses the headers again where a file stands for many.
function(gyre_precompile target)
  if(NOT GYRE_BUILT_ONCE OR CMAKE_CXX_COMPILER_ID MATCHES Clang)
    target_precompile_headers(${target} ${ARGN})
  endif()
endfunction()

# Levels of what does not compute, and of programs that only read flags and print. To debug, all stays at -O0.
set(GYRE_COLD $<$<NOT:$<CONFIG:Debug>>:-O1>)
set(GYRE_READS_AND_PRINTS $<IF:$<BOOL:${GYRE_SANITIZE}>,-O0,${GYRE_COLD}>)
