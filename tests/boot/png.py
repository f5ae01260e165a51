#!/usr/bin/env python3
"""png.py FILE: prints WIDTHxHEIGHT, the number of colours, and the first 16 digits of the SHA-256 of the pixels (RGB).
png.py FILE X Y ...: prints the colours of these pixels instead, as RRGGBB."""
import hashlib
import struct
import sys
import zlib


def pixels(path):
    with open(path, "rb") as file:
        data = file.read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", "not a PNG"
    place, packed = 8, b""
    while place < len(data):
        length, kind = struct.unpack(">I4s", data[place:place + 8])
        body = data[place + 8:place + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
        place += length + 12
    assert depth == 8 and colour in (2, 6) and interlace == 0, "neither RGB nor RGBA with 8 bits"
    step = 3 if colour == 2 else 4
    raw, above, out = zlib.decompress(packed), bytearray(width * step), bytearray()
    for y in range(height):
        start = y * (width * step + 1)
        kind, line = raw[start], bytearray(raw[start + 1:start + 1 + width * step])
        for i in range(len(line)):
            left = line[i - step] if i >= step else 0
            up, corner = above[i], above[i - step] if i >= step else 0
            if kind == 1:
                line[i] = (line[i] + left) & 255
            elif kind == 2:
                line[i] = (line[i] + up) & 255
            elif kind == 3:
                line[i] = (line[i] + (left + up) // 2) & 255
            elif kind == 4:
                near = left + up - corner
                distance = (abs(near - left), abs(near - up), abs(near - corner))
                line[i] = (line[i] + (left, up, corner)[distance.index(min(distance))]) & 255
        above = line
        for x in range(width):
            out += line[x * step:x * step + 3]
    return width, height, bytes(out)


width, height, data = pixels(sys.argv[1])
if len(sys.argv) > 2:
    places = list(zip(sys.argv[2::2], sys.argv[3::2]))
    print(" ".join(data[(int(y) * width + int(x)) * 3:][:3].hex() for x, y in places))
else:
    colours = len({data[i:i + 3] for i in range(0, len(data), 3)})
    print(f"{width}x{height} {colours} {hashlib.sha256(data).hexdigest()[:16]}")
