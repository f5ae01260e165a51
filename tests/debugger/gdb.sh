#!/bin/bash
# gdb.sh GLASSBOX [LESSON]: Debian's gdb with --gdb, scripted: from the reset through real, protected and 64-bit mode with
# one and the same connection, backwards to the write that spoiled a variable, source lines of a C++ kernel (LESSON, the
# ELF file), processors as threads, a second client, monitor, detach and kill. Every expected line has to come, in its
# order; "Remote", "Error" or "warning: Architecture" nowhere.
set -u
glassbox=$(realpath "$1")
lesson=${2:+$(realpath "$2")}
here=$(dirname "$(realpath "$0")")
for tool in gdb nasm ld objcopy; do
  command -v "$tool" >/dev/null || { echo "SKIP: there is no $tool"; exit 77; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/glassbox-gdb.XXXXXX")
run=
trap '[ -n "$run" ] && kill "$run" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
nasm -f elf64 -g -F dwarf -o boot.o "$here/gdb_boot.asm" && ld -m elf_x86_64 -Ttext 0x7c00 -e start -o boot.elf boot.o &&
  objcopy -O binary -j .text boot.elf boot.img && truncate -s 1474560 boot.img || exit 1

fail() {
  echo "FAILED: $*"
  sed 's/^/  /' gdb.log
  exit 1
}

# serve ARGUMENTS: a machine that stands at its reset and waits for gdb on a free port.
serve() {
  : >machine.log # or the port of the one before might be read
  "$glassbox" debug --gdb 0 --display none --memory 8M "$@" </dev/null >machine.log 2>&1 &
  run=$!
  for _ in $(seq 100); do
    port=$(sed -n 's/.*target remote .*:\([0-9]*\)$/\1/p' machine.log)
    [ -n "$port" ] && return
    sleep 0.1
  done
  cat machine.log
  exit 1
}
served() { # the machine's end
  for _ in $(seq 100); do
    kill -0 "$run" 2>/dev/null || { run=; return; }
    sleep 0.1
  done
  fail "the machine goes on"
}
# client ARGUMENTS: gdb with the commands of standard input.
client() {
  { echo "set pagination off"; echo "set confirm off"; echo "set width 0"; cat; } >commands
  timeout 60 gdb -nx -batch -d "$here/../.." "$@" -x commands >gdb.log 2>&1 </dev/null || fail "gdb ended with status $?"
  if grep -n 'Remote [^t]\|Error\|rror while\|Architecture rejected\|not compatible' gdb.log; then fail "an error"; fi
}
# expect LINE...: each matches a line behind that of the one before.
expect() {
  local at=1 found
  for text in "$@"; do
    found=$(tail -n "+$at" gdb.log | grep -n -m1 -- "$text" | cut -d: -f1)
    [ -n "$found" ] || fail "no '$text' from line $at on"
    at=$((at + found))
  done
  echo "$1 ... $# expectations"
}

# 1. All modes, source lines and symbols of a boot sector, one description (x86-64) for the session.
serve --floppy boot.img
client boot.elf <<G
target remote :$port
info registers rip
break *0x7c00
continue
stepi
info registers rip
p \$cs_base
break protected_entry
continue
info threads
stepi
hbreak long_entry
continue
info threads
x/i \$pc
p \$efer
stepi
p/x \$rbx
break finished
continue
p/x *(int*)&canary
watch *(int*)&canary
reverse-continue
reverse-stepi
p \$ecx
x/i \$pc
delete
break start
reverse-continue
reverse-continue
kill
G
expect "0xfffffff0" "^16 bits, 0:7c00  jmp far 0x0000:0x7C05" "Breakpoint 1, start" "0x7c05" '^$1 = 0' \
  "Breakpoint 2, protected_entry" "protected mode, 32 bits, CPL 0" "Breakpoint 3, long_entry" "64-bit mode, CPL 0" \
  "movabs \$0x1122334455667788,%rbx" "LME LMA" "0x1122334455667788" "Breakpoint 4, finished" "0xbad" \
  "Old value = 2989" "New value = 12648430" "spoil ()" "= 7" "jne " "Breakpoint 6, start" "No more reverse-execution history" "killed"
served

# 2. The same with docs/glassbox.gdb: the description follows the mode, forwards and backwards.
serve --floppy boot.img
client -x "$here/../../docs/glassbox.gdb" <<G
target remote :$port
x/i \$pc
break *0x7c00
continue
x/3i \$pc
xseg 0x7c0 0 2i
xphys 0x7c00 2xb
break *0x7c2e
continue
x/i \$pc
show architecture
stepi
p \$pc
break *0x7ca4
continue
show architecture
x/i \$pc
stepi
p/x \$rbx
reverse-continue
reverse-continue
show architecture
reverse-continue
x/i \$pc
kill
G
expect "ljmp   \$0xf000,\$0xe05b" "Breakpoint 1, 0x00007c00" "ljmp   \$0x0,\$0x7c05" "cli" "xor    %ax,%ax" \
  "0x7c05:	cli" "0x7c00:	0xea	0x05" "mov    \$0x10,%ax" 'currently "i386"' "0x7c32" 'currently "i386:x86-64"' "movabs" "0x1122334455667788" \
  "Breakpoint 3, 0x0000000000007ca4" "Breakpoint 2, 0x00007c2e" 'currently "i386"' "Breakpoint 1, 0x00007c00" "ljmp   \$0x0,\$0x7c05"
served

# 3. 16-bit code with one description, registers and memory changed, monitor, detach; two processors.
serve --floppy boot.img --gdb-arch i8086 --smp 2
client <<G
target remote :$port
info threads
thread 2
p \$eip
thread 1
break *0x7c00
continue
x/2i \$pc
x/2xb 0x7c00
set var *(unsigned char*)0x5000 = 0x5a
x/xb 0x5000
set \$eax = 0x12345678
p/x \$eax
set \$pc = 0x7c06
stepi
p/x \$eax
p \$sp
monitor help
monitor gdb-arch
monitor no-such-command
info line *0x7c00
delete
detach
G
expect '2 *Thread 2 "processor 1" (waits for SIPI)' "0xfffffff0" "Breakpoint 1, 0x00007c00" "ljmp   \$0x0,\$0x7c05" \
  "0xea	0x05" "0x5a" "0x12345678" "0x12340000" "(void \*) 0x" "Console" "gdb-arch is i8086" "no-such-command" "detached"
client -ex "target remote :$port" <<G
shell (timeout 20 gdb -nx -batch -ex "target remote :$port" -ex "p 1" >second.log 2>&1 </dev/null)
p 2 + 2
kill
G
expect "= 4"
grep -q "another gdb is connected" second.log || { cp second.log gdb.log; fail "the second client is not refused with a reason"; }
served

# 4. The end of the guest; what cannot be listened on.
serve --floppy boot.img --exit-port 0xF4
client <<G
target remote :$port
break *0x7c06
continue
set var *(unsigned short*)0x7c06 = 0xf4e6
delete
continue
G
expect "Breakpoint 1" "exited with code\|exited normally"
kill "$run"; wait "$run" 2>/dev/null; run=
"$glassbox" debug --demo --gdb 256.1.1.1:5 --display none </dev/null >gdb.log 2>&1 && fail "listens nowhere"
expect "gdb: cannot "

# 5. Each of the descriptions in each of the modes: break, disassemble, step there and back.
for arch in i8086 i386 x86-64; do
  serve --floppy boot.img --gdb-arch $arch
  client <<G
target remote :$port
break *0x7c06
continue
bt 1
x/i \$pc
stepi
p/x \$pc
reverse-stepi
info registers pc sp cs
break *0x7c32
continue
x/i \$pc
stepi
p/x \$pc
reverse-stepi
break *0x7ca4
continue
x/i \$pc
stepi
p/x \$pc
reverse-stepi
p/x \$pc
p \$cr0
p/x \$k_gs_base
kill
G
  expect "Breakpoint 1, 0x0*7c06" "#0 .*7c06" "7c06:	xor " "= 0x7c08" "Breakpoint 1" "^pc  *0x7c06" "^cs  *0x0" "Breakpoint 2, 0x0*7c32" "7c32:	mov " \
    "= 0x7c34" "Breakpoint 3, 0x0*7ca4" "7ca4:	" "= 0x7cae" "= 0x7ca4" "PE ET PG" "= 0x0" "killed"
  case $arch in
  i8086) expect "7c06:	xor    %ax,%ax" "32 bits, 8:7c32  mov ds, ax" "64 bits, 18:7ca4  mov rbx, 0x1122334455667788" ;;
  i386) expect "16 bits, 0:7c06  xor ax, ax" "64 bits, 18:7ca4  mov rbx, 0x1122334455667788" ;;
  *) expect "16 bits, 0:7c06  xor ax, ax" "32 bits, 8:7c32  mov ds, ax" "movabs \$0x1122334455667788,%rbx" ;;
  esac
  served
done

# 6. Run again, as often as one likes; conditions; searches; let go, and taken again; Ctrl-C.
serve --floppy boot.img
client boot.elf <<G
target extended-remote :$port
break *0x7c00
run
compare-sections .text
find /w 0x100, 0x100000, 0x12ba1f0e, 0x7788bb48
find /b 0x7c00, +512, 0x55, 0xaa
delete
set debug remote 1
break advance if *(int*)&counter == 5
continue
set debug remote 0
p *(int*)&counter
p \$rcx
condition 2 *(int*)&counter == 8
continue
p *(int*)&counter
starti
p/x \$pc
set \$cr0 = 0x30
p \$cr0
set \$cr4 = 0x200
p \$cr4
set \$cr4 = 0
continue
kill
run
detach
attach 1
set var *(short*)0x7cd9 = 0xfeeb
set \$pc = 0x7cd9
shell (sleep 1; kill -INT \$PPID) &
continue
kill
G
expect "Breakpoint 1, start" "Section .text, range 0x7c00 -- 0x7e00: matched" "Pattern not found" "0x7dfe" "1 pattern found" \
  '\$Z0,7c[0-9a-f]*,1;X' "Breakpoint 2, " '^$1 = 5' '^$2 = 5' "Breakpoint 2, advance" '^$3 = 8' '^$4 = 0xfffffff0' '^$5 = \[ ET NE \]' '^$6 = \[ OSFXSR \]' "Breakpoint 2, advance" "killed" "Breakpoint 2, advance" "detached" "^finished ()" \
  "Program received signal SIGINT" "killed"
served

# 7. Source level on a C++ kernel.
[ -n "$lesson" ] || { echo "no lesson kernel"; exit 0; }
serve --kernel "$lesson" --gdb-arch i386
client "$lesson" <<G
target remote :$port
break kernel_main
continue
bt
next
next
next
step
bt
finish
reverse-step
reverse-next
bt
kill
G
expect "Breakpoint 1, kernel_main" "#0  kernel_main" "#1 .* in start" "clear_screen" "keep_a_journal" "#0 .*keep_a_journal" "#1 .* in kernel_main" \
  "kernel_main" "keep_a_journal" "#1 .* in kernel_main" "killed"
served

# 8. Through gdb's machine interface, as VS Code, CLion and vim do.
serve --kernel "$lesson" --gdb-arch i386
while read -r line; do
  echo "$line"
  sleep 0.3
done <<G | timeout 60 gdb -nx -q --interpreter=mi -d "$here/../.." >gdb.log 2>&1 || fail "gdb ended with status $?"
-file-exec-and-symbols $lesson
-target-select remote 127.0.0.1:$port
-break-insert -f kernel_main
-exec-continue
-stack-list-frames
-exec-next
-data-list-register-values x 8
-thread-info
-interpreter-exec console "monitor explain \$pc"
-exec-continue --reverse
-target-disconnect
-gdb-exit
G
expect '^\*stopped,frame={addr="0xfffffff0"' 'connected' 'bkpt={number="1"' 'reason="breakpoint-hit"' 'func="kernel_main"' 'reason="end-stepping-range"' \
  'register-values=\[{number="8",value="0x100' 'details="protected mode, 32 bits, CPL 0",name="processor 0"' "there is no paging" \
  'reason="breakpoint-hit"' '\^exit'
kill "$run"; wait "$run" 2>/dev/null; run=
echo "all of gdb's sessions are as they should be"
