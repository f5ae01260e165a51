// The commands that show the board's chips, and the one that drives an interrupt wire by hand.
#include "debugger/command.hpp"
#include "debugger/debugger.hpp"
#include "debugger/devices/show.hpp"
#include "debugger/symbols/expression.hpp"
#include "devices/vga/png.hpp"
#include "machine/board.hpp"

#include <charconv>

namespace glassbox {

namespace {

const Board& board_of(CommandContext& context) { return context.debugger.machine().board(); }

/// The next word as a number below `end`; `what` names it in the error.
Expected<unsigned> take_number(CommandContext& context, Arguments& arguments, unsigned end, const std::string& what) {
    const std::string word = arguments.take();
    if (word.empty()) return fail(what + " is missing: a number from 0 to " + std::to_string(end - 1));
    auto value = evaluate(context.debugger, word);
    if (!value) return tl::unexpected(value.error());
    if (*value >= end) return fail(what + " is a number from 0 to " + std::to_string(end - 1) + ", not " + word);
    return static_cast<unsigned>(*value);
}

Expected<> nothing_more(Arguments& arguments) {
    if (arguments.empty()) return {};
    return fail("nothing is expected behind the command, not '" + arguments.rest() + "'");
}

template <void (*show)(const Board&, std::string&)> Expected<> run_show(CommandContext& context, Arguments& arguments) {
    if (auto ok = nothing_more(arguments); !ok) return ok;
    std::string text;
    show(board_of(context), text);
    context.out += text;
    return {};
}

Expected<> run_apic(CommandContext& context, Arguments& arguments) {
    unsigned number = context.debugger.processor();
    if (!arguments.empty()) {
        auto chosen = take_number(context, arguments, board_of(context).processors.count(), "the processor");
        if (!chosen) return tl::unexpected(chosen.error());
        number = *chosen;
    }
    if (auto ok = nothing_more(arguments); !ok) return ok;
    std::string text;
    show_apic(board_of(context), number, text);
    context.out += text;
    return {};
}

Expected<> run_rtc(CommandContext& context, Arguments& arguments) {
    const bool cmos = arguments.take_if("cmos");
    if (auto ok = nothing_more(arguments); !ok) return ok;
    std::string text;
    show_rtc(board_of(context), cmos, text);
    context.out += text;
    return {};
}

Expected<> run_vga(CommandContext& context, Arguments& arguments) {
    const bool dac = arguments.take_if("dac");
    if (auto ok = nothing_more(arguments); !ok) return ok;
    std::string text;
    dac ? show_vga_dac(board_of(context), text) : show_vga(board_of(context), text);
    context.out += text;
    return {};
}

Expected<> run_screen(CommandContext& context, Arguments& arguments) {
    const bool save = arguments.take_if("save");
    const std::string path = save ? arguments.take() : "";
    if (auto ok = nothing_more(arguments); !ok) return ok;
    std::string text;
    if (!save) {
        show_screen(board_of(context), text);
        context.out += text;
        return {};
    }
    if (path.empty()) return fail("the name of the file is missing: screen save picture.png");
    Frame frame;
    board_of(context).vga.render(frame);
    if (auto written = write_png(frame, path); !written) return written;
    context.out += std::to_string(frame.width) + "x" + std::to_string(frame.height) + " pixels saved\n";
    return {};
}

/// "0:1.1" or "1.1", in hexadecimal as lspci has it.
Expected<> run_pci(CommandContext& context, Arguments& arguments) {
    std::string text;
    if (arguments.empty()) {
        show_pci(board_of(context), text);
        context.out += text;
        return {};
    }
    const std::string word = arguments.take();
    std::string_view rest = word;
    if (const auto colon = rest.find(':'); colon != std::string_view::npos) {
        if (rest.substr(0, colon).find_first_not_of('0') != std::string_view::npos)
            return fail("there is no PCI bus but 0");
        rest.remove_prefix(colon + 1);
    }
    unsigned slot = 0, function = 0;
    const char* end = rest.data() + rest.size();
    auto at = std::from_chars(rest.data(), end, slot, 16);
    if (at.ec != std::errc() || at.ptr == end || *at.ptr != '.')
        return fail("'" + word + "' is no PCI function: write bus:device.function, as in pci 0:1.1");
    at = std::from_chars(at.ptr + 1, end, function, 16);
    if (at.ec != std::errc() || at.ptr != end)
        return fail("'" + word + "' is no PCI function: write bus:device.function, as in pci 0:1.1");
    if (auto ok = nothing_more(arguments); !ok) return ok;
    if (!show_pci_function(board_of(context), slot, function, text))
        return fail("there is no PCI function " + word + " (pci lists them)");
    context.out += text;
    return {};
}

Expected<> run_uart(CommandContext& context, Arguments& arguments) {
    const auto count = static_cast<unsigned>(board_of(context).uarts.size());
    std::string text;
    if (arguments.empty()) {
        for (unsigned i = 0; i < count; ++i) show_uart(board_of(context), i, text);
        context.out += count ? text : "This machine has no serial port.\n";
        return {};
    }
    auto number = take_number(context, arguments, 5, "the serial port");
    if (!number) return tl::unexpected(number.error());
    if (*number < 1 || *number > count)
        return fail("there is no COM" + std::to_string(*number) + ": the machine has " + std::to_string(count));
    if (auto ok = nothing_more(arguments); !ok) return ok;
    show_uart(board_of(context), *number - 1, text);
    context.out += text;
    return {};
}

Expected<> run_ports(CommandContext& context, Arguments& arguments) {
    std::optional<u16> one;
    if (!arguments.empty()) {
        auto port = take_number(context, arguments, 0x10000, "the port");
        if (!port) return tl::unexpected(port.error());
        one = static_cast<u16>(*port);
    }
    if (auto ok = nothing_more(arguments); !ok) return ok;
    std::string text;
    show_ports(board_of(context), one, text);
    context.out += text;
    return {};
}

/// A rising edge. An 8259A forgets a request whose wire falls before it is acknowledged, so the wire stays high until
/// then; an I/O APIC has sent its message at once.
Expected<> pulse(CommandContext& context, Board& board, unsigned number) {
    const std::string name = "IRQ " + std::to_string(number) + " (" + irq_name(number) + ")";
    const IrqLine wire = board.isa_irqs.line(number, IsaIrqRouter::pulse);
    wire.lower();
    if (board.isa_irqs.level(number))
        return fail(name + " is high: a device, or irq " + std::to_string(number) + " on, holds it, so it cannot rise");
    wire.raise();
    const bool waits = board.pic.waits_for(number);
    if (!waits) wire.lower();
    context.debugger.changed();
    context.out += name + (waits ? " has risen, and falls when the 8259A's request is acknowledged\n"
                                 : " has risen and fallen: the 8259A masks it\n");
    return {};
}

Expected<> run_irq(CommandContext& context, Arguments& arguments) {
    auto number = take_number(context, arguments, 16, "the IRQ");
    if (!number) return tl::unexpected(number.error());
    if (*number == 2) return fail("IRQ 2 is the cascade of the two 8259As: no device is wired to it");
    const std::string level = arguments.take();
    if (auto ok = nothing_more(arguments); !ok) return ok;
    if (level != "on" && level != "off" && level != "pulse")
        return fail("write on, off or pulse behind the IRQ's number, as in irq 5 pulse");
    Board& board = context.debugger.machine().board();
    if (level == "pulse") return pulse(context, board, *number);
    const IrqLine wire = board.isa_irqs.line(*number, IsaIrqRouter::by_hand);
    const bool was_high = board.isa_irqs.level(*number);
    wire.set(level == "on");
    if (level == "off") board.isa_irqs.line(*number, IsaIrqRouter::pulse).lower();
    context.debugger.changed();
    const bool high = board.isa_irqs.level(*number);
    context.out += "IRQ " + std::to_string(*number) + " (" + irq_name(*number) + ") is " + (high ? "high" : "low");
    if (level == "off" && high) context.out += ": a device still drives it";
    if (level == "on" && was_high) context.out += ", as it was: no edge";
    context.out += "\n";
    return {};
}

constexpr std::string_view pic_help =
    R"(Both 8259As: the levels of their inputs, IRR (requested), ISR (in service: no EOI has come yet), IMR
(masked), which inputs are level-triggered (ELCR), what ICW1-ICW4 and OCW2-OCW3 set up, the order of
priority, and the interrupt that the processor would get next.

  pic               why does my timer tick only once? ISR 01: the handler sends no EOI
)";
constexpr std::string_view apic_help =
    R"(All registers of a local APIC (SDM 3A 11.4), decoded: the selected processor's, or that of processor
N. ISR, TMR and IRR are lists of vectors.

  apic
  apic 1
)";
constexpr std::string_view ioapic_help = R"(The 24 redirection entries of the I/O APIC, with the levels of its inputs.

  ioapic
)";
constexpr std::string_view irqs_help =
    R"(The sixteen ISA interrupt wires: who drives each, and what the 8259A and the I/O APIC make of it.
The last lines say which interrupt would come next, and what the local APICs hold.

  irqs
  irq 5 pulse       drives one by hand
)";
constexpr std::string_view irq_help =
    R"(Drives an ISA interrupt wire by hand, beside its devices: the wire is high while anybody holds it so.
'pulse' makes a rising edge; the wire falls when the 8259A's request is acknowledged (an 8259A forgets
a request whose wire falls before), or at once where the 8259A masks it and the I/O APIC alone hears.
'irq N on' holds the wire high until 'irq N off'.

  irq 1 pulse       a keyboard interrupt without a key
  irq 11 on
  irq 11 off
)";
constexpr std::string_view pit_help =
    R"(The three counters of the 8254: control word, count register, the count now, OUT and GATE, and when
OUT changes next. Port 61h, which has the speaker's gate, is shown too.

  pit
)";
constexpr std::string_view rtc_help =
    R"(The clock's date, time and alarm, registers A to D, and with 'cmos' the RAM behind them.
Register C is shown without the effect of reading it.

  rtc
  rtc cmos
)";
constexpr std::string_view hpet_help = R"(The HPET's main counter and its three comparators.

  hpet
)";
constexpr std::string_view acpi_help =
    R"(The power-management registers of the PIIX4: PM1 status, enable and control, the PM timer, the
general-purpose events and the SCI.

  acpi
)";
constexpr std::string_view events_help =
    R"(What the devices have planned, in the order in which it will happen: the time from now, the number of
instructions until then, and the moment in guest time. Nothing that is not here will happen without
an instruction or an input.

  events
)";
constexpr std::string_view dma_help =
    R"(The two 8237As: command, mask, requests, and each channel's addresses, counts and mode. 'next address'
is where the next element will lie, with the page register.

  dma
)";
constexpr std::string_view ide_help =
    R"(Both IDE channels: the bus master, and of each drive its identity, geometry, the task file with
status and error in words, the last command and what the drive is doing.

  ide
)";
constexpr std::string_view fdc_help =
    R"(The 82077AA: DOR, MSR, the command and its parameters so far, ST0-ST2, and the drives.

  fdc
)";
constexpr std::string_view vga_help =
    R"(The screen's mode, and every register of sequencer, CRT controller, graphics controller, attribute
controller and Bochs VBE by name. 'vga dac' lists the 256 colours.

  vga
  vga dac
)";
constexpr std::string_view screen_help =
    R"(The text on the screen, as it is now. Of a graphics screen it tells the mode. 'screen save' writes the
picture as a PNG file, in the screen's own pixels.

  screen
  screen save picture.png
)";
constexpr std::string_view pci_help =
    R"(The PCI functions with their identities, base addresses and interrupts; of one of them the whole
configuration space. The 440FX's PAM and the PIIX3's PIRQ routing are decoded too. Device numbers are
hexadecimal.

  pci
  pci 0:1.1         the IDE controller
)";
constexpr std::string_view uart_help = R"(The registers and FIFOs of COM1-COM4, or of one of them.

  uart
  uart 1            COM1
)";
constexpr std::string_view lpt_help = R"(The parallel port's data, status and control lines.

  lpt
)";
constexpr std::string_view ps2_help =
    R"(The 8042 with the keyboard and the mouse behind it: status, command byte, output port, and the bytes
that wait.

  ps2
)";
constexpr std::string_view a20_help = R"(Whether address bit 20 passes, and what the 8042 and port 92h say of it.

  a20
)";
constexpr std::string_view ports_help =
    R"(Which device answers at which I/O port; with a port's number, who answers there.

  ports
  ports 0x3f8
)";
constexpr std::string_view devices_help =
    R"(Everything that is mapped: I/O ports, regions of physical memory, PCI functions.

  devices
)";

constexpr Command table[] = {
    {"devices", "", "Devices", "", "Lists the devices with their ports and memory", devices_help,
     run_show<show_devices>},
    {"irqs", "", "Devices", "", "The interrupt wires and who waits where", irqs_help, run_show<show_irqs>},
    {"pic", "8259", "Devices", "", "The two 8259A interrupt controllers", pic_help, run_show<show_pic>},
    {"apic", "lapic", "Devices", "[N]", "A processor's local APIC", apic_help, run_apic},
    {"ioapic", "", "Devices", "", "The I/O APIC's redirection table", ioapic_help, run_show<show_io_apic>},
    {"pit", "8254", "Devices", "", "The three counters of the 8254 timer", pit_help, run_show<show_pit>},
    {"rtc", "", "Devices", "[cmos]", "The real-time clock and the CMOS RAM", rtc_help, run_rtc, "cmos"},
    {"hpet", "", "Devices", "", "The high precision event timer", hpet_help, run_show<show_hpet>},
    {"acpi", "", "Devices", "", "Power management: PM1, timer, events", acpi_help, run_show<show_acpi>},
    {"events", "", "Devices", "", "What will happen next, and when", events_help, run_show<show_events>},
    {"dma", "8237", "Devices", "", "The two 8237A DMA controllers", dma_help, run_show<show_dma>},
    {"ide", "", "Devices", "", "The IDE channels, their drives and the bus master", ide_help, run_show<show_ide>},
    {"fdc", "", "Devices", "", "The floppy controller and its drives", fdc_help, run_show<show_fdc>},
    {"vga", "", "Devices", "[dac]", "The VGA's registers and mode", vga_help, run_vga, "dac"},
    {"screen", "", "Devices", "[save FILE]", "The text on the screen, or its picture to a file", screen_help,
     run_screen, "save:file"},
    {"pci", "", "Devices", "[BUS:DEV.FN]", "PCI functions and their configuration space", pci_help, run_pci},
    {"uart", "serial-port", "Devices", "[N]", "The serial ports", uart_help, run_uart},
    {"lpt", "", "Devices", "", "The parallel port", lpt_help, run_show<show_lpt>},
    {"ps2", "8042 keyboard", "Devices", "", "The keyboard controller, keyboard and mouse", ps2_help,
     run_show<show_ps2>},
    {"a20", "", "Devices", "", "The A20 gate", a20_help, run_show<show_a20>},
    {"ports", "", "Devices", "[PORT]", "Which device answers at which port", ports_help, run_ports},
    {"irq", "", "Change", "N on|off|pulse", "Drives an interrupt wire by hand", irq_help, run_irq, "on|off|pulse"},
};

} // namespace

std::span<const Command> device_commands() { return table; }

} // namespace glassbox
