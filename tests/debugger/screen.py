"""An X server without a screen (Xvfb), keys and mouse from xdotool, and what its screen shows."""
import ctypes
import os
import shutil
import struct
import subprocess
import tempfile
import time
import zlib

NEEDS = ("Xvfb", "xdotool")


def missing():
    return [name for name in NEEDS if not shutil.which(name)]


class Screen:
    def __init__(self, width=1024, height=768):
        self.folder = tempfile.mkdtemp(prefix="glassbox-x-")
        self.size = (width, height)
        read, write = os.pipe()
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24", "-fbdir", self.folder, "-nolisten", "tcp"],
            pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write)
        number = b""
        while not number.endswith(b"\n"):
            more = os.read(read, 16)
            assert more, "Xvfb does not start"
            number += more
        os.close(read)
        self.name = ":" + number.decode().strip()
        self.environment = {"DISPLAY": self.name, "SDL_VIDEODRIVER": "x11", "SDL_AUDIODRIVER": "dummy"}

    def close(self):
        self.server.terminate()
        self.server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def do(self, *arguments):
        """xdotool; what it prints."""
        done = subprocess.run(["xdotool", *map(str, arguments)], env={**os.environ, "DISPLAY": self.name},
                              capture_output=True, text=True)
        return done.stdout.strip()

    def find(self, title, patience=30):
        """The number of the window whose title holds `title`."""
        end = time.monotonic() + patience
        while True:
            found = self.do("search", "--name", title).split()
            if found:
                return found[0]
            assert time.monotonic() < end, f"no window is called {title!r}: {self.titles()}"
            time.sleep(0.05)

    def titles(self):
        return [self.do("getwindowname", w) for w in self.do("search", "--name", ".").split()]

    def wait_until(self, condition, what, patience=30):
        end = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < end, f"{what}: it did not come to that; {self.titles()}"
            time.sleep(0.05)

    def close_window(self, window):
        """As the button of a window manager does (ICCCM 4.2.8: WM_DELETE_WINDOW)."""
        class ClientMessage(ctypes.Structure):
            _fields_ = [("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("sent", ctypes.c_int), ("display", ctypes.c_void_p),
                        ("window", ctypes.c_ulong), ("message", ctypes.c_ulong), ("format", ctypes.c_int),
                        ("data", ctypes.c_long * 5), ("room", ctypes.c_long * 24)]
        x = ctypes.CDLL("libX11.so.6")
        x.XOpenDisplay.restype, x.XInternAtom.restype = ctypes.c_void_p, ctypes.c_ulong
        display = ctypes.c_void_p(x.XOpenDisplay(self.name.encode()))
        protocols, delete = (x.XInternAtom(display, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
        event = ClientMessage(type=33, window=int(window), message=protocols, format=32)
        event.data[0] = delete
        x.XSendEvent(display, ctypes.c_ulong(int(window)), 0, ctypes.c_long(0), ctypes.byref(event))
        x.XCloseDisplay(display)

    def pixels(self):
        """(width, height, rows of RGB)."""
        data = open(os.path.join(self.folder, "Xvfb_screen0"), "rb").read()
        header = struct.unpack(">25I", data[:100])  # XWDFile.h
        size, width, height, little, stride, colours = header[0], header[4], header[5], header[7] == 0, header[12], header[19]
        at = size + colours * 12
        rows = []
        for y in range(height):
            row = data[at + y * stride:at + y * stride + width * 4]
            rgb = bytearray(width * 3)
            for i, place in enumerate((2, 1, 0) if little else (1, 2, 3)):
                rgb[i::3] = row[place::4]
            rows.append(bytes(rgb))
        return width, height, rows

    def save(self, path):
        width, height, rows = self.pixels()

        def chunk(kind, body):
            return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        with open(path, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                       chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))) + chunk(b"IEND", b""))
