#!/bin/bash
# Whatever is wrong with a file or an option: one clear message that names it, status 1, nothing crashes.
# bad_input.sh GLASSBOX
set -u
glassbox=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/glassbox-bad.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0 checks=0 demo=--demo

# refuses WORDS ARGUMENTS...: status 1 and a message in which all the words (an extended regular expression) occur.
refuses() {
  local words=$1 status
  shift
  timeout -k 2 10 "$glassbox" run $demo --display none --serial none --max-instructions 1000 "$@" >out 2>&1 </dev/null
  status=$?
  checks=$((checks + 1))
  if [ $status -ne 1 ] || ! grep -Eiq -- "$words" out; then
    failures=$((failures + 1))
    echo "FAILED: glassbox run $*: status $status, wanted 1 and '$words'; it says:"
    sed 's/^/    /' out | head -n 12
  fi
}
# accepts ARGUMENTS...: runs to its instruction limit.
accepts() {
  local status
  timeout -k 2 10 "$glassbox" run $demo --display none --serial none --max-instructions 1000 "$@" >out 2>&1 </dev/null
  status=$?
  checks=$((checks + 1))
  if [ $status -ne 3 ]; then
    failures=$((failures + 1))
    echo "FAILED: glassbox run $*: status $status, wanted 3; it says:"
    sed 's/^/    /' out | head -n 12
  fi
}
# noise COUNT: the same bytes of no meaning every time. What a processor makes of random ones may be to wait for a key.
noise() { LC_ALL=C awk -v n="$1" 'BEGIN { s = 1; while (n-- > 0) { s = s * 16807 % 2147483647; printf "%c", int(s / 64) % 256 } }'; }
# bytes HEX...: binary output
bytes() { local b; for b; do printf "\\x$b"; done; }

truncate -s 1M disk.img
truncate -s 1474560 floppy.img
truncate -s 700K cd.iso
: >empty
mkdir folder

# --- options -----------------------------------------------------------------------------------------------------------
refuses 'frobnicate' --frobnicate
refuses 'memory' --memory 0
refuses 'memory' --memory 100K
refuses 'memory' --memory 999999G
refuses 'memory' --memory -5M
refuses 'memory' --memory lots
refuses 'memory' --memory 18446744073709551615
refuses 'memory' --memory ''
refuses '8087' --cpu 8087
refuses 'boot' --boot tape
refuses 'max-instructions' --max-instructions many
refuses 'ips' --ips 0
refuses 'ips' --ips -1
refuses 'clock' --clock cuckoo
refuses 'display' --display cinema
refuses 'serial' --serial pigeon
refuses 'exit-port' --exit-port 70000
refuses 'max-seconds' --max-seconds soon
refuses 'triple' --on-triple-fault panic
refuses 'nowhere/log' --serial file:nowhere/log
refuses 'serial' --serial none --serial none --serial none --serial none --serial none

# --- disks -------------------------------------------------------------------------------------------------------------
refuses 'missing.img' --disk missing.img
refuses 'folder' --disk folder
refuses 'empty' --disk empty
refuses 'empty' --cdrom empty
refuses 'empty' --floppy empty
refuses 'disk.img,wobbly|wobbly' --disk disk.img,wobbly
refuses 'four|IDE|places' --disk disk.img,readonly --disk disk.img,readonly --disk disk.img,readonly --disk disk.img,readonly --disk disk.img,readonly
refuses 'two floppy|floppy' --floppy floppy.img,readonly --floppy floppy.img,readonly --floppy floppy.img,readonly
head -c 1000 /dev/zero >odd.img
accepts --disk odd.img # its whole sectors
head -c 1000000 /dev/zero >odd-floppy.img
refuses 'odd-floppy.img' --floppy odd-floppy.img
head -c 3000 /dev/zero >odd.iso
accepts --cdrom odd.iso
for foreign in KDMV vhdxfile conectix 'QED' 'PK\x03\x04' '\x1f\x8b\x08'; do
  { printf "$foreign\0"; head -c 8192 /dev/zero; } | head -c 8192 >foreign.img
  refuses 'foreign.img.*format' --disk foreign.img
done
mkfifo pipe
refuses 'pipe' --disk pipe
demo= refuses "pipe" --kernel pipe
refuses 'pipe' --load pipe
if [ "$(id -u)" != 0 ]; then
  touch secret.img && chmod 000 secret.img
  refuses 'secret.img' --disk secret.img
fi

# qcow2: magic and version, then nothing; and a header whose fields are absurd one by one.
bytes 51 46 49 fb 00 00 00 02 >short.qcow2
refuses 'short.qcow2' --disk short.qcow2
bytes 51 46 49 fb 00 00 00 63 >version.qcow2
truncate -s 64K version.qcow2
refuses 'version.qcow2' --disk version.qcow2
# big-endian: magic, version 2, backing offset 0, backing size 0, cluster bits 16, size 1 MiB, no crypt, L1 of 1 at
# 30000h, refcounts at 10000h in 1 cluster, no snapshots
header=(51 46 49 fb 00 00 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 10
  00 00 00 00 00 10 00 00 00 00 00 00 00 00 00 01 00 00 00 00 00 03 00 00
  00 00 00 00 00 01 00 00 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00)
qcow2() { # qcow2 OFFSET HEX...: good.qcow2 with some bytes of the header replaced
  bytes "${header[@]}" >q.qcow2
  truncate -s 262144 q.qcow2
  bytes 00 00 00 00 00 02 00 00 | dd of=q.qcow2 bs=1 seek=65536 conv=notrunc status=none # refcount table: one block
  bytes 00 01 00 01 00 01 00 01 | dd of=q.qcow2 bs=1 seek=131072 conv=notrunc status=none
  local offset=$1
  shift
  bytes "$@" | dd of=q.qcow2 bs=1 seek="$offset" conv=notrunc status=none
}
qcow2 0 51
accepts --disk q.qcow2
qcow2 20 ff ff ff ff # cluster bits
refuses 'q.qcow2' --disk q.qcow2
qcow2 20 00 00 00 05
refuses 'q.qcow2' --disk q.qcow2
qcow2 24 ff ff ff ff ff ff fe 00 # size
refuses 'q.qcow2' --disk q.qcow2
qcow2 32 00 00 00 02 # encryption
refuses 'q.qcow2.*(encr|LUKS|AES|crypt)' --disk q.qcow2
qcow2 36 7f ff ff ff # L1 entries
refuses 'q.qcow2' --disk q.qcow2
qcow2 40 ff ff ff ff ff ff 00 00 # L1 offset
refuses 'q.qcow2' --disk q.qcow2
qcow2 48 ff ff ff ff ff ff 00 00 # refcount table
refuses 'q.qcow2' --disk q.qcow2
qcow2 56 ff ff ff ff
refuses 'q.qcow2' --disk q.qcow2
qcow2 8 00 00 00 00 00 00 00 50 00 00 ff ff # backing file name
refuses 'q.qcow2' --disk q.qcow2
qcow2 8 00 00 00 00 00 00 00 48 00 00 00 08 6e 6f 77 68 65 72 65 21
refuses 'q.qcow2' --disk q.qcow2
qcow2 0 51
truncate -s 100000 q.qcow2
refuses 'q.qcow2' --disk q.qcow2

# --- images in use -------------------------------------------------------------------------------------------------------
timeout -k 2 30 "$glassbox" run --demo --display none --serial none --disk disk.img --clock realtime >holder.log 2>&1 </dev/null &
holder=$!
for _ in $(seq 200); do # until it has its lock; to try would be to take it away from it
  grep -q ":$(stat -c %i disk.img) " /proc/locks && break
  sleep 0.05
done
refuses 'disk.img.*(use|lock)' --disk disk.img
refuses 'disk.img.*(use|lock)' --disk disk.img,readonly
refuses 'disk.img.*(use|lock)' --cdrom disk.img
kill $holder 2>/dev/null
wait $holder 2>/dev/null
accepts --disk disk.img
refuses 'disk.img.*(use|lock)' --disk disk.img --disk disk.img
accepts --disk disk.img,readonly --disk disk.img,discard-writes

# --- firmware ------------------------------------------------------------------------------------------------------------
for option in --bios --vgabios; do
  refuses 'missing.rom' $option missing.rom
  refuses 'empty' $option empty
  noise 1 >one.rom
  refuses 'one.rom' $option one.rom
  head -c 65537 /dev/zero >odd.rom
  refuses 'odd.rom' $option odd.rom
  truncate -s 1G huge.rom
  refuses 'huge.rom' $option huge.rom
  refuses 'folder' $option folder
  head -c 65536 /dev/zero >zero.rom
  refuses 'zero.rom' $option zero.rom
done
bytes 55 aa ff >lying.rom
truncate -s 4096 lying.rom
refuses 'lying.rom' --vgabios lying.rom
noise 65536 >random.rom
accepts --bios random.rom

# --- kernels -------------------------------------------------------------------------------------------------------------
demo=
refuses 'nothing to boot'
refuses 'missing' --kernel missing
refuses 'empty' --kernel empty
noise 100000 >noise
refuses 'noise' --kernel noise
refuses 'kernel' --initrd noise
linux() { # linux SETUP-SECTORS OFFSET HEX...: a bzImage's header and little else
  head -c 32768 /dev/zero >k
  bytes "$1" | dd of=k bs=1 seek=497 conv=notrunc status=none
  bytes 55 aa eb 66 48 64 72 53 0c 02 | dd of=k bs=1 seek=510 conv=notrunc status=none
  bytes 01 | dd of=k bs=1 seek=529 conv=notrunc status=none
  bytes 00 00 10 00 | dd of=k bs=1 seek=532 conv=notrunc status=none
  bytes ff ff ff 37 ff ff | dd of=k bs=1 seek=556 conv=notrunc status=none
  local offset=$2
  shift 2
  bytes "$@" | dd of=k bs=1 seek="$offset" conv=notrunc status=none
}
linux 04 0 00
accepts --kernel k
head -c 600 k >k.short
refuses 'k.short' --kernel k.short
head -c 1500 k >k.short
refuses 'k.short' --kernel k.short
linux ff 0 00
refuses "'k'" --kernel k
linux 04 518 00 01 # protocol 1.0
refuses "'k'" --kernel k
linux 04 0 00
refuses 'missing' --kernel k --initrd missing
truncate -s 200M big.initrd
refuses 'big.initrd|memory' --kernel k --initrd big.initrd --memory 64M
elf() { # elf OFFSET HEX...: a multiboot ELF kernel of one program header
  head -c 8192 /dev/zero >m
  bytes 7f 45 4c 46 01 01 01 00 00 00 00 00 00 00 00 00 02 00 03 00 01 00 00 00 00 10 10 00 34 00 00 00 | dd of=m bs=1 conv=notrunc status=none
  bytes 34 00 20 00 01 00 | dd of=m bs=1 seek=40 conv=notrunc status=none
  # type 1, offset 1000h, at 101000h, 100h bytes in the file, 200h in memory
  bytes 01 00 00 00 00 10 00 00 00 10 10 00 00 10 10 00 00 01 00 00 00 02 00 00 07 00 00 00 00 10 00 00 | dd of=m bs=1 seek=52 conv=notrunc status=none
  bytes 02 b0 ad 1b 00 00 00 00 fe 4f 52 e4 | dd of=m bs=1 seek=256 conv=notrunc status=none
  local offset=$1
  shift
  bytes "$@" | dd of=m bs=1 seek="$offset" conv=notrunc status=none
}
elf 0 7f
accepts --kernel m
elf 28 00 ff ff ff # program headers beyond the end
refuses "'m'" --kernel m
elf 44 ff ff # too many of them
refuses "'m'" --kernel m
elf 56 00 ff ff ff # segment's place in the file
refuses "'m'" --kernel m
elf 64 00 00 00 f0 # its address
refuses "'m'" --kernel m
elf 68 ff ff ff ff # its length
refuses "'m'" --kernel m
elf 72 ff ff ff ff # its length in memory
refuses "'m'" --kernel m
elf 72 10 00 00 00 # less in memory than in the file
refuses "'m'" --kernel m
elf 24 00 00 00 f0 # the entry point outside
refuses "'m'" --kernel m
elf 0 7f
head -c 300 m >m.short
refuses 'm.short' --kernel m.short
# without ELF: the addresses are in the header (flags bit 16), all wrong
head -c 8192 /dev/zero >raw
bytes 02 b0 ad 1b 00 00 01 00 fe 4f 51 e4 ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff | dd of=raw bs=1 conv=notrunc status=none
refuses "'raw'" --kernel raw
elf2() { # elf2 OFFSET HEX...: the same kernel with a multiboot2 header at 512
  elf 512 d6 50 52 e8 00 00 00 00 18 00 00 00 12 af ad 17 00 00 00 00 08 00 00 00
  local offset=$1
  shift
  bytes "$@" | dd of=m bs=1 seek="$offset" conv=notrunc status=none
}
elf2 0 7f
accepts --kernel m
elf2 520 00 00 ff ff 2a af ae 17 # its length
refuses "'m'.*200h" --kernel m
elf2 528 63 00 00 00 08 00 00 00 # a tag that nobody knows
refuses "'m'.*99 at offset 210h" --kernel m
elf2 528 04 00 00 00 00 00 00 00 # a tag without a size
refuses "'m'.*210h" --kernel m
elf2 528 02 00 00 00 08 00 00 00 # an address tag without addresses
refuses "'m'.*210h" --kernel m
elf2 32 00 ff ff ff 00 00 00 00 34 00 20 00 01 00 28 00 05 00 # section headers beyond the end
refuses "'m'.*section headers" --kernel m
head -c 522 m >m.short
refuses 'm.short' --kernel m.short

demo=--demo
# --- configuration files -------------------------------------------------------------------------------------------------
toml() { printf "$1" >c.toml; }
toml 'memory = "64M'
refuses 'c.toml' c.toml
toml 'colour = "blue"\n'
refuses 'c.toml.*colour' c.toml
toml 'memory = ["64M"]\n'
refuses 'c.toml.*memory' c.toml
toml 'memory = 1979-05-27\n'
refuses 'c.toml.*memory' c.toml
toml '\xff\xfe\x00'
refuses 'c.toml' c.toml
noise 100000 >c.toml
refuses 'c.toml' c.toml
{ printf 'a = '; head -c 200000 /dev/zero | tr '\0' '['; } >c.toml
refuses 'c.toml' c.toml
refuses 'missing.toml' missing.toml
refuses 'folder' folder

# --- scripts -------------------------------------------------------------------------------------------------------------
for line in 'dance' 'wait-screen' 'wait-screen "x' 'wait-screen "x" 5 parsecs' 'key ctrl-alt-hyper' 'mouse' 'floppy 7 x' 'sleep' 'sleep -1s' 'type "\q"' 'save' 'screenshot'; do
  echo "$line" >script
  refuses 'script.*1' --script script
done
refuses 'missing' --script missing
refuses 'folder' --script folder

# --- snapshots -----------------------------------------------------------------------------------------------------------
accepts --memory 4M --save good.snap
accepts --memory 4M --load good.snap
size=$(stat -c %s good.snap)
refuses 'missing.snap' --memory 4M --load missing.snap
refuses 'empty' --memory 4M --load empty
refuses 'disk.img' --memory 4M --load disk.img
refuses 'folder' --memory 4M --load folder
refuses 'good.snap.*memory' --memory 8M --load good.snap
refuses 'good.snap.*(--cpu|processor)' --memory 4M --cpu 486 --load good.snap
refuses 'good.snap' --memory 4M --serial none --serial none --load good.snap
for length in 1 7 8 15 16 17 100 $((size / 2)) $((size - 1)); do
  head -c "$length" good.snap >bad.snap
  refuses 'bad.snap' --memory 4M --load bad.snap
done
for at in 0 8 12 16 100 $((size / 2)) $((size - 1)); do
  cp good.snap bad.snap
  { head -c "$((at + 1))" good.snap | tail -c 1 | tr '\000-\377' '\200-\377\000-\177'; } | dd of=bad.snap bs=1 seek="$at" conv=notrunc status=none
  refuses 'bad.snap' --memory 4M --load bad.snap
done
{ cat good.snap; printf x; } >bad.snap
refuses 'bad.snap' --memory 4M --load bad.snap
refuses 'nowhere' --memory 4M --save nowhere/x.snap

# --- the debugger: options, symbol files, scripts, recordings ---------------------------------------------------------
refuses 'gdb' --gdb 70000
refuses 'gdb' --gdb here
refuses 'gdb-arch' --gdb-arch arm
refuses 'gdb.*listen' --gdb 192.0.2.1:5000
refuses 'break.*nowhere' --break nowhere
refuses 'break' --break '[1'
refuses 'hostile' --hostile much
refuses 'history-memory' --history-memory lots
refuses 'missing.gbd' -x missing.gbd
refuses 'folder' -x folder
refuses 'exclude|no place' --record a.rec --replay b.rec
refuses 'lockstep' --lockstep no-cache --record a.rec
refuses 'nowhere/a.rec' --record nowhere/a.rec
refuses 'no space' --record /dev/full
refuses 'disk.img.*no recording' --record disk.img
refuses 'magic-break takes no value' --magic-break=no
refuses 'lint.*error' --lint=loud
refuses 'gdb-arch needs' --gdb-arch i386
for file in missing.map folder empty disk.img; do refuses "$file" --symbols "$file"; done
noise 5000 >noise.sym
bytes 7f 45 4c 46 01 01 01 00 >short.elf
{ bytes 7f 45 4c 46 02 01 01 00; noise 3000; } >wild.elf
for file in noise.sym short.elf wild.elf; do refuses "$file" --symbols "$file"; done
refuses '@' --symbols noise.sym@lots
demo=
for file in missing.rec folder empty disk.img noise.sym; do refuses "$file" --replay "$file"; done
demo=--demo
accepts --record good.rec
size=$(stat -c %s good.rec)
demo=
for keep in 1 8 40 $((size / 3)); do # a file that breaks off is good up to there, if there is a machine in it
  head -c "$keep" good.rec >cut.rec
  timeout 20 "$glassbox" --replay cut.rec --display none --serial none >out 2>&1 </dev/null
  status=$?
  checks=$((checks + 1))
  if [ $status -gt 1 ] || { [ $status -eq 1 ] && ! grep -q cut.rec out; }; then
    failures=$((failures + 1))
    echo "FAILED: a recording of $size bytes cut to $keep: status $status"; head -n 5 out
  fi
done
for at in 0 9 30 $((size / 2)) $((size - 9)); do
  { head -c "$at" good.rec; bytes a5 5a a5; tail -c +$((at + 4)) good.rec; } >bent.rec
  refuses 'bent.rec' --replay bent.rec
done
refuses 'memory.*no place' --replay good.rec --memory 64M
refuses 'script' --replay good.rec --script noise.sym
demo=--demo

echo "$checks checks, $failures failures"
[ $failures -eq 0 ]
