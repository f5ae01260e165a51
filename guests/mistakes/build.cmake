# The guests of docs/mistakes.md: each source is a disk image of one or two sectors, with a map of its symbols beside it.
set(mistakes_folder "${CMAKE_CURRENT_LIST_DIR}")
set(mistakes_out "${out}/mistakes")
file(MAKE_DIRECTORY "${mistakes_out}")
file(GLOB mistakes_sources CONFIGURE_DEPENDS "${mistakes_folder}/*.asm")
set(mistakes_images)
foreach(source ${mistakes_sources})
  get_filename_component(base "${source}" NAME_WE)
  add_custom_command(OUTPUT "${mistakes_out}/${base}.img"
                     COMMAND "${GLASSBOX_NASM}" -w+all -f bin -DMAP=${base}.map -I "${mistakes_folder}/" -o ${base}.img "${source}"
                     WORKING_DIRECTORY "${mistakes_out}"
                     DEPENDS "${source}" "${mistakes_folder}/pc.inc" COMMENT "Guest: mistakes/${base}" VERBATIM)
  list(APPEND mistakes_images "${mistakes_out}/${base}.img")
endforeach()
add_custom_target(mistakes ALL DEPENDS ${mistakes_images})
