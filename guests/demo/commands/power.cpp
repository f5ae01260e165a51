// Switching off and starting anew.
#include "../kernel/console.hpp"
#include "../kernel/ports.hpp"
#include "../kernel/tasks.hpp"
#include "pci_bus.hpp"
#include "shell.hpp"

/// ACPI's soft off: sleep type and sleep enable into the PM1 control register. An ACPI driver would find both in the
/// tables (FADT, \_S5); this kernel knows the chip. Intel 82371AB (PIIX4) data sheet, 7.1 (PMBA at 40h), 7.2.3
/// (PMCNTRL).
void command_off() {
    const PciSearch piix4(0x71138086);
    if (!piix4.found) {
        print("  There is no PIIX4 power management here; use the switch.\n");
        return;
    }
    const u16 pm_base = static_cast<u16>(pci_read(piix4.function, 0x40) & 0xFFC0);
    if (pm_base == 0) {
        print("  The BIOS has not given the power management its ports.\n");
        return;
    }
    print("Good night.\n");
    sleep_ticks(5); // let the serial port finish
    constexpr u16 soft_off = 0 << 10, sleep_enable = 1 << 13;
    out16(static_cast<u16>(pm_base + 4), soft_off | sleep_enable);
    sleep_ticks(100);
    print("  The machine is still on.\n");
}

/// First through the chip set's reset register, then through the keyboard controller, as the first AT did.
void command_reboot() {
    print("Again!\n");
    sleep_ticks(5);
    out8(0xCF9, 0x02);
    out8(0xCF9, 0x06);
    sleep_ticks(10);
    out8(0x64, 0xFE);
    sleep_ticks(10);
    print("  The machine does not want to.\n");
}
