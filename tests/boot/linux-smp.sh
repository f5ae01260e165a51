#!/bin/bash
# linux-smp.sh GLASSBOX N: a Linux on N processors: it starts them all, trusts their time-stamp counters, spreads work over
# them, and the work gives the same as on one.
. "$(dirname "$0")/linux.sh"
count=$1
linux_job <<'J'
n=$(grep -c ^processor /proc/cpuinfo)
work() { dd if=/bin/busybox bs=4k count=120 skip=$1 2>/dev/null | gzip -c | gzip -dc | sha256sum; }
i=0; while [ $i -lt $n ]; do work $i >/tmp/apart$i; i=$((i + 1)); done
i=0; while [ $i -lt $n ]; do work $i >/tmp/together$i & i=$((i + 1)); done; wait
same=0
i=0; while [ $i -lt $n ]; do cmp /tmp/apart$i /tmp/together$i && same=$((same + 1)); i=$((i + 1)); done
busy=$(awk '/^cpu[0-9]/ && $2 + $4 > 0 { n++ } END { print n + 0 }' /proc/stat)
dmesg | grep -i "warp\|unstable\|firmware bug" && echo "@@complaints"
echo "@@processors $n same $same busy $busy clock $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
J
machine 240 --memory 256M --smp "$count" --kernel "$kernel" --initrd "$job_initrd" --append "$linux_append" <<S
wait-serial "@@end" 300s
wait-power-off 30s
S
serial_has "@@processors $count same $count busy $count clock tsc"
if grep -q "@@complaints" "$work/serial"; then fail "the kernel complains about its processors"; fi
echo "Linux runs on $count processors"
