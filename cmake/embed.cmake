# Links a file's bytes into a target, between the symbols glassbox_<name>_begin and glassbox_<name>_end.
enable_language(ASM)

function(glassbox_embed target name file)
  set(source "${CMAKE_CURRENT_BINARY_DIR}/embed/${name}.S")
  file(CONFIGURE OUTPUT "${source}" @ONLY CONTENT
"        .section .rodata
        .global glassbox_@name@_begin, glassbox_@name@_end
        .balign 16
glassbox_@name@_begin:
        .incbin \"@file@\"
glassbox_@name@_end:
        .byte 0
        .section .note.GNU-stack,\"\",%progbits
")
  set_source_files_properties("${source}" PROPERTIES OBJECT_DEPENDS "${file}")
  # Its own library, so that the compiler's warning options do not reach the assembler.
  add_library(glassbox_embedded_${name} OBJECT "${source}")
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:glassbox_embedded_${name}>)
endfunction()

# Assembles a flat binary with NASM; DEPENDS lists the files it includes.
function(glassbox_flat_binary output source)
  cmake_parse_arguments(arg "" "" "DEPENDS;OPTIONS" ${ARGN})
  get_filename_component(folder "${source}" DIRECTORY)
  add_custom_command(OUTPUT "${output}" COMMAND "${GLASSBOX_NASM}" -f bin -I "${folder}/" ${arg_OPTIONS} -o "${output}" "${source}"
                     DEPENDS "${source}" ${arg_DEPENDS} COMMENT "Assembling ${source}" VERBATIM)
endfunction()
