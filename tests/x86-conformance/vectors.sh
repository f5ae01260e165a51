#!/bin/bash
# vectors.sh GLASSBOX [OPTION...]: the moo suite on the captures at hand: $GLASSBOX_VECTORS, or ../shared/vectors beside the
# source tree. Without them it is skipped (status 77) with the program's own words on how to get the collection.
glassbox=$1
shift
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
vectors=${GLASSBOX_VECTORS:-$root/../shared/vectors}
if [ ! -d "$vectors" ]; then
  (cd "$root" && "$glassbox" conform moo)
  echo "skipped: no captures in $vectors"
  exit 77
fi
exec "$glassbox" conform moo "$vectors" "$@"
