#!/usr/bin/env python3
"""extract-vmlinux.py bzImage vmlinux: the ELF kernel inside a bzImage (Linux boot protocol 2.08, payload_offset and
payload_length); status 77 for a compression that Python cannot undo."""
import gzip, lzma, struct, sys

data = open(sys.argv[1], "rb").read()
start = (data[0x1F1] + 1) * 512
offset, length = struct.unpack_from("<II", data, 0x248)
payload = data[start + offset:start + offset + length]
if payload[:6] == b"\xfd7zXZ\0":
    kernel = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(payload)
elif payload[:3] == b"\x5d\0\0":
    kernel = lzma.LZMADecompressor(lzma.FORMAT_ALONE).decompress(payload)
elif payload[:2] == b"\x1f\x8b":
    kernel = gzip.decompress(payload[:-4])
else:
    sys.exit(77)
open(sys.argv[2], "wb").write(kernel)
