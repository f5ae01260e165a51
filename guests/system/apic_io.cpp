// The I/O APIC (82093AA): its registers, and what its inputs do. IRQ n is input n, but IRQ 0 is input 2.
#include "guests/system/apic.hpp"

using namespace chips;

namespace apic {

namespace {

constexpr u32 vector = 0x6B, entry_logical = 0x800;
constexpr unsigned irqs[] = {0, 1, 4, 8, 12};
constexpr u32 input_of(unsigned irq) { return irq == 0 ? 2 : irq; }

void redirect(u32 input, u32 low, u32 destination) {
    io_apic(0x10 + 2 * input, low | masked);
    io_apic(0x11 + 2 * input, destination);
    io_apic(0x10 + 2 * input, low);
}
u32 low_of(u32 input) { return io_apic(0x10 + 2 * input); }

} // namespace

void io_registers(Report& report) {
    for (u32 input = 0; input < 24; ++input) {
        for (const u32 value : {0x0000'0000u, 0xFFFF'FFFFu, 0x5555'5555u, 0xAAAA'AAAAu}) {
            for (const bool high : {false, true}) {
                if (!report.next()) continue;
                report.describe("entry %u, %s half, %08x", input, high ? "upper" : "lower", value);
                if (!begin(report)) continue;
                io_apic(0x10 + 2 * input, masked);
                const u32 index = 0x10 + 2 * input + (high ? 1 : 0), written = high ? value : value | masked;
                const u32 writable = high ? 0xFF00'0000 : 0x0001'AFFF; // not delivery status and remote IRR
                io_apic(index, written);
                report.expect("register", written & writable, io_apic(index));
                io_apic(index, high ? 0 : masked);
                finish();
            }
        }
    }
    for (u32 value = 0; value < 16; ++value) {
        if (!report.next()) continue;
        report.describe("ID %x", value);
        if (!begin(report)) continue;
        const u32 before = io_apic(0);
        io_apic(0, value << 24 | 0xF0FF'FFFF);
        report.expect("ID", value << 24, io_apic(0));
        io_apic(0, before);
        finish();
    }
    if (report.next()) {
        report.describe("version");
        if (begin(report)) {
            const u32 version_register = io_apic(1);
            // 82093AA: 11h. Later ones: 20h.
            report.require("version", (version_register & 0xFF) == 0x11 || (version_register & 0xFF) == 0x20);
            report.expect("highest entry", 23, version_register >> 16 & 0xFF);
            io_apic(1, 0xFFFF'FFFF);
            report.expect("read-only", version_register, io_apic(1));
            finish();
        }
    }
    for (const u32 index : {0u, 1u, 0x10u, 0x3Fu}) {
        if (!report.next()) continue;
        report.describe("index %02x", index);
        if (!begin(report)) continue;
        volatile u32& select = *reinterpret_cast<volatile u32*>(0xFEC0'0000);
        select = index;
        report.expect("index register", index, select & 0xFF);
        finish();
    }
}

void io_edges(Report& report) {
    for (const unsigned irq : irqs) {
        const u32 input = input_of(irq);
        if (report.next()) {
            report.describe("IRQ %u, edge", irq);
            if (begin(report)) {
                redirect(input, vector, own_id());
                lower(irq);
                raise(irq);
                report.expect_exit(accept(), vector, 0);
                report.require("TMR", !bit(tmr, vector));
                report.expect("remote IRR", 0, low_of(input) & remote_irr);
                local(eoi) = 0;
                report.expect_exit(accept(), end_vector, 0); // still high
                lower(irq);
                report.expect_exit(accept(), end_vector, 0);
                raise(irq);
                report.expect_exit(accept(), vector, 0);
                finish();
            }
        }
        if (report.next()) {
            report.describe("IRQ %u, an edge on a masked input is lost", irq);
            if (begin(report)) {
                redirect(input, vector | masked, own_id());
                lower(irq);
                raise(irq);
                report.expect_exit(accept(), end_vector, 0);
                io_apic(0x10 + 2 * input, vector);
                report.expect_exit(accept(), end_vector, 0);
                lower(irq);
                raise(irq);
                report.expect_exit(accept(), vector, 0);
                finish();
            }
        }
        if (report.next()) {
            report.describe("IRQ %u, a second edge before the EOI is kept", irq);
            if (begin(report)) {
                redirect(input, vector, own_id());
                lower(irq);
                raise(irq);
                report.expect_exit(accept(), vector, 0);
                lower(irq);
                raise(irq);
                report.expect_exit(accept(), end_vector, 0);
                local(eoi) = 0;
                report.expect_exit(accept(), vector, 0);
                finish();
            }
        }
        if (report.next()) {
            report.describe("IRQ %u, edge withdrawn: it has been sent", irq);
            if (begin(report)) {
                redirect(input, vector, own_id());
                lower(irq);
                raise(irq);
                lower(irq);
                report.expect_exit(accept(), vector, 0);
                finish();
            }
        }
    }
}

void io_levels(Report& report) {
    for (const unsigned irq : irqs) {
        const u32 input = input_of(irq);
        if (report.next()) {
            report.describe("IRQ %u, level", irq);
            if (begin(report)) {
                redirect(input, vector | level, own_id());
                lower(irq);
                report.expect("remote IRR while low", 0, low_of(input) & remote_irr);
                raise(irq);
                report.expect("remote IRR", remote_irr, low_of(input) & remote_irr);
                report.expect_exit(accept(), vector, 0);
                report.require("TMR", bit(tmr, vector));
                report.expect("remote IRR in service", remote_irr, low_of(input) & remote_irr);
                local(eoi) = 0; // still high: once more
                report.require("IRR again", bit(irr, vector));
                report.expect_exit(accept(), vector, 0);
                lower(irq);
                report.expect("remote IRR until the EOI", remote_irr, low_of(input) & remote_irr);
                local(eoi) = 0;
                report.expect("remote IRR", 0, low_of(input) & remote_irr);
                report.expect_exit(accept(), end_vector, 0);
                finish();
            }
        }
        if (report.next()) {
            report.describe("IRQ %u, level, masked while high: comes when unmasked", irq);
            if (begin(report)) {
                lower(irq);
                redirect(input, vector | level | masked, own_id());
                raise(irq);
                report.expect_exit(accept(), end_vector, 0);
                report.expect("remote IRR", 0, low_of(input) & remote_irr);
                io_apic(0x10 + 2 * input, vector | level);
                report.expect_exit(accept(), vector, 0);
                lower(irq);
                local(eoi) = 0;
                report.expect_exit(accept(), end_vector, 0);
                finish();
            }
        }
        if (report.next()) {
            report.describe("IRQ %u, level, an EOI of another vector", irq);
            if (begin(report)) {
                lower(irq);
                redirect(input, vector | level, own_id());
                raise(irq);
                report.expect_exit(accept(), vector, 0);
                local(icr) = self | 0xE1;
                report.expect_exit(accept(), 0xE1, 0);
                local(eoi) = 0; // of E1h
                report.expect("remote IRR", remote_irr, low_of(input) & remote_irr);
                report.require("ISR", bit(isr, vector));
                lower(irq);
                local(eoi) = 0;
                report.expect("remote IRR", 0, low_of(input) & remote_irr);
                finish();
            }
        }
    }
}

void io_modes(Report& report) {
    struct Mode {
        const char* name;
        u32 low, destination, ldr;
        bool meant;
    };
    static constexpr Mode modes[] = {
        {"physical, broadcast", vector, 0xFF00'0000, 0, true},
        {"physical, another", vector, 0x0E00'0000, 0, false},
        {"logical, own", vector | entry_logical, 0x0100'0000, 0x0100'0000, true},
        {"logical, own of several", vector | entry_logical, 0x0F00'0000, 0x0400'0000, true},
        {"logical, another", vector | entry_logical, 0x0200'0000, 0x0100'0000, false},
        {"logical, lowest priority", vector | entry_logical | 0x100, 0xFF00'0000, 0x0100'0000, true},
        {"logical, lowest priority, another", vector | entry_logical | 0x100, 0x0200'0000, 0x0100'0000, false},
    };
    for (const Mode& m : modes) {
        for (const unsigned irq : {0u, 4u}) {
            if (!report.next()) continue;
            report.describe("IRQ %u, %s", irq, m.name);
            if (!begin(report)) continue;
            local(ldr) = m.ldr;
            lower(irq);
            redirect(input_of(irq), m.low, m.destination);
            raise(irq);
            report.expect_exit(accept(), m.meant ? vector : end_vector, 0);
            finish();
        }
    }
    // ExtINT: the processor asks the 8259s, which have nothing to say: the spurious IR7, which is not in service.
    for (const unsigned irq : {0u, 4u}) {
        if (!report.next()) continue;
        report.describe("IRQ %u, ExtINT, all masked at the 8259s", irq);
        if (!begin(report)) continue;
        lower(irq);
        redirect(input_of(irq), 0x700, own_id());
        raise(irq);
        const Exit e = accept();
        report.expect_exit(e, master_base + 7, 0);
        report.expect("ISR of the 8259", 0, chips::isr(0));
        report.expect("ISR of the APIC", 0, count(isr));
        finish();
    }
    for (const unsigned irq : {1u, 4u, 12u}) {
        if (!report.next()) continue;
        report.describe("IRQ %u, ExtINT: its vector is the 8259's", irq);
        if (!begin(report)) continue;
        local(lint0) = masked;
        unmask(irq);
        lower(irq);
        redirect(input_of(irq), 0x700, own_id());
        raise(irq);
        report.expect_exit(accept(), irq < 8 ? master_base + irq : slave_base + irq - 8, 0);
        for (u8 end = 0x60; end < 0x68; ++end) out8(commands[0], end), out8(commands[1], end);
        finish();
    }
    // Both controllers see every line.
    for (const unsigned irq : irqs) {
        if (!report.next()) continue;
        report.describe("IRQ %u through both", irq);
        if (!begin(report)) continue;
        lower(irq);
        unmask(irq);
        redirect(input_of(irq), vector, own_id());
        raise(irq);
        const u32 first = accept().vector, second = [&] {
            local(eoi) = 0;
            return accept().vector;
        }();
        const u32 by_pic = irq < 8 ? master_base + irq : slave_base + irq - 8;
        report.require("both vectors", (first == vector && second == by_pic) || (first == by_pic && second == vector));
        for (u8 end = 0x60; end < 0x68; ++end) out8(commands[0], end), out8(commands[1], end);
        finish();
    }
}

} // namespace apic
