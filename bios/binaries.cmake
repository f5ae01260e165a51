# The firmware parts that are not C++: the DSDT (iasl) and the boot option ROMs (NASM), embedded into glassbox_bios.
include(cmake/embed.cmake)

find_program(GLASSBOX_IASL iasl)
if(NOT GLASSBOX_IASL)
  message(FATAL_ERROR "GlassBox needs iasl for its ACPI tables: install Debian's package acpica-tools (apt-get install acpica-tools), or start ./run, which installs all of it")
endif()

set(bios_out "${CMAKE_BINARY_DIR}/bios")
file(MAKE_DIRECTORY "${bios_out}")
add_custom_command(OUTPUT "${bios_out}/dsdt.aml"
                   COMMAND "${GLASSBOX_IASL}" -vs -vw 3168 -vw 3073 -vw 2173 -p "${bios_out}/dsdt" "${CMAKE_SOURCE_DIR}/bios/dsdt.asl"
                   DEPENDS "${CMAKE_SOURCE_DIR}/bios/dsdt.asl" COMMENT "Compiling the DSDT" VERBATIM)
glassbox_embed(glassbox_bios dsdt "${bios_out}/dsdt.aml")
foreach(rom linuxboot multiboot multiboot2 pvh)
  glassbox_flat_binary("${bios_out}/${rom}.bin" "${CMAKE_SOURCE_DIR}/bios/${rom}.asm"
                       DEPENDS "${CMAKE_SOURCE_DIR}/bios/option_rom.inc" "${CMAKE_SOURCE_DIR}/bios/multiboot.inc")
  glassbox_embed(glassbox_bios ${rom} "${bios_out}/${rom}.bin")
endforeach()
