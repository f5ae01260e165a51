#!/bin/bash
# Debian's kernel, from the boot loader to user space, saved and loaded in the middle again and again; and two runs of
# the program itself, of which one is saved and loaded half-way, end with the same --state-hash.
# linux.sh GLASSBOX SNAPSHOT_STEPS
steps=$(realpath "$2")
. "$(dirname "${BASH_SOURCE[0]}")/../boot/linux.sh" "$1"

linux_job <<'JOB'
i=0
while [ $i -lt 200 ]; do echo "$i $(cat /proc/uptime)" >>/tmp/log; i=$((i + 1)); done
md5sum /tmp/log
JOB

"$steps" --kernel "$kernel" --initrd "$job_initrd" --append "$linux_append" --memory 128 --until 1500000000 --longest 20000001 ||
  fail "a machine that was saved and loaded went another way"
"$steps" --kernel "$kernel" --initrd "$job_initrd" --append "$linux_append" --memory 128 --skip 400000003 --until 401000000 --longest 5001 --seed 5 ||
  fail "a machine that was saved and loaded every few instructions went another way"

common=(--display none --serial none --memory 128M --kernel "$kernel" --initrd "$job_initrd" --append "$linux_append")
hash_of() { "$glassbox" run "${common[@]}" --state-hash "$@" | grep state-hash; }
whole=$(hash_of --max-instructions 900000000)
again=$(hash_of --max-instructions 900000000)
hash_of --max-instructions 456789123 --save "$work/half" >/dev/null
resumed=$(hash_of --max-instructions 900000000 --load "$work/half")
[ -n "$whole" ] && [ "$whole" = "$again" ] || fail "two runs end differently: $whole, $again"
[ "$whole" = "$resumed" ] || fail "a run that was loaded half-way ends differently: $whole, $resumed"
echo "$whole, three times"
