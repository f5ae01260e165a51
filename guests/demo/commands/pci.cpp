// Who is on the PCI bus.
#include "../kernel/console.hpp"
#include "pci_bus.hpp"
#include "shell.hpp"

namespace {

struct Name {
    u32 id;
    const char* name;
};
constexpr Name names[] = {
    {0x12378086, "Intel 440FX host bridge"},      {0x70008086, "Intel PIIX3 ISA bridge"},
    {0x70108086, "Intel PIIX3 IDE controller"},   {0x70208086, "Intel PIIX3 USB controller"},
    {0x71138086, "Intel PIIX4 power management"}, {0x11111234, "Bochs/QEMU VGA with linear frame buffer"},
    {0x100E8086, "Intel 82540EM network card"},   {0x813910EC, "Realtek 8139 network card"},
};

const char* class_name(u32 base_class) {
    constexpr const char* classes[] = {"old device",
                                       "storage controller",
                                       "network controller",
                                       "display controller",
                                       "multimedia device",
                                       "memory controller",
                                       "bridge",
                                       "communication controller",
                                       "system peripheral",
                                       "input device"};
    return base_class < sizeof(classes) / sizeof(classes[0]) ? classes[base_class] : "device";
}

const char* name_of(u32 id, u32 base_class) {
    for (const auto& entry : names)
        if (entry.id == id) return entry.name;
    return class_name(base_class);
}

} // namespace

void command_pci() {
    u32 count = 0;
    for_each_pci_function([&](const PciFunction& f, u32 id) {
        ++count;
        print("  ");
        print_hex(f.bus, 2);
        put(':');
        print_hex(f.device, 2);
        put('.');
        print_hex(f.function, 1);
        print("  ");
        print_hex(id & 0xFFFF, 4);
        put(':');
        print_hex(id >> 16, 4);
        print("  ");
        print(name_of(id, pci_read(f, 8) >> 24));
        const u32 interrupt = pci_read(f, 0x3C);
        if ((interrupt >> 8 & 0xFF) != 0) {
            print(", IRQ ");
            print_number(interrupt & 0xFF);
        }
        print("\n");
    });
    if (count == 0) print("  There is no PCI bus here.\n");
}
