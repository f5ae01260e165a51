// Interrupt lines to play with, and the APIC's and PIC's known states.
#include "guests/system/pic.hpp"

namespace chips {

namespace {

constexpr u16 counter0 = 0x40, counter2 = 0x42, pit_control = 0x43, port_b = 0x61;
constexpr u16 uart_enable = 0x3F9, uart_modem = 0x3FC, keyboard_data = 0x60, keyboard_command = 0x64;
constexpr u32 patience = 2'000'000; // reads of a status port: more than any chip takes

bool wait_for(u16 port, u8 mask, u8 value) {
    for (u32 i = 0; i < patience; ++i) {
        if ((in8(port) & mask) == value) return true;
    }
    return false;
}

void keyboard(u8 command, u8 data) {
    wait_for(keyboard_command, 2, 0);
    out8(keyboard_command, command);
    wait_for(keyboard_command, 2, 0);
    out8(keyboard_data, data);
    wait_for(keyboard_command, 2, 0);
}

void drain_keyboard() {
    for (u32 i = 0; i < 64 && (in8(keyboard_command) & 1); ++i) in8(keyboard_data);
}

void keyboard_off() {
    drain_keyboard();
    keyboard(0x60, 0x30); // both devices and both interrupts off
    drain_keyboard();
}

u8 clock_register(u8 index) {
    out8(0x70, index);
    return in8(0x71);
}
void clock_register(u8 index, u8 value) {
    out8(0x70, index);
    out8(0x71, value);
}

} // namespace

void raise(unsigned irq) {
    switch (irq) {
    case 0: // mode 0 with a count of 1: OUT is low for two pulses and then high for good
        out8(pit_control, 0x30);
        out8(counter0, 1);
        out8(counter0, 0);
        for (u32 i = 0; i < patience; ++i) {
            out8(pit_control, 0xE2);
            if (in8(counter0) & 0x80) break;
        }
        break;
    case 1: // "write keyboard output buffer"
        keyboard(0x60, 0x21);
        keyboard(0xD2, 0x55);
        wait_for(keyboard_command, 1, 1);
        break;
    case 4: // the transmitter is empty, and says so
        out8(uart_modem, 0x08);
        out8(uart_enable, 0x02);
        break;
    case 8: // a periodic interrupt every 122 us; the flag holds the line until register C is read
        clock_register(0x0A, 0x23);
        clock_register(0x0B, 0x42);
        for (u32 i = 0; i < patience && !(irr(1) & 1); ++i) {
        }
        break;
    case 12: // "write auxiliary device output buffer"
        keyboard(0x60, 0x12);
        keyboard(0xD3, 0xAA);
        wait_for(keyboard_command, 0x21, 0x21);
        break;
    default: break;
    }
}

void lower(unsigned irq) {
    switch (irq) {
    case 0: // low until a count of 65536 has passed
        out8(pit_control, 0x30);
        out8(counter0, 0);
        out8(counter0, 0);
        break;
    case 4: out8(uart_enable, 0); break;
    case 8:
        clock_register(0x0B, 0x02);
        clock_register(0x0C);
        break;
    case 1:
    case 12: keyboard_off(); break;
    default: break;
    }
}

void start_pics(u8 master_icw4, u8 slave_icw4) {
    stop_pics();
    out8(elcr[0], 0);
    out8(elcr[1], 0);
    out8(commands[0], 0x11);
    out8(masks[0], master_base);
    out8(masks[0], 0x04);
    out8(masks[0], master_icw4);
    out8(commands[1], 0x11);
    out8(masks[1], slave_base);
    out8(masks[1], 0x02);
    out8(masks[1], slave_icw4);
    out8(masks[0], 0xFB);
    out8(masks[1], 0xFF);
    start_apic();
}

void stop_pics() {
    out8(masks[0], 0xFF);
    out8(masks[1], 0xFF);
    for (const unsigned irq : {0u, 1u, 4u, 8u}) lower(irq); // 12 goes with 1
}

void unmask(unsigned irq) {
    const unsigned chip = irq / 8;
    out8(masks[chip], static_cast<u8>(in8(masks[chip]) & ~(1u << irq % 8)));
}

u8 irr(unsigned chip) {
    out8(commands[chip], 0x0A);
    return in8(commands[chip]);
}
u8 isr(unsigned chip) {
    out8(commands[chip], 0x0B);
    return in8(commands[chip]);
}
u8 poll(unsigned chip) {
    out8(commands[chip], 0x0C);
    return in8(commands[chip]);
}

namespace {
constexpr u8 window[] = {0xFB, 0x90, 0x90, 0x90, 0x90, 0xFA, 0xCD, 0x80}; // STI, NOPs, CLI, INT 80h
}

Exit accept() { return run(ring(0, code(window))); }

u32 io_apic(u32 index) {
    *reinterpret_cast<volatile u32*>(0xFEC0'0000) = index;
    return *reinterpret_cast<volatile u32*>(0xFEC0'0010);
}
void io_apic(u32 index, u32 value) {
    *reinterpret_cast<volatile u32*>(0xFEC0'0000) = index;
    *reinterpret_cast<volatile u32*>(0xFEC0'0010) = value;
}

void start_apic() {
    if (!features().apic()) return;
    constexpr u32 masked = 1u << 16, vectors = 0xFF;
    local(0xF0) = 0x100 | vectors;
    local(0x80) = 0;
    for (u32 lvt = 0x320; lvt <= 0x370; lvt += 0x10) local(lvt) = masked;
    local(0x380) = 0;
    local(0xE0) = ~0u;
    local(0xD0) = 0;
    // Whatever is still pending is taken, and what is in service is ended.
    for (u32 i = 0; i < 300; ++i) {
        if (accept().vector == end_vector) break;
        local(0xB0) = 0;
    }
    for (u32 i = 0; i < 256; ++i) local(0xB0) = 0;
    local(0x280) = 0;
    local(0x280) = 0;
    local(0x350) = 0x700; // LINT0: ExtINT
    local(0x360) = 0x400; // LINT1: NMI
}

void wait_pulses(u32 pulses) {
    // Counter 0 as a one-shot of its own would disturb IRQ 0: counter 2 in mode 0, read until it has passed.
    const u8 b = in8(port_b);
    out8(port_b, static_cast<u8>((b & 0xFC) | 1));
    while (pulses > 0) {
        const u32 part = pulses < 0x8000 ? pulses : 0x8000;
        out8(pit_control, 0xB0);
        out8(counter2, static_cast<u8>(part));
        out8(counter2, static_cast<u8>(part >> 8));
        wait_for(port_b, 0x20, 0x20);
        pulses -= part;
    }
    out8(port_b, b & 0x0F);
}

} // namespace chips
