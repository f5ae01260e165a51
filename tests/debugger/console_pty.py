#!/usr/bin/env python3
"""The debugger's console at a terminal, as a person uses it: prompt, completion, history, Ctrl-C, Ctrl-D, Ctrl-Z, jobs of a
shell, resizing, pasting, other encodings, terminals that can do nothing.

console_pty.py GLASSBOX
"""
import os
import re
import signal
import socket
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from terminal import PROMPT, Terminal, expect


def editing(glassbox):
    t = Terminal(glassbox, "debug", "--demo", "--display", "none")
    at = t.wait_for(PROMPT)
    expect("help lists everything" in t.seen, "no welcome", t)
    t.type("apro\t")
    at = t.wait_for("apropos ", at)
    t.type("snapshot\n")
    at = t.wait_for("for --load", at)
    at = t.wait_for(PROMPT, at)
    t.type("echo one two\n")
    at = t.wait_for("one two\r\none two", at)
    at = t.wait_for(PROMPT, at)
    t.type("\x1b[A\n")  # the last line again
    at = t.wait_for("one two\r\none two", at)
    at = t.wait_for(PROMPT, at)
    t.type("nonsense\n")
    at = t.wait_for("there is no command 'nonsense'", at)
    at = t.wait_for(PROMPT, at)
    t.type("half a line\x03")
    at = t.wait_for(PROMPT, at)
    t.type("\x04")
    expect(t.end() == 0, "Ctrl-D does not end with status 0", t)
    expect("echo one two" in open(t.home + "/glassbox/history").read().replace("\\040", " "), "no history kept", t)


def breaking_in(glassbox):
    t = Terminal(glassbox, "debug", "--demo", "--display", "none")
    at = t.wait_for(PROMPT)
    t.type("c\n")
    time.sleep(1.0)
    t.type("\x03")
    at = t.wait_for(PROMPT, at)
    t.type("print $cs\n")
    at = t.wait_for(PROMPT, at)
    t.type("q\n")
    expect(t.end() == 0, "q does not end with status 0", t)


def from_a_plain_run(glassbox):
    t = Terminal(glassbox, "--demo", "--display", "none")
    time.sleep(1.0)
    t.type("\x03")
    at = t.wait_for(PROMPT)
    t.type("c\n")
    time.sleep(0.5)
    t.type("\x03")
    at = t.wait_for(PROMPT, at)
    t.type("q\n")
    expect(t.end() == 0, "q does not end with status 0", t)


def from_a_serial_terminal(glassbox):
    t = Terminal(glassbox, "--demo", "--display", "none", "--serial", "stdio")
    at = t.wait_for("Ctrl+A h shows the keys")
    time.sleep(0.5)
    t.type("\x01d")
    at = t.wait_for(PROMPT, at)
    t.type("c\n")
    time.sleep(0.5)
    t.type("\x01x")
    expect(t.end() == 0, "Ctrl+A x does not end with status 0", t)


def killed(glassbox):
    t = Terminal(glassbox, "debug", "--demo", "--display", "none")
    t.wait_for(PROMPT)
    os.kill(t.pid, signal.SIGTERM)
    expect(t.end() == 128 + signal.SIGTERM, "SIGTERM at the prompt does not end with status 143", t)


def ctrl_c(glassbox):
    """Running, stopped, twice, and while commands wait."""
    with tempfile.NamedTemporaryFile("w", suffix=".gbd") as script:
        script.write("echo begun\nc\necho never\nc\n")
        script.flush()
        t = Terminal(glassbox, "debug", "--demo", "--display", "none", "-x", script.name)
        at = t.wait_for("begun\n".strip(), t.wait_for("echo begun"))
        time.sleep(1.0)
        t.type("\x03\x03")
        at = t.wait_for("the commands that waited are dropped", at)
        at = t.wait_for(PROMPT, t.wait_for("Interrupted", at))
        t.listen(0.5)
        t.type("\x03\x03half\x03\x03")
        t.listen(0.5) # signals and bytes come by different ways: nobody types as fast as this test
        answer, at = t.ask("print $instructions", at)
        expect("never" not in t.text(), "a command that waited was executed after Ctrl-C", t)
        expect("half" not in answer and "decimal" in answer, "the line was not cleared", t)
        t.type("c\n")
        time.sleep(0.3)
        t.type("\x03")
        at = t.wait_for(PROMPT, t.wait_for("Interrupted", at))
        t.type("q\n")
        expect(t.end() == 0, "q does not end with status 0", t)


def pasted(glassbox):
    """Lines behind one that runs the machine wait until it has stopped."""
    t = Terminal(glassbox, "debug", "--demo", "--display", "none")
    at = t.wait_for(PROMPT)
    t.type("echo one\nbreak 0:7c00h\nc\nprint cs.base + eip\necho three\nstep\n")
    at = t.wait_for("one", t.wait_for("echo one", at))
    at = t.wait_for("7C00", at)
    at = t.wait_for("7C00h", t.wait_for("hex", at))
    at = t.wait_for("three", t.wait_for("echo three", at))
    at = t.wait_for(PROMPT, t.wait_for("0000:", at))
    t.type("q\n")
    expect(t.end() == 0, "q does not end with status 0", t)


def jobs(glassbox):
    """Ctrl-Z and fg, in the middle of a line and of a run; the shell's terminal is as it was."""
    t = Terminal("/bin/bash", "--norc", "--noprofile", "-i", environment={"PS1": "shell> "})
    at = t.wait_for("shell> ")
    t.type("stty -a | tr ' ' '\\n' | grep -E '^-?(icanon|echo|isig);?$' | tr -d '\\n;'; echo\n")
    at = t.wait_for("isig", t.wait_for("echo\r\n", at))
    modes = re.findall(r"-?isig|-?icanon|-?echo", t.text()[:at].split("\n")[-1])
    at = t.wait_for("shell> ", at)
    t.type(f"{glassbox} debug --demo --display none\n")
    at = t.wait_for(PROMPT, at)
    t.type("echo of two h")
    at = t.wait_for("two h", at)
    t.type("\x1a")
    at = t.wait_for("shell> ", t.wait_for("Stopped", at))
    t.type("stty -a | tr ' ' '\\n' | grep -E '^-?(icanon|echo|isig);?$' | tr -d '\\n;'; echo\n")
    at = t.wait_for("isig", t.wait_for("echo\r\n", at))
    again = re.findall(r"-?isig|-?icanon|-?echo", t.text()[:at].split("\n")[-1])
    expect(modes == again, f"the terminal was {modes} and is {again}", t)
    at = t.wait_for("shell> ", at)
    t.type("fg\n")
    at = t.wait_for(PROMPT + "echo of two h", at)
    t.type("alves\n")
    at = t.wait_for(PROMPT, t.wait_for("of two halves", t.wait_for("alves", at)))
    t.type("c\n")
    time.sleep(0.5)
    t.type("\x1a")
    at = t.wait_for("shell> ", t.wait_for("Stopped", at))
    # In the background it runs, and does not touch the terminal; what stops it there says where the debugger is.
    t.type("bg\n")
    at = t.wait_for("shell> ", at)
    t.type("kill -INT %1; echo sent\n")
    at = t.wait_for("sent", t.wait_for("sent", at))
    at = t.wait_for("foreground (fg)", at)
    t.type("fg\n")
    at = t.wait_for(PROMPT, at)
    answer, at = t.ask("echo here again", at)
    expect("here again" in answer, "no answer", t)
    t.type("q\n")
    t.wait_for("shell> ", at)
    t.type("exit\n")
    expect(t.end() == 0, "the shell does not end well", t)


def resized(glassbox):
    t = Terminal(glassbox, "debug", "--demo", "--display", "none", columns=120)
    at = t.wait_for(PROMPT)
    t.type("echo " + "abcde" * 10)
    at = t.wait_for("abcde" * 10, at)
    t.resize(40, 10)
    t.type("fghij" * 10 + "\n")
    at = t.wait_for("\n" + "abcde" * 10 + "fghij" * 10, at)
    t.wait_for(PROMPT, at)
    t.type("q\n")
    expect(t.end() == 0, "q does not end with status 0", t)


def from_the_terminal_display(glassbox):
    t = Terminal(glassbox, "--demo", "--display", "terminal")
    t.wait_for("Ctrl+] b debugs")
    t.listen(2)
    t.type("\x1db")
    at = t.wait_for(PROMPT)
    expect("\x1b[?1049l" in t.seen, "the terminal's first page is not back", t)
    answer, at = t.ask("screen", at)
    expect("GlassBox demo" in answer, "the guest's screen is not told", t)
    entered = t.seen.count("\x1b[?1049h")
    t.type("c\n")
    t.listen(1)
    expect(t.seen.count("\x1b[?1049h") == entered + 1, "the guest's screen does not come back", t)
    t.type("\x1db")
    at = t.wait_for(PROMPT, at)
    t.type("c\n")
    t.listen(0.5)
    t.type("\x1dq")
    expect(t.end() == 0, "Ctrl+] q does not end with status 0", t)
    expect(t.seen.rindex("\x1b[?1049l") > t.seen.rindex("\x1b[?1049h"), "the terminal's first page is not back", t)


def encodings(glassbox):
    """What a line holds is passed on, in UTF-8 and in bytes that are none."""
    t = Terminal(glassbox, "debug", "--demo", "--display", "none", environment={"LC_ALL": "C.UTF-8"})
    at = t.wait_for(PROMPT)
    answer, at = t.ask("echo Zürich ⇒ 東京", at)
    expect("Zürich ⇒ 東京" in answer, "UTF-8 is lost", t)
    for line in (b"echo \xff\xfe\x80 left\n", b"echo \xc3\n", b"\xf0\x9f\n"):
        t.type(line)
        at = t.wait_for(PROMPT, at)
    answer, at = t.ask("echo alive", at)
    expect("alive" in answer, "no answer", t)
    t.type("q\n")
    expect(t.end() == 0, "q does not end with status 0", t)
    t = Terminal(glassbox, "debug", "--demo", "--display", "none", environment={"LC_ALL": "C", "LANG": "C"})
    at = t.wait_for(PROMPT)
    t.type("echo Zürich\n")
    at = t.wait_for(PROMPT, at)
    t.type("q\n")
    expect(t.end() == 0, "q does not end with status 0", t)


def simple_terminals(glassbox):
    """No control sequences where the terminal has none."""
    for name in ("dumb", "unknown-to-everyone", ""):
        t = Terminal(glassbox, "debug", "--demo", "--display", "none", environment={"TERM": name})
        at = t.wait_for(PROMPT)
        answer, at = t.ask("registers", at)
        answer, at = t.ask("break 0:7c00h", at)
        t.type("c\n")
        at = t.wait_for(PROMPT, t.wait_for("7C00", at))
        t.type("rs\n")
        at = t.wait_for(PROMPT, at)
        t.type("q\n")
        expect(t.end() == 0, "q does not end with status 0", t)
        expect("\x1b" not in t.seen, f"a control sequence for TERM={name}: {t.seen!r}", t)


def gdb_meanwhile(glassbox):
    """gdb makes the machine run while a line is being typed: it is there again after the stop."""
    t = Terminal(glassbox, "debug", "--demo", "--display", "none", "--gdb", "0")
    t.wait_for("gdb: target remote ")
    port = int(re.search(r"target remote \S*:(\d+)", t.text()).group(1))
    at = t.wait_for(PROMPT)
    t.type("echo kept li")
    at = t.wait_for("kept li", at)
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"+$vCont;c#a8")
    t.listen(0.5)
    client.sendall(b"\x03")
    at = t.wait_for("\r\n" + PROMPT + "\r" + PROMPT + "echo kept li", at)
    t.type("ne\n")
    at = t.wait_for("kept line", t.wait_for("ne\r\n", at))
    client.close() # and the machine goes on (docs/gdb.md)
    t.listen(0.5)
    t.type("\x03")
    at = t.wait_for(PROMPT, at)
    t.type("q\n")
    expect(t.end() == 0, "q does not end with status 0", t)


def completing(glassbox):
    """Tab knows what may follow a command, and the words of other debuggers."""
    t = Terminal(glassbox, "debug", "--demo", "--display", "none")
    at = t.wait_for(PROMPT)
    for begun, whole in (("info brea", "info breakpoints "), ("catch exc", "catch exception "),
                         ("catch mode comp", "catch mode compatibility "), ("info registers cs.ba", "info registers cs.base "),
                         ("display registers gen", "display registers general "), ("help inf", "help info "),
                         ("system_po", "system_powerdown "), ("advan", "advance "), ("xp cs.ba", "xp cs.base ")):
        t.type(begun + "\t")
        at = t.wait_for(whole, at)
        t.type("\x03")
        at = t.wait_for(PROMPT, at)
    t.type("catch device \t\t")
    at = t.wait_for("  pit  ", at)
    at = t.wait_for(PROMPT + "catch device ", at) # the line is shown again below the list
    t.type("\x03")
    at = t.wait_for(PROMPT, at)
    for line, answer in (("info b", "There are no stop points."), ("break *0x7c00", "breakpoint 1: 7C00h"),
                         ("braek", "did you mean break?"), ("help reverse", "reverse-continue (rc)")):
        t.type(line + "\n")
        at = t.wait_for(answer, at)
        at = t.wait_for(PROMPT, at)
    for line in ("define both", "echo <$arg0>", "echo <$arg1>", "end"):
        t.type(line + "\n")
        at = t.wait_for(PROMPT, at)
    t.type("both one two\n")
    at = t.wait_for("\n<one>", at)
    at = t.wait_for("\n<two>", at)
    at = t.wait_for(PROMPT, at)
    t.type("q\n")
    expect(t.end() == 0, "q does not end with status 0", t)


def colours(glassbox):
    """At a terminal that has them, unless the user says no."""
    for more, environment, expected in (((), {}, True), ((), {"NO_COLOR": "1"}, False), (("--color", "never"), {}, False)):
        t = Terminal(glassbox, "debug", "--demo", "--display", "none", *more, environment=environment)
        at = t.wait_for(PROMPT)
        answer, at = t.ask("step", at)
        expect(("\x1b[1m#1 " in t.seen) == expected, f"colours with {more} {environment}: {t.seen!r}", t)
        t.type("q\n")
        expect(t.end() == 0, "q does not end with status 0", t)


def main():
    tests = (editing, completing, breaking_in, from_a_plain_run, from_a_serial_terminal, killed, ctrl_c, pasted, jobs, resized,
             from_the_terminal_display, encodings, simple_terminals, colours, gdb_meanwhile)
    for test in tests:
        if len(sys.argv) > 2 and test.__name__ not in sys.argv[2:]:
            continue
        test(sys.argv[1])
        print("ok", test.__name__, flush=True)


main()
