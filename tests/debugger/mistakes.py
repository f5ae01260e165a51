#!/usr/bin/env python3
"""The classic mistakes of guests/mistakes, and what GlassBox must say of each. docs/mistakes.md shows it to the letter.

mistakes.py GLASSBOX PAGE FOLDER    with GLASSBOX_WRITE_DOCS=1 the page is rewritten instead

FOLDER has the images and the maps of their symbols. What is shown of a run is its first paragraph: the summary, without
the chain of faults and the registers that follow; of a session with the debugger all that the commands answer.
"""
import concurrent.futures
import difflib
import os
import subprocess
import sys
import textwrap

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from session import PROMPT, execute  # noqa: E402

BEGIN = "<!-- from here on written by tests/debugger/mistakes.py -->"
RUN, DEBUG = "run", "debug"
NO_IDT = "could not be delivered: no IDT has been loaded (IDTR has base 0 and limit 03FFh"


class Mistake:
    def __init__(self, name, *says, how=RUN, options="", commands=(), drive="--disk"):
        self.name, self.says, self.how, self.commands = name, says, how, list(commands)
        symbols = "" if drive == "--kernel" or name == "no-signature" else f" --symbols {name}.map"
        self.options = f"{drive} {name}.img{symbols}{' ' + options if options else ''}"


CHAPTERS = [
    ("Into protected mode", [
        Mistake("lgdt-forgotten", "selector 0030h", "of the GDT, whose limit is 0000h", "LGDT was not executed", NO_IDT),
        Mistake("gdt-base", "0008h (index 1, GDT, RPL 0) is a data segment", "LGDT was given an offset where it takes a linear address",
                "at 00007C30h <gdt>, lies what looks like the GDT"),
        Mistake("gdt-limit", "(mov ds, ax): selector 0010h", "whose limit is 000Fh", "the limit is the table's size in bytes less 1"),
        Mistake("far-jump-selector", "jmp far 0x0010:0x7C2C", "0010h (index 2, GDT, RPL 0) is a data segment: execution cannot go on there"),
        Mistake("far-jump-missing", "CS still is that of real mode (0000h, 16-bit): a far jump"),
        Mistake("data-read-only", "(mov ss, ax): a stack segment must be writable data; this is a read-only data segment"),
        Mistake("data-not-present", "#NP (error code 0010h)", "(mov ds, ax): the P bit in the descriptor of 0010h is 0"),
        Mistake("granularity", "offset 00100000h, but the segment ends at its limit, 000FFFFFh",
                "the descriptor of DS has G = 0", "with G = 1 it would be FFFFFFFFh"),
        Mistake("code-16-bit", "the descriptor of CS (0008h) has D = 0"),
        Mistake("a20-closed", "#UD at 0008:00007C58 <gdt+8h>", "the A20 gate is closed"),
    ]),
    ("Interrupts", [
        Mistake("sti-without-idt", "external interrupt 08h (IRQ 0, the timer) could not be delivered", "no IDT has been loaded"),
        Mistake("pic-not-remapped", "IRQ 0, the timer, is in service in the 8259 as vector 08h",
                "the 8259 is still programmed as the BIOS left it, and what looked like #DF was this interrupt"),
        Mistake("idt-short", "the gate of vector 20h takes bytes 100h to 107h of the IDT at 00007C80h, whose limit is 0020h",
                "the limit counts bytes, not entries"),
        Mistake("idt-selector", "external interrupt 20h (IRQ 0, the timer)", "0010h (index 2, GDT, RPL 0) is a writable data segment"),
        Mistake("idt-not-present", "external interrupt 20h (IRQ 0, the timer)", "the P bit of vector 20h's gate is 0"),
        Mistake("idt-type", "external interrupt 20h (IRQ 0, the timer)", "this is a 32-bit call gate"),
        Mistake("idt-halves", "nothing answers at physical address 7C6F0000h",
                "with the halves of its offset exchanged it would lead to 00007C6Fh <tick>"),
        Mistake("error-code-left", "(iretd)", "the handler has left the error code (0002h) on the stack"),
        Mistake("ret-for-iret", "a handler has ended with RET instead of IRET"),
        Mistake("eoi-missing", "= 1, and waits for an interrupt", "has sent no end of interrupt", how=DEBUG,
                commands=["run-to-time 200ms", "explain"]),
    ]),
    ("Stacks", [
        Mistake("stack-unmapped", "the write to C07FFFFCh was denied", "ESP (C0800000h) points to no memory that is mapped"),
        Mistake("stack-nowhere", "the stack is nowhere: ESP is 04000000h"),
        Mistake("stack-overflow", "(push eax): the write to 00006FFCh was denied", "the stack has grown out of its memory"),
    ]),
    ("Ring 3", [
        Mistake("ltr-forgotten", "INT 00h could not be delivered", "no TSS has been loaded (TR is 0)", "LTR was not executed"),
        Mistake("tss-empty", "SS must not hold a null selector", "ESP0 and SS0 in the TSS are both 0"),
        Mistake("tss-limit", "SS0:ESP0, would be at offset 04h of the TSS", "limit 0004h), which is too short"),
        Mistake("iret-rpl", "(iretd): the RPL (0) is the privilege level to be", "which is 001Bh, is meant"),
        Mistake("page-of-the-kernel", "001B:", "a user-mode access needs U/S = 1 at every level"),
        Mistake("syscall-off", "(syscall): EFER.SCE = 0"),
        Mistake("sysret-star", "(iretq)", "SYSRET has made it: STAR has 001Bh in bits 63-48"),
    ]),
    ("Paging", [
        Mistake("no-identity-map", "the instruction before, at the same physical address, is MOV CR0", "an identity mapping"),
        Mistake("page-directory-unaligned", "the tables are not aligned to 4096 bytes: CR3 is 00001800h"),
        Mistake("cr3-virtual", "CR3 is C0001000h, and there is no memory at that physical address"),
        Mistake("recursive-slot", "the read from FFFFF000h was denied", "the recursive mapping is in entry 1022"),
        Mistake("stale-tlb", "stale-translation", "no flush since the change at 00007C7D", "STALE: the TLB", how=DEBUG,
                commands=["break 0:7C00h", "continue", "lint on", "continue", "lint list", "explain 300000h"]),
    ]),
    ("Long mode", [
        Mistake("pae-forgotten", "(mov cr0, eax): EFER.LME = 1, so setting CR0.PG enters long mode, which needs CR4.PAE = 1; it is 0"),
        Mistake("pml4-wrong", "because the page-directory-pointer entry has P = 0"),
        Mistake("cs-l-and-d", "has both L = 1 and D = 1, which is reserved"),
        Mistake("long-jump-missing", "long mode is on, and CS (0008h) is a segment of 32-bit code (L = 0)"),
        Mistake("gates-of-8-bytes", "the IDT seems to have gates of 8 bytes", "In long mode a gate has 16 bytes"),
        Mistake("not-canonical", "bits 63 to 47 must all be equal; in 0000800000000000h they are not"),
        Mistake("nx-data", "the page-directory entry has XD = 1", "the address behind call rax"),
    ]),
    ("Instructions", [
        Mistake("edx-not-cleared", "#DE at", "the upper half of the dividend is in EDX and must be less than the divisor: was it cleared?"),
        Mistake("movaps-misaligned", "wants its operand at a multiple of 16"),
        Mistake("sse-off", "#UD at", "(xorps xmm0, xmm0): CR4.OSFXSR = 0"),
        Mistake("fpu-off", "#NM at", "(fldz): CR0.EM = 1"),
        Mistake("null-function", "a jump or call through a null pointer", "the address behind call [0x00007C43]"),
    ]),
    ("Booting", [
        Mistake("no-signature", "Boot failed: not a bootable disk", how=DEBUG, commands=["run-to-time 1s", "screen"]),
        Mistake("sectors-missing", "add [bx+si*1], al", "what is executed are zeroes", how=DEBUG,
                commands=["break 0:8200h", "continue", "explain next"]),
        Mistake("ap-trampoline", "add [bx+si*1], al", "what is executed are zeroes", how=DEBUG, options="--smp 2",
                commands=["break 5000h:0", "continue", "explain next"]),
        Mistake("no-multiboot-header", "it is neither a Linux bzImage nor a multiboot kernel", drive="--kernel"),
    ]),
    ("With a past", [
        Mistake("stack-overflow", "page-table entry 6 at 00002018h was written last at 0008:00007C63",
                "LIDT was executed last at F000:CFBE, in the firmware", how=DEBUG, options="--on-triple-fault debug",
                commands=["continue", "explain"]),
    ]),
]


def title_of(source):
    words = []
    for line in open(source, encoding="utf-8"):
        if not line.startswith(";"):
            break
        words.append(line[1:].strip())
    return " ".join(words)


def code_of(source):
    lines = [line.rstrip("\n") for line in open(source, encoding="utf-8") if not line.startswith(";")]
    return "\n".join(line for line in lines if not line.startswith("%include")).strip("\n")


def first_paragraph(text):
    lines = []
    for line in text.split("\n"):
        if not line.strip() or line.startswith(("EAX=", "RAX=")):
            break
        lines.append(line.rstrip())
    return lines


def play(program, folder, mistake):
    """The lines of the transcript."""
    options = mistake.options.split()
    words = [os.path.join(folder, o) if o.endswith((".img", ".map")) else o for o in options]
    if mistake.how == RUN:
        line = [program, *words, "--memory", "16M", "--display", "none", "--on-triple-fault", "stop"]
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        text = (done.stdout + done.stderr).decode("utf-8", "replace").replace(folder + "/", "")
        shown = f"$ glassbox {mistake.options} --memory 16M --on-triple-fault stop"
        return [shown, *first_paragraph(text)]
    parts, status, output, errors = execute(program, ["debug", *words, "--memory", "16M"], mistake.commands)
    if len(parts) != len(mistake.commands) + 1:
        sys.exit(f"{mistake.name}: the session went wrong (status {status}):\n{output}{errors}")
    lines = [f"$ glassbox debug {mistake.options} --memory 16M"]
    for command, answer in zip(mistake.commands, parts[1:]):
        lines += [PROMPT + command, *(line.rstrip() for line in answer.rstrip("\n").split("\n") if answer.strip())]
    return lines


def lacks(mistake, lines):
    """Sentences that should be there."""
    flat = " ".join(" ".join(lines).split())
    return [sentence for sentence in mistake.says if sentence not in flat]


def section(number, mistake, lines, source, again):
    text = [f"### {number}. {mistake.name}" + (", with history" if again else ""), ""]
    if not again:
        text += textwrap.wrap(title_of(source), 120) + ["", "```nasm", code_of(source), "```", ""]
    return text + ["```console", *lines, "```", ""]


def main():
    program, page, folder = (os.path.abspath(argument) for argument in sys.argv[1:4])
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    os.chdir(root)
    everything = [mistake for _, mistakes in CHAPTERS for mistake in mistakes]
    sources = os.path.join(root, "guests", "mistakes")
    unknown = {f[:-4] for f in os.listdir(sources) if f.endswith(".asm")} ^ {m.name for m in everything}
    if unknown:
        sys.exit(f"in guests/mistakes or in this list, but not in both: {sorted(unknown)}")
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        transcripts = list(pool.map(lambda m: play(program, folder, m), everything))
    failures = [f"{m.name}: '{sentence}' is not said:\n" + "\n".join(lines)
                for m, lines in zip(everything, transcripts) for sentence in lacks(m, lines)]
    if failures:
        print("\n\n".join(failures))
        return 1
    body, number, seen = [], 0, set()
    for chapter, mistakes in CHAPTERS:
        body += [f"## {chapter}", ""]
        for mistake in mistakes:
            number += 1
            again = mistake.name in seen
            seen.add(mistake.name)
            body += section(number, mistake, transcripts[number - 1], os.path.join(sources, mistake.name + ".asm"), again)
    old = open(page, encoding="utf-8").read()
    new = old[:old.index(BEGIN)] + BEGIN + "\n\n" + "\n".join(body).rstrip("\n") + "\n"
    if os.environ.get("GLASSBOX_WRITE_DOCS"):
        open(page, "w", encoding="utf-8").write(new)
        print(f"{page}: {number} mistakes written")
        return 0
    if new != old:
        print("\n".join(difflib.unified_diff(old.split("\n"), new.split("\n"), page, "what glassbox says", lineterm="")))
        print("The page shows something else than the program prints (GLASSBOX_WRITE_DOCS=1 rewrites it).")
        return 1
    print(f"{number} mistakes: each is named")
    return 0


if __name__ == "__main__":
    sys.exit(main())
