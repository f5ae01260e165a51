// What the device commands show, against the data sheets' fields: chips are programmed through their ports, as a guest
// does it, and looking leaves the machine as it was.
#include "debugger/devices/sheet.hpp"
#include "debugger/devices/show.hpp"
#include "machine/board.hpp"
#include "machine/machine.hpp"

#include <doctest/doctest.h>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

using namespace glassbox;

namespace {

std::unique_ptr<Machine> machine_with(const std::function<void(MachineConfig&)>& change = {}) {
    MachineConfig config;
    config.memory_bytes = 16 << 20;
    config.demo = true;
    if (change) change(config);
    auto machine = Machine::create(config, {});
    REQUIRE_MESSAGE(machine.has_value(), machine.error().message);
    return std::move(*machine);
}

struct Chips {
    std::unique_ptr<Machine> machine = machine_with();
    Board& board = machine->board();
    void out(u16 port, std::initializer_list<unsigned> bytes) {
        for (const unsigned byte : bytes) board.ports.write(Port{port}, 1, byte);
    }
    /// Lets guest time pass without a processor.
    void pass(Time time) {
        board.scheduler.skip_to(board.scheduler.now() + time);
        board.scheduler.fire_due();
    }
};

/// Spaces in runs are one.
std::string squeezed(std::string_view line) {
    std::string text;
    for (const char c : line) {
        if (c == ' ' && (text.empty() || text.back() == ' ')) continue;
        text += c;
    }
    return text;
}

/// The lines of `text` that begin with `name`, behind `title` if that is given: without the name, spaces squeezed.
std::string row(const std::string& text, const std::string& name, const std::string& title = "") {
    std::istringstream lines(text);
    bool here = title.empty();
    for (std::string line; std::getline(lines, line);) {
        if (!here) {
            here = line.starts_with(title);
            continue;
        }
        const std::string plain = squeezed(line);
        if (plain.starts_with(name + " ")) return plain.substr(name.size() + 1);
    }
    return "no line '" + name + "' in:\n" + text;
}

template <class F> std::string shown(F&& show) {
    std::string text;
    show(text);
    return text;
}

} // namespace

TEST_CASE("sheet: times are cut to three decimals, bits have names, tables are aligned") {
    CHECK(duration(0) == "0 ps");
    CHECK(duration(999) == "999 ps");
    CHECK(duration(1500) == "1.500 ns");
    CHECK(duration(54'925'401'000) == "54.925 ms");
    CHECK(duration(60 * second + 1) == "60.000 s");
    CHECK(hexh(0x3F8) == "3F8h");
    CHECK(bit_names(0x50, {{0x80, "BSY"}, {0x40, "DRDY"}, {0x10, "DSC"}}) == "DRDY DSC");
    CHECK(bit_names(0, {{1, "on", "off"}}) == "off");
    CHECK(bit_names(0, {{1, "on"}}) == "-");
    CHECK(number_list(0x8001, "IRQ ") == "IRQ 0 IRQ 15");
    std::string text;
    Sheet(text).table({{"a", "long"}, {"wide cell", "b"}});
    CHECK(text == "  a          long\n  wide cell  b\n");
}

TEST_CASE("pic: initialization words, masks, requests and what is in service") {
    Chips c;
    c.out(0x20, {0x11});
    std::string text = shown([&](auto& t) { show_pic(c.board, t); });
    CHECK(row(text, "initialization") == "ICW2 is awaited: no interrupt until then");
    c.out(0x21, {0x08, 0x04, 0x03, 0x98}); // vectors 08h, slave on IR2, automatic EOI; IR3, IR4 and IR7 masked
    c.out(0xA0, {0x11});
    c.out(0xA1, {0x70, 0x02, 0x11, 0xFE}); // vectors 70h, slave 2, special fully nested; only IRQ 8 open
    c.out(0x4D1, {0x0C});
    c.board.isa_irqs.line(8, IsaIrqRouter::by_hand).raise();
    text = shown([&](auto& t) { show_pic(c.board, t); });
    const std::string slave = "8259A slave";
    CHECK(row(text, "IRR") == "04 IR2 requested");
    CHECK(row(text, "IMR") == "98 IR3 IR4 IR7 masked");
    CHECK(row(text, "ICW2") == "08 vectors 08h-0Fh");
    CHECK(row(text, "ICW3") == "04 slaves on IR2");
    CHECK(row(text, "ICW4") == "03 AEOI: automatic EOI, fully nested");
    CHECK(row(text, "inputs", slave) == "01 IR0 high");
    CHECK(row(text, "IRR", slave) == "01 IR0 requested");
    CHECK(row(text, "ELCR", slave) == "0C IR2 IR3 level-triggered");
    CHECK(row(text, "ICW2", slave) == "70 vectors 70h-77h");
    CHECK(row(text, "ICW3", slave) == "02 slave 2 of the cascade");
    CHECK(row(text, "ICW4", slave) == "11 normal EOI, SFNM: special fully nested");
    CHECK(row(text, "INTR:") == "high: next IRQ 8 (RTC), vector 70h");

    CHECK(c.board.pic.acknowledge() == 0x70);
    c.out(0xA0, {0x68 | 0x0B}); // OCW3: special mask, reads show ISR
    c.out(0x20, {0xC2});        // OCW2: IR2 has the lowest priority
    text = shown([&](auto& t) { show_pic(c.board, t); });
    CHECK(row(text, "ISR", slave) == "01 IR0 in service (no EOI yet)");
    CHECK(row(text, "ISR") == "00 none"); // the master's EOI was automatic
    CHECK(row(text, "OCW2") == "priority IR3 IR4 IR5 IR6 IR7 IR0 IR1 IR2");
    CHECK(row(text, "OCW3", slave) == "modes SMM: special mask, reads show ISR");
    CHECK(row(text, "INTR:") == "low: nothing to acknowledge");
}

TEST_CASE("apic: the local vector table, ICR, timer and vectors by name") {
    Chips c;
    LocalApic& apic = c.board.processors.apic(0);
    const auto write = [&](unsigned offset, u32 value) { apic.write(offset, 4, value); };
    write(0x0F0, 0x1FE);      // SVR: enabled, spurious vector FEh
    write(0x080, 0x20);       // TPR
    write(0x0D0, 0x01000000); // LDR
    write(0x320, 0x20040);    // LVT timer: periodic, vector 40h
    write(0x350, 0x10700);    // LINT0: ExtINT, masked
    write(0x370, 0x1F);       // error: vector 1Fh
    write(0x3E0, 0x3);        // divide by 16
    write(0x380, 1'000'000);
    write(0x310, 0x02000000);
    write(0x300, 0x0000'0851); // fixed, logical, vector 51h, edge: to nobody's set
    CHECK(apic.accept({.vector = 0x31}));
    CHECK(apic.accept({.vector = 0x92, .level = true}));
    const std::string text = shown([&](auto& t) { show_apic(c.board, 0, t); });
    CHECK(row(text, "TPR") == "20 task priority class 2");
    CHECK(row(text, "LDR") == "01000000 logical ID 01h");
    CHECK(row(text, "DFR") == "FFFFFFFF flat model");
    CHECK(row(text, "SVR") == "000001FE spurious vector FEh, APIC software-enabled");
    CHECK(row(text, "IRR") == "vectors 31h 92h");
    CHECK(row(text, "TMR") == "vectors 92h");
    CHECK(row(text, "ISR") == "vectors none");
    CHECK(row(text, "ICR") == "0200000000000851");
    CHECK(text.find("fixed, vector 51h, de-assert, edge, to logical 02h") != std::string::npos);
    CHECK(row(text, "LVT timer") == "00020040 periodic, vector 40h");
    CHECK(row(text, "LVT LINT0") == "00010700 masked, ExtINT, edge, active high");
    CHECK(row(text, "LVT error") == "0000001F fixed, vector 1Fh");
    CHECK(row(text, "current count") == "000F4240 160.000 ms left");
    CHECK(row(text, "divide config") == "00000003 bus clock (100 MHz) / 16");
    CHECK(row(text, "to processor") == "INTR vector 92h next");
    CHECK(apic.acknowledge() == 0x92);
    const std::string after = shown([&](auto& t) { show_apic(c.board, 0, t); });
    CHECK(row(after, "ISR") == "vectors 92h");
    CHECK(row(after, "PPR") == "90 processor priority: takes vectors from A0h");
    CHECK(apic.set_apic_base(0xFEE00100));
    CHECK(shown([&](auto& t) { show_apic(c.board, 0, t); }).starts_with("Local APIC of processor 0: disabled"));
}

TEST_CASE("ioapic and irqs: redirection entries and the wires that lead to them") {
    Chips c;
    const auto write = [&](u32 index, u32 value) {
        c.board.io_apic.write(0x00, 4, index);
        c.board.io_apic.write(0x10, 4, value);
    };
    write(0x10 + 2 * 11, 0x0001A931); // IRQ 11: masked, level, active low, logical, lowest priority, vector 31h
    write(0x11 + 2 * 11, 0x03000000);
    c.board.isa_irqs.line(11, IsaIrqRouter::by_hand).raise();
    std::string text = shown([&](auto& t) { show_io_apic(c.board, t); });
    CHECK(row(text, "11") == "030000000001A931 masked 31h lowest priority logical 03h level low 0 high IRQ 11 PCI");
    CHECK(row(text, "version") == "00170011 82093AA (11h), entries 0-23");
    CHECK(row(text, "0").find("(8259 INTR, not wired)") != std::string::npos);
    text = shown([&](auto& t) { show_irqs(c.board, t); });
    CHECK(row(text, "11") == "PCI high by hand requested 03h masked");
    CHECK(row(text, "13") == "x87 error low - - 05h masked");
}

TEST_CASE("pit: modes, counts and latches of all counters") {
    Chips c;
    c.out(0x43, {0x34}); // counter 0: low, high, mode 2
    c.out(0x40, {0x9C, 0x2E});
    c.out(0x43, {0xB7}); // counter 2: low, high, mode 3, BCD
    c.out(0x42, {0x00, 0x10});
    c.out(0x61, {0x03});
    c.out(0x43, {0x50}); // counter 1: low byte, mode 0
    c.pass(second / 1000);
    std::string text = shown([&](auto& t) { show_pit(c.board, t); });
    CHECK(row(text, "control") == "34 mode 2: rate generator, low byte, then high byte, binary");
    CHECK(row(text, "count register") == "2E9C 11932 clocks = 10.000 ms, 100.00 Hz");
    CHECK(row(text, "count now").ends_with(", counting"));
    CHECK(row(text, "OUT") == "high");
    CHECK(row(text, "control", "Counter 1") == "10 mode 0: interrupt on terminal count, low byte only, binary");
    CHECK(row(text, "count register", "Counter 1") == "0000 not written since the control word");
    CHECK(row(text, "control", "Counter 2") == "37 mode 3: square wave, low byte, then high byte, BCD");
    CHECK(row(text, "count register", "Counter 2") == "1000 1000 clocks = 838.095 us, 1193.18 Hz");
    CHECK(row(text, "Port 61h:").find("GATE2 on, speaker on") != std::string::npos);
    // The count that is shown is the one that a latch command catches, and looking does not latch.
    const u32 now = c.board.pit.counter(0).count();
    CHECK(row(text, "count now").starts_with(hexh(now, 4).substr(0, 4)));
    c.out(0x43, {0x00});
    text = shown([&](auto& t) { show_pit(c.board, t); });
    CHECK(row(text, "output latch") == hexh(now, 4).substr(0, 4) + " 2 bytes to be read");
    const u32 low = c.board.ports.read(Port{0x40}, 1);
    CHECK(row(shown([&](auto& t) { show_pit(c.board, t); }), "next read") == "high byte");
    CHECK((low | c.board.ports.read(Port{0x40}, 1) << 8) == now);
}

TEST_CASE("rtc: time in either code, registers, alarm with wild cards, flags that a read would clear") {
    Chips c;
    const auto set = [&](unsigned index, unsigned value) {
        c.out(0x70, {index});
        c.out(0x71, {value});
    };
    set(0x0B, 0x80 | 0x02); // SET, 24 hours, BCD
    set(4, 0x23), set(2, 0x59), set(0, 0x58), set(7, 0x28), set(8, 0x02), set(9, 0x24), set(0x32, 0x20), set(6, 0x04);
    set(5, 0xFF), set(3, 0x30), set(1, 0x00);
    std::string text = shown([&](auto& t) { show_rtc(c.board, false, t); });
    CHECK(row(text, "date") == "2024-02-28 day of week 4, Wednesday");
    CHECK(row(text, "time") == "23:59:58");
    CHECK(row(text, "alarm") == "**:30:00");
    CHECK(row(text, "register B") == "82 SET: updates inhibited, BCD, 24 hours");
    set(0x0B, 0x80 | 0x04); // binary, 12 hours
    set(4, 0x80 | 11), set(2, 59), set(0, 58);
    set(0x0A, 0x2F);
    text = shown([&](auto& t) { show_rtc(c.board, false, t); });
    CHECK(row(text, "time") == "11:59:58 PM");
    CHECK(row(text, "register A") == "2F divider 32768 Hz, periodic rate 2 Hz");
    CHECK(row(text, "register D") == "80 VRT: valid RAM and time");

    set(0x0B, 0x02);
    set(0x0A, 0x26);
    c.out(0x70, {0x0C});
    c.board.ports.read(Port{0x71}, 1);
    c.pass(2 * second);
    for (int i = 0; i < 2; ++i) { // looking twice: the flags stay
        text = shown([&](auto& t) { show_rtc(c.board, true, t); });
        CHECK(row(text, "register C") == "50 PF, UF");
    }
    CHECK(row(text, "base mem. 15h") == "0280 640 KiB");
    CHECK(c.board.ports.read(Port{0x71}, 1) == 0x50);
    CHECK(row(shown([&](auto& t) { show_rtc(c.board, false, t); }), "register C") == "00 -");
}

TEST_CASE("hpet and acpi: counters, comparators, events") {
    Chips c;
    c.board.hpet.write(0x010, 4, 1);
    c.board.hpet.write(0x100, 4, 20u << 9 | 0x0C | 0x40);
    c.board.hpet.write(0x108, 4, 100'000);
    c.board.hpet.write(0x108, 4, 100'000);
    std::string text = shown([&](auto& t) { show_hpet(c.board, t); });
    CHECK(row(text, "configuration") == "00000001 ENABLE_CNF: counting, no legacy replacement");
    CHECK(row(text, "configuration", "Timer 0") == "0000280C INT_ENB, edge, periodic, 64 bits, I/O APIC input 20");
    CHECK(row(text, "period", "Timer 0") == "00000000000186A0 1.000 ms");
    c.pass(5 * millisecond);
    text = shown([&](auto& t) { show_hpet(c.board, t); });
    CHECK(row(text, "main counter") == "000000000007A120 5.000 ms");

    text = shown([&](auto& t) { show_acpi(c.board, t); });
    CHECK(text.find("PMBASE not decoded") != std::string::npos);
    CHECK(row(text, "PM1 control") == "0000 legacy mode, SLP_TYP 0");
    c.board.power.power_button();
    c.pass(3 * second); // the timer's bit 23 has toggled: what a read would show
    text = shown([&](auto& t) { show_acpi(c.board, t); });
    CHECK(row(text, "PM1 status") == "0101 PWRBTN TMROF");
}

TEST_CASE("dma: what is programmed into a channel is shown as programmed") {
    Chips c;
    c.out(0x0C, {0});          // flip-flop
    c.out(0x0B, {0x46});       // channel 2: single, write, no autoinitialization
    c.out(0x04, {0x00, 0x54}); // address
    c.out(0x05, {0xFF, 0x01}); // count
    c.out(0x81, {0x01});       // page
    c.out(0x0A, {0x02});       // unmask
    c.out(0xD6, {0xC0});       // channel 4: cascade
    std::string text = shown([&](auto& t) { show_dma(c.board, t); });
    CHECK(row(text, "2") == "5400 01FF 5400 01FF 015400 single write (device to memory)");
    CHECK(row(text, "mask") == "0B channel 0 channel 1 channel 3 masked");
    CHECK(row(text, "4") == "0000 0000 0000 0000 000000 cascade");
    CHECK(row(text, "flip-flop") == "low byte next");
    c.out(0x04, {0x12});
    text = shown([&](auto& t) { show_dma(c.board, t); });
    CHECK(row(text, "flip-flop") == "high byte next");
}

TEST_CASE("fdc: registers, phase and the command that is being written") {
    Chips c;
    c.out(0x3F2, {0x1C});
    c.pass(second);
    c.out(0x3F5, {0x03, 0xAF, 0x02}); // SPECIFY
    c.out(0x3F7, {0x01});
    c.out(0x3F5, {0xE6, 0x00, 0x05}); // READ DATA and two of its parameters
    std::string text = shown([&](auto& t) { show_fdc(c.board, t); });
    CHECK(row(text, "DOR") == "1C drive 0, running, DMA gate on, motor 0");
    CHECK(row(text, "MSR") == "90 RQM CMD BSY");
    CHECK(row(text, "DSR") == "01 300 kbit/s");
    CHECK(row(text, "SPECIFY") == "AF 02 DMA");
    CHECK(row(text, "command") == "E6 00 05 READ DATA");
    CHECK(row(text, "phase") == "command");
    CHECK(row(text, "drive 0").starts_with("1.44M, 80 cylinders, 2 heads, 18 sectors"));
    CHECK(row(text, "drive 1") == "no drive");
}

TEST_CASE("ide: status bits in words, the task file, the bus master") {
    Chips c;
    c.board.ide.reset();
    c.out(0x176, {0xE0});
    c.out(0x172, {0x12}), c.out(0x173, {0x34}), c.out(0x174, {0x56}), c.out(0x175, {0x78});
    c.out(0x376, {0x02});
    std::string text = shown([&](auto& t) { show_ide(c.board, t); });
    const std::string second_channel = "Secondary IDE";
    CHECK(row(text, "device control", second_channel) == "02 nIEN: no interrupts");
    CHECK(row(text, "device/head", second_channel) == "E0 LBA, drive 0");
    CHECK(row(text, "sector count", second_channel) == "0112");
    CHECK(row(text, "LBA high mid low", second_channel) == "78 56 34 LBA 7886388");
    CHECK(row(text, "no", "Primary IDE") == "drive 0 (selected)");
    c.out(0x177, {0xEC}); // IDENTIFY DEVICE: a CD-ROM aborts it
    text = shown([&](auto& t) { show_ide(c.board, t); });
    CHECK(row(text, "status", second_channel).find("BSY") != std::string::npos);
    c.pass(millisecond);
    for (int i = 0; i < 2; ++i) { // looking does not take INTRQ back, as reading the status register does
        text = shown([&](auto& t) { show_ide(c.board, t); });
        CHECK(row(text, "error", second_channel) == "04 ABRT");
        CHECK(row(text, "INTRQ", second_channel) == "asserted");
    }
    CHECK(row(text, "last command", second_channel) == "EC IDENTIFY DEVICE");
    c.board.ports.read(Port{0x177}, 1);
    CHECK(row(shown([&](auto& t) { show_ide(c.board, t); }), "INTRQ", second_channel) == "-");
}

TEST_CASE("uart: frame, FIFOs, and an interrupt that looking does not take back") {
    Chips c;
    c.out(0x3FB, {0x80});
    c.out(0x3F8, {12});
    c.out(0x3F9, {0});
    c.out(0x3FB, {0x1A}); // 7 data bits, even parity, 1 stop bit
    c.out(0x3FA, {0x81}); // FIFOs, trigger level 8
    c.out(0x3FC, {0x1B}); // loopback, so that what is sent is received
    c.out(0x3F9, {0x03});
    std::string text = shown([&](auto& t) { show_uart(c.board, 0, t); });
    CHECK(row(text, "IER") == "03 ERBFI: data, ETBEI: THR empty");
    CHECK(row(text, "IIR") == "C2 transmitter holding register empty, FIFOs on");
    CHECK(row(text, "LCR") == "1A 7E1");
    CHECK(row(text, "MCR") == "1B DTR, RTS, OUT2: interrupts reach the wire, LOOP");
    CHECK(row(text, "LSR") == "60 THRE TEMT");
    CHECK(row(text, "divisor").starts_with("000C 9600 baud, 7E1"));
    c.out(0x3F8, {'A', 'B', 'C'});
    text = shown([&](auto& t) { show_uart(c.board, 0, t); });
    CHECK(row(text, "sender FIFO") == "2/16 42 43");
    CHECK(row(text, "shift register") == "41");
    for (int i = 0; i < 10; ++i) c.pass(millisecond);
    for (int i = 0; i < 2; ++i) {
        text = shown([&](auto& t) { show_uart(c.board, 0, t); });
        CHECK(row(text, "receiver FIFO") == "3/16 41 42 43, trigger level 8");
        CHECK(row(text, "IIR") == "CC character timeout, FIFOs on");
    }
}

TEST_CASE("lpt, ps2 and a20: lines, queues and the gate") {
    Chips c;
    c.out(0x378, {0x55});
    c.out(0x37A, {0x14});
    std::string text = shown([&](auto& t) { show_lpt(c.board, t); });
    CHECK(row(text, "data") == "55");
    CHECK(row(text, "control") == "14 IRQ on");

    c.out(0x64, {0x60});
    text = shown([&](auto& t) { show_ps2(c.board, t); });
    CHECK(row(text, "awaits data of") == "60 command");
    c.out(0x60, {0x45});
    c.board.ps2.key(0x1E, false, true); // A, set 2: 1Ch
    c.board.ps2.key(0x1D, true, true);  // right control: E0 14
    text = shown([&](auto& t) { show_ps2(c.board, t); });
    CHECK(row(text, "command byte") == "45 IRQ 1, SYS, keyboard enabled, mouse enabled, translation");
    CHECK(row(text, "buffer", "Keyboard") == "3/16 1C E0 14");
    CHECK(row(text, "keys down") == "1E, E0 1D");
    c.pass(millisecond);
    for (int i = 0; i < 2; ++i) {
        text = shown([&](auto& t) { show_ps2(c.board, t); });
        CHECK(row(text, "status").starts_with("15 OBF: output buffer full, SYS"));
        CHECK(row(text, "output buffer") == "1E waits, from the keyboard");
    }
    CHECK(c.board.ports.read(Port{0x60}, 1) == 0x1E);

    CHECK(shown([&](auto& t) { show_a20(c.board, t); }).starts_with("A20 gate: open"));
    c.out(0x92, {0x00});
    text = shown([&](auto& t) { show_a20(c.board, t); });
    CHECK(text.starts_with("A20 gate: closed"));
    CHECK(row(text, "8042 output port").ends_with("bit 1: A20 closed"));
}

TEST_CASE("vga: registers by name, VBE modes, a graphics screen tells its mode") {
    Chips c;
    c.out(0x3C2, {0x63});
    c.out(0x3C4, {0x02, 0x00});
    c.out(0x3C5, {0x0F});
    c.out(0x3CE, {0x05});
    c.out(0x3CF, {0x40});
    const auto dispi = [&](unsigned index, unsigned value) {
        c.board.ports.write(Port{0x1CE}, 2, index);
        c.board.ports.write(Port{0x1D0}, 2, value);
    };
    dispi(1, 1024), dispi(2, 768), dispi(3, 32), dispi(4, 0x41);
    std::string text = shown([&](auto& t) { show_vga(c.board, t); });
    CHECK(text.starts_with("VGA: VBE 1024x768, 32 bits per pixel\n"));
    CHECK(row(text, "misc. output") == "63 CRTC at 3D4h, RAM on, HSYNC -, VSYNC +, 25 MHz clock");
    CHECK(row(text, "enable") == "0041 ENABLED, LFB");
    CHECK(row(text, "xres") == "0400 1024");
    CHECK(text.find("05 graphics mode              40  write mode 0, read mode 0, 256-colour shift") !=
          std::string::npos);
    CHECK(text.find("02 map mask                   00  written: none") != std::string::npos);
    CHECK(text.find("17 says       sync off, word addresses, CGA rows of 2 banks, rows of 4 banks") !=
          std::string::npos);
    CHECK(row(text, "input status 0") == "10 monitor sensed");
    const bool flip_flop = c.board.vga.registers().attribute_data_next;
    c.out(0x3C0, {0x10}); // and the sheet asked for input status 1 without the flip-flop's notice
    CHECK(shown([&](auto& t) { show_vga(c.board, t); }).find("data next") != std::string::npos);
    CHECK(c.board.vga.registers().attribute_data_next != flip_flop);
    CHECK(shown([&](auto& t) { show_screen(c.board, t); }) ==
          "The screen shows graphics: VBE 1024x768, 32 bits per pixel\n");
    c.out(0x3C8, {0x11});
    c.out(0x3C9, {0x3F, 0x15, 0x2A});
    CHECK(row(shown([&](auto& t) { show_vga_dac(c.board, t); }), "10").starts_with("000000 3F152A"));
}

TEST_CASE("pci: functions, base addresses, routing") {
    Chips c;
    const auto config = [&](unsigned slot, unsigned function, unsigned offset, u32 value) {
        c.board.ports.write(Port{0xCF8}, 4, 0x80000000u | slot << 11 | function << 8 | offset);
        c.board.ports.write(Port{0xCFC}, 4, value);
    };
    config(1, 1, 0x20, 0xC000);
    std::string text = shown([&](auto& t) { show_pci(c.board, t); });
    CHECK(row(text, "BAR4", "0:1.1") == "0000C001 I/O, 16 bytes, not decoded");
    config(1, 1, 0x04, 5);
    text = shown([&](auto& t) { show_pci(c.board, t); });
    CHECK(row(text, "0:1.1") == "8086:7010 Intel 82371SB (PIIX3) IDE controller");
    CHECK(row(text, "BAR4", "0:1.1") == "0000C001 I/O, 16 bytes, decodes C000h-C00Fh");
    CHECK(row(text, "command", "0:1.1") == "0005 I/O, bus master");
    config(1, 0, 0x60, 0x800B800A);
    text.clear();
    REQUIRE(show_pci_function(c.board, 1, 0, text));
    CHECK(row(text, "PIRQA#") == "0A IRQ 10");
    CHECK(row(text, "PIRQB#") == "80 not routed");
    config(0, 0, 0x58, 0x00003000);
    text.clear();
    REQUIRE(show_pci_function(c.board, 0, 0, text));
    CHECK(row(text, "PAM0") == "30 F0000-FFFFF RAM");
    CHECK(row(text, "device ID") == "1237");
    CHECK_FALSE(show_pci_function(c.board, 31, 0, text));
    CHECK_FALSE(show_pci_function(c.board, 32, 8, text));
}

TEST_CASE("events, ports and devices: what is planned and who answers where") {
    Chips c;
    std::string text = shown([&](auto& t) { show_events(c.board, t); });
    CHECK(text.starts_with("Now: 0 ps of guest time, 0 instructions\n"));
    CHECK(row(text, "rtc.update") == "1.000 s 500 000 000 1.000 s");
    text = shown([&](auto& t) { show_ports(c.board, {}, t); });
    CHECK(row(text, "0020-0021") == "pic.master 8 bits");
    CHECK(row(text, "0CF8-0CFF") == "PCI configuration 32 bits");
    text = shown([&](auto& t) { show_ports(c.board, u16{0x61}, t); });
    CHECK(row(text, "0061") == "system control B 8 bits");
    CHECK(text.find("pic") == std::string::npos);
    CHECK(shown([&](auto& t) { show_ports(c.board, u16{0x1234}, t); }).starts_with("Nobody answers at port 1234h"));
    text = shown([&](auto& t) { show_devices(c.board, t); });
    CHECK(row(text, "00FEC00000-00FEC00FFF") == "MMIO read/write 100 ioapic");
    CHECK(row(text, "0000000000-000009FFFF") == "RAM read/write 0 conventional memory");
}

TEST_CASE("a booting guest: its screen, and nothing that is looked at changes it") {
    const auto machine = machine_with([](MachineConfig& config) { config.processors = 2; });
    machine->run(never, 20'000'000);
    const Board& board = machine->board();
    const u64 before = machine->state_hash();
    std::string text;
    show_screen(board, text);
    CHECK(text.find("SeaBIOS (version") != std::string::npos);
    for (const auto show :
         {show_pic, show_io_apic, show_irqs, show_pit, show_hpet, show_acpi, show_events, show_dma, show_ide, show_fdc,
          show_vga, show_vga_dac, show_screen, show_pci, show_lpt, show_ps2, show_a20, show_devices}) {
        text.clear();
        show(board, text);
        CHECK(text.ends_with('\n'));
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);) CHECK_MESSAGE(line.size() <= 132, line);
    }
    for (unsigned i = 0; i < 2; ++i) show_apic(board, i, text);
    show_rtc(board, true, text);
    show_uart(board, 0, text);
    show_ports(board, {}, text);
    for (unsigned i = 0; i < 256; ++i) show_pci_function(board, i / 8, i % 8, text);
    CHECK(machine->state_hash() == before);
}
