"""A program at a terminal of its own, as a person has it."""
import fcntl
import os
import pty
import re
import select
import struct
import tempfile
import termios
import time

PROMPT = "(glassbox) "
PATIENCE = 60.0


def plain(data):
    """Without the control sequences of line editing and of colours."""
    return re.sub(r"\r?\x1b\[[0-9;?]*[A-Za-z]", "", data)


class Terminal:
    def __init__(self, *arguments, environment=None, columns=80, lines=24):
        self.home = tempfile.mkdtemp(prefix="glassbox-pty-")
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm", XDG_STATE_HOME=self.home)
            for name in ("DISPLAY", "WAYLAND_DISPLAY", "NO_COLOR"):
                os.environ.pop(name, None)
            os.environ.update(environment or {})
            os.execv(arguments[0], arguments)
        self.resize(columns, lines)

    def resize(self, columns, lines):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, text):
        os.write(self.fd, text if isinstance(text, bytes) else text.encode())

    def text(self):
        return plain(self.seen)

    def read(self, seconds):
        """Takes what comes within this time, if anything; False at the end."""
        if not select.select([self.fd], [], [], max(seconds, 0))[0]:
            return True
        try:
            data = os.read(self.fd, 4096)
        except OSError:
            data = b""
        self.seen += data.decode(errors="replace")
        return bool(data)

    def wait_for(self, text, after=0, patience=PATIENCE):
        """Reads until `text` has appeared behind position `after`; returns the position behind it."""
        end = time.monotonic() + patience
        while True:
            at = self.text().find(text, after)
            if at >= 0:
                return at + len(text)
            if time.monotonic() > end:
                raise AssertionError(f"{text!r} did not appear; the terminal shows:\n{self.text()}\n{self.seen[-200:]!r}")
            if not self.read(end - time.monotonic()):
                raise AssertionError(f"it ended before {text!r} appeared:\n{self.text()}")

    def listen(self, seconds):
        """Takes what comes for this long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.read(end - time.monotonic()):
            pass

    def ask(self, command, after):
        """Types a command at the prompt; its answer, and the position behind the next prompt."""
        self.type(command + "\n")
        begin = self.wait_for("\n", self.wait_for(command, after))
        end = self.wait_for(PROMPT, begin)
        return self.text()[begin:end - len(PROMPT)], end

    def end(self):
        """Waits for the end; the status."""
        end = time.monotonic() + PATIENCE
        while self.read(end - time.monotonic()):
            assert time.monotonic() < end, "it does not end; the terminal shows:\n" + self.text()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def expect(condition, what, terminal):
    if not condition:
        raise AssertionError(what + "; the terminal shows:\n" + terminal.text())
