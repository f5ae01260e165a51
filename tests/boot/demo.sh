#!/bin/bash
# demo.sh GLASSBOX keyboard|serial: every command of the demo guest, from the keyboard or from COM1.
. "$(dirname "$0")/lib.sh"
truncate -s 8M "$work/disk.img"
say() { if [ "$way" = serial ]; then echo "send \"$1\""; else echo "type \"$1\""; fi; }
way=$1
{
  echo 'wait-serial "GlassBox demo ready" 20s'
  while IFS='|' read -r command answer; do
    say "$command\\n"
    echo "wait-serial \"$answer\" 20s"
    echo "wait-serial \"glass> \" 20s"
  done <<'T'
help|switch the machine off
cpu|GenuineIntel
mem|07FFE000 - 07FFFFFF  reserved
pci|1234:1111
tasks|primes
disk|8 MiB
fault|general protection fault
uptime| s
nonsense|There is no command 'nonsense'
T
  say "gfx\\n"
  echo 'wait-serial "press a key to come back" 20s'
  echo 'sleep 2s'
  echo "screenshot $work/gfx.png"
  say " "
  echo 'wait-serial "Back in text mode" 20s'
  say "xyz\\b\\b\\bclear\\n"
  echo 'sleep 1s'
  say "reboot\\n"
  echo 'wait-serial "GlassBox demo ready" 20s'
  echo 'wait-screen "glass>" 20s'
  say "off\\n"
  echo 'wait-power-off 20s'
} | machine 100 --demo --disk "$work/disk.img"
if command -v python3 >/dev/null; then
  read -r size colours rest < <(python3 "$tests/png.py" "$work/gfx.png")
  [ "$size" = 640x480 ] && [ "$colours" -gt 1000 ] || fail "gfx drew $size with $colours colours"
fi
