#!/bin/bash
# video.sh GLASSBOX: screenshots of text, mode 12h, mode 13h, mode X, CGA and VBE pictures (guests/tests/video.asm): the size, how
# many colours, and the colours of pixels that follow from the picture's formula and the BIOS's palettes.
. "$(dirname "$0")/lib.sh"
need nasm nasm python3 python3
picture() { # NUMBER NAME SIZE COLOURS "X Y ..." "COLOUR ..."
  local size colours rest found
  nasm -f bin -DPICTURE="$1" -o "$work/video.img" "$tests/../../guests/tests/video.asm"
  truncate -s 1440K "$work/video.img"
  machine 60 --memory 16M --floppy "$work/video.img" --boot floppy <<S
wait-serial "picture stands" 20s
sleep 1s
screenshot $work/video.png
power-off
S
  read -r size colours rest < <(python3 "$tests/png.py" "$work/video.png")
  [ "$size $colours" = "$3 $4" ] || fail "$2: $size with $colours colours, expected $3 with $4"
  # The coordinates are words of their own.
  found=$(python3 "$tests/png.py" "$work/video.png" $5)
  [ "$found" = "$6" ] || fail "$2: the pixels $5 are $found, expected $6"
  echo "$2: $size, $colours colours"
}
picture 1 "text" 720x400 16 "0 0 279 0 0 48" "000000 0000aa ffffff"
picture 2 "mode 13h" 320x200 246 "1 0 2 0 0 1 4 0 15 0 0 2" "0000aa 00aa00 00aa00 aa0000 ffffff aa0000"
picture 3 "mode 12h" 640x480 16 "0 0 40 0 240 479 639 479" "000000 0000aa aa5500 ffffff"
picture 4 "VBE" 640x480 294912 "1 0 0 1 511 460 512 460" "000001 000280 047fff 000000"
picture 5 "mode 4" 320x200 4 "0 0 1 0 2 0 3 0 0 1 1 1" "000000 55ffff ff55ff ffffff ffffff ff55ff"
picture 6 "mode X" 320x240 246 "0 0 1 0 2 0 3 0" "aa0000 555555 000000 0000ff"
