# gyre_embed(TARGET SYMBOL FILE): makes `FILE` available in TARGET as
#   extern const char SYMBOL[];  extern const std::size_t SYMBOL_size;
# The assembler includes the bytes itself, so any size compiles at once.
enable_language(ASM)
function(gyre_embed target symbol file)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/embed_${symbol}.S)
  file(WRITE ${source}.new
"        .section .rodata
        .global ${symbol}
        .global ${symbol}_size
        .type ${symbol}, %object
        .type ${symbol}_size, %object
        .balign 16
${symbol}:
        .incbin \"${file}\"
${symbol}_end:
        .byte 0
        .size ${symbol}, . - ${symbol}
        .balign 8
${symbol}_size:
        .quad ${symbol}_end - ${symbol}
        .size ${symbol}_size, 8
        .section .note.GNU-stack,\"\",%progbits
")
  file(COPY_FILE ${source}.new ${source} ONLY_IF_DIFFERENT)
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS ${file})
  target_sources(${target} PRIVATE ${source})
endfunction()

# gyre_embed_page(TARGET SYMBOL PAGE): as gyre_embed, of PAGE with the styles and scripts that it includes in it
# (cmake/bundle_page.cmake).
function(gyre_embed_page target symbol page)
  set(bundler ${CMAKE_SOURCE_DIR}/cmake/bundle_page.cmake)
  get_filename_component(folder ${page} DIRECTORY)
  file(STRINGS ${page} lines REGEX "^/\\*GYRE_INCLUDE .*\\*/$")
  list(TRANSFORM lines REPLACE "^/\\*GYRE_INCLUDE (.*)\\*/$" "${folder}/\\1" OUTPUT_VARIABLE parts)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page})  # it may come to include others
  set(whole ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.html)
  add_custom_command(OUTPUT ${whole} COMMAND ${CMAKE_COMMAND} -D PAGE=${page} -D OUT=${whole} -P ${bundler}
                     DEPENDS ${page} ${parts} ${bundler} VERBATIM)
  gyre_embed(${target} ${symbol} ${whole})
endfunction()
