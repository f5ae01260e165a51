# For gdb with glassbox --gdb: the registers and the disassembly follow the processor's mode at every stop: 16-bit code
# is shown as such, and so are 32-bit and 64-bit code. Use:  gdb -x docs/glassbox.gdb -ex 'target remote :1234'
#
# gdb reads a machine's description once, when it connects; the hook has it read anew. With a program's symbols (file)
# that are of another width than the code that is running, leave this out and use --gdb-arch instead (docs/gdb.md).
define hook-stop
  unset tdesc filename
end
define target hookpost-remote
  monitor gdb-arch mode
  unset tdesc filename
end
