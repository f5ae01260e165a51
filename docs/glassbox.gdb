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
define target hookpost-extended-remote
  monitor gdb-arch mode
  unset tdesc filename
end

define xseg
  if $argc == 3
    x/$arg2 (($arg0) << 4) + ($arg1)
  else
    x/8i (($arg0) << 4) + ($arg1)
  end
end
document xseg
xseg SEGMENT OFFSET [FORMAT]: real mode's memory, as x shows it.  xseg $ds $si 16xb
end

define xphys
  maint packet Qqemu.PhyMemMode:1
  x/$arg1 $arg0
  maint packet Qqemu.PhyMemMode:0
end
document xphys
xphys ADDRESS FORMAT: physical memory, past the page tables.  xphys 0xb8000 8xh
end
