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
