#!/usr/bin/env python3
"""The transcripts of a page are what the debugger prints: every ```console block that begins with '$ glassbox debug ...'
starts a session, the blocks behind it go on with it, and what stands there must be what the program answers.

tutorial.py GLASSBOX PAGE BUILD_FOLDER     with GLASSBOX_WRITE_DOCS=1 the page is rewritten instead

The commands run in a folder where the build folder is build/release, wherever it really is.
"""
import difflib
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from session import PROMPT, execute  # noqa: E402

SHOWN_FOLDER = "build/release"


class Block:
    """A fenced block of the page: lines [first, last) between the fences."""

    def __init__(self, first, lines):
        self.first, self.lines = first, lines
        self.commands = [line[len(PROMPT):] for line in lines if line.startswith(PROMPT)]
        self.starts = bool(lines) and lines[0].startswith("$ glassbox ")
        self.text = []


def blocks_of(lines):
    found, begin = [], None
    for number, line in enumerate(lines):
        if begin is None and line.strip() == "```console":
            begin = number + 1
        elif begin is not None and line.strip() == "```":
            found.append(Block(begin, lines[begin:number]))
            begin = None
    return found


def sessions_of(blocks):
    sessions = []
    for block in blocks:
        if block.starts:
            sessions.append([])
        if not sessions:
            sys.exit(f"line {block.first}: a transcript without the line that starts glassbox")
        sessions[-1].append(block)
    return sessions


def tidy(text):
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    return lines


def play(program, session):
    line = session[0].lines[0]
    arguments = line.split()[2:]
    arguments = [re.sub(r'^"|"$', "", a) for a in arguments]
    commands = [command for block in session for command in block.commands]
    parts, status, output, errors = execute(program, arguments, commands)
    if len(parts) != len(commands) + 1 or errors:
        sys.exit(f"the session '{line}' went wrong (status {status}):\n{output}{errors}")
    session[0].text = [line] + tidy(parts[0])
    answers = iter(zip(commands, parts[1:]))
    for block in session:
        for _ in block.commands:
            command, answer = next(answers)
            block.text += [PROMPT + command] + tidy(answer)


def main():
    program, page, folder = (os.path.abspath(argument) for argument in sys.argv[1:4])
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    # A folder like the reader's: the kernel's command line holds its path, so that must be the same everywhere.
    with tempfile.TemporaryDirectory(prefix="glassbox-tutorial-") as place:
        os.makedirs(os.path.join(place, os.path.dirname(SHOWN_FOLDER)))
        os.symlink(folder, os.path.join(place, SHOWN_FOLDER))
        os.symlink(os.path.join(root, "guests"), os.path.join(place, "guests"))
        os.chdir(place)
        status = check(program, page)
        os.chdir(root)
    return status


def check(program, page):
    lines = open(page, encoding="utf-8").read().split("\n")
    blocks = blocks_of(lines)
    for session in sessions_of(blocks):
        play(program, session)
    if os.environ.get("GLASSBOX_WRITE_DOCS"):
        for block in reversed(blocks):
            lines[block.first:block.first + len(block.lines)] = block.text
        open(page, "w", encoding="utf-8").write("\n".join(lines))
        print(f"{page}: {len(blocks)} transcripts written")
        return 0
    differences = []
    for block in blocks:
        differences += difflib.unified_diff(block.lines, block.text, f"{page}:{block.first}", "what glassbox prints", lineterm="")
    if differences:
        print("\n".join(differences))
        print("The page shows something else than the program prints (GLASSBOX_WRITE_DOCS=1 rewrites it).")
        return 1
    print(f"{page}: {len(blocks)} transcripts as printed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
