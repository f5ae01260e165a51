# The 64-bit kernel for tests of --kernel, once for each multiboot version: multiboot1_kernel.elf, multiboot2_kernel.elf.
set(folder "${CMAKE_CURRENT_LIST_DIR}")
set(kernel_flags -m64 -march=x86-64 -mgeneral-regs-only -mno-red-zone -mcmodel=kernel -std=c++20 -Os -g -ffreestanding -fno-exceptions
    -fno-rtti -fno-stack-protector -fno-pic -fno-asynchronous-unwind-tables -fno-strict-aliasing -Wall -Wextra -Wshadow)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  list(APPEND kernel_flags --target=x86_64-linux-gnu)
else()
  list(APPEND kernel_flags -fno-pie)
endif()
set(kernel_objects)
foreach(source main information)
  set(object "${out}/multiboot-${source}.o")
  add_custom_command(OUTPUT "${object}" COMMAND "${CMAKE_CXX_COMPILER}" ${kernel_flags} -c "${folder}/${source}.cpp" -o "${object}"
                     DEPENDS "${folder}/${source}.cpp" "${folder}/facts.hpp" COMMENT "Guest: multiboot/${source}.cpp" VERBATIM)
  list(APPEND kernel_objects "${object}")
endforeach()
set(kernels)
foreach(version 1 2)
  set(entry "${out}/multiboot${version}-entry.o")
  set(kernel "${out}/multiboot${version}_kernel.elf")
  add_custom_command(OUTPUT "${entry}" COMMAND "${GLASSBOX_NASM}" -f elf64 -D VERSION=${version} -o "${entry}" "${folder}/entry.asm"
                     DEPENDS "${folder}/entry.asm" COMMENT "Guest: multiboot/entry.asm, version ${version}" VERBATIM)
  add_custom_command(OUTPUT "${kernel}"
                     COMMAND "${GLASSBOX_LD}" -m elf_x86_64 -nostdlib -static --build-id=none -z max-page-size=4096 --no-warn-rwx-segments
                             -T "${folder}/kernel.ld" -o "${kernel}" "${entry}" ${kernel_objects}
                     DEPENDS "${entry}" ${kernel_objects} "${folder}/kernel.ld" COMMENT "Guest: multiboot${version}_kernel.elf" VERBATIM)
  list(APPEND kernels "${kernel}")
endforeach()
add_custom_target(multiboot_kernels ALL DEPENDS ${kernels})
