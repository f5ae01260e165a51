#!/bin/bash
# dispatch.sh GLASSBOX OTHER...: several builds of the program (tail calls, trampoline, another compiler) end the same
# run in the same state.
. "$(dirname "$0")/../boot/lib.sh"
state() { "$1" run --demo --display none --max-instructions 150M --state-hash 2>/dev/null | grep -a state-hash || true; }
want=$(state "$glassbox")
[ -n "$want" ] || fail "$glassbox prints no state"
for other; do
  got=$(state "$other")
  [ "$got" = "$want" ] || fail "$other ends with '$got', $glassbox with '$want'"
done
echo "$want in $(($# + 1)) builds"
