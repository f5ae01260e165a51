# The kernel of docs/tutorial.md: lesson.elf, with symbols and lines. Not optimised for size: code that follows its
# source is easier to step through.
set(folder "${CMAKE_CURRENT_LIST_DIR}")
set(lesson_flags ${guest_flags_32})
list(REMOVE_ITEM lesson_flags -Os)
list(APPEND lesson_flags -O1 -fno-inline -fno-omit-frame-pointer)
# The same file wherever it is built: its size is loaded, and its lines are found from the project's folder.
# NASM writes the folder's absolute path whatever it is told, so entry.asm has symbols and no lines.
list(APPEND lesson_flags "-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  list(APPEND lesson_flags -fdebug-compilation-dir=.)
endif()
set(lesson_objects)
foreach(source main screen journal interrupts paging timer)
  set(object "${out}/lesson-${source}.o")
  add_custom_command(OUTPUT "${object}" COMMAND "${CMAKE_CXX_COMPILER}" ${lesson_flags} -I "${CMAKE_SOURCE_DIR}" -c "${folder}/${source}.cpp" -o "${object}"
                     DEPENDS "${folder}/${source}.cpp" "${folder}/lesson.hpp" COMMENT "Guest: lesson/${source}.cpp" VERBATIM)
  list(APPEND lesson_objects "${object}")
endforeach()
add_custom_command(OUTPUT "${out}/lesson-entry.o"
                   COMMAND "${GLASSBOX_NASM}" -f elf32 -o "${out}/lesson-entry.o" entry.asm
                   WORKING_DIRECTORY "${folder}"
                   DEPENDS "${folder}/entry.asm" COMMENT "Guest: lesson/entry.asm" VERBATIM)
add_custom_command(OUTPUT "${out}/lesson.elf"
                   COMMAND "${GLASSBOX_LD}" -m elf_i386 -nostdlib -static --build-id=none --no-warn-rwx-segments -T "${folder}/kernel.ld"
                           -o "${out}/lesson.elf" "${out}/lesson-entry.o" ${lesson_objects}
                   DEPENDS "${out}/lesson-entry.o" ${lesson_objects} "${folder}/kernel.ld" COMMENT "Guest: lesson.elf" VERBATIM)
add_custom_target(lesson_kernel ALL DEPENDS "${out}/lesson.elf")
