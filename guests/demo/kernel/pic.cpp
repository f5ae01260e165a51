// The BIOS leaves IRQ 0-7 at vectors 8-15, which in protected mode belong to exceptions. So the controllers are set up
// anew: IRQ 0-7 at 20h-27h, IRQ 8-15 at 28h-2Fh. Intel 8259A data sheet, "Programming the 8259A" (ICW1-ICW4,
// OCW1-OCW3).
#include "pic.hpp"

#include "interrupts.hpp"
#include "ports.hpp"

namespace {
constexpr u16 master = 0x20, slave = 0xA0;
constexpr u8 end_of_interrupt = 0x20, read_in_service = 0x0B;
u16 mask = 0xFFFF & ~(1u << 2); // IRQ 2 is the slave's line to the master
} // namespace

void pic_start() {
    out8(master, 0x11); // ICW1: edge-triggered, cascaded, ICW4 follows
    out8(slave, 0x11);
    out8(master + 1, first_irq_vector); // ICW2: the first vector
    out8(slave + 1, first_irq_vector + 8);
    out8(master + 1, 1u << 2); // ICW3: where the slave hangs …
    out8(slave + 1, 2);        // … and its number
    out8(master + 1, 0x01);    // ICW4: 8086 mode
    out8(slave + 1, 0x01);
    out8(master + 1, static_cast<u8>(mask));
    out8(slave + 1, static_cast<u8>(mask >> 8));
}

void allow_irq(u32 irq) {
    mask = static_cast<u16>(mask & ~(1u << irq));
    out8(master + 1, static_cast<u8>(mask));
    out8(slave + 1, static_cast<u8>(mask >> 8));
}

bool begin_irq(u32 irq) {
    if (irq != 7 && irq != 15) return true; // spurious ones always look like the last line
    const u16 chip = irq < 8 ? master : slave;
    out8(chip, read_in_service);
    if ((in8(chip) & 0x80) != 0) return true;
    if (irq == 15) out8(master, end_of_interrupt); // the master did see an interrupt, on IRQ 2
    return false;
}

void end_irq(u32 irq) {
    if (irq >= 8) out8(slave, end_of_interrupt);
    out8(master, end_of_interrupt);
}
