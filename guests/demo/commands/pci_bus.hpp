// The PCI bus's configuration space, through ports CF8h and CFCh (PCI 2.2, 3.2.2.3.2).
#pragma once

#include "../kernel/ports.hpp"

struct PciFunction {
    u32 bus, device, function;
};

inline u32 pci_read(const PciFunction& f, u32 offset) {
    const NoInterrupts guard; // the address and the data belong together
    out32(0xCF8, 0x80000000 | f.bus << 16 | f.device << 11 | f.function << 8 | (offset & 0xFC));
    return in32(0xCFC);
}

/// Calls `visit(function, id)` for every function of bus 0; `id` is the device's number above the vendor's.
template <class Visit> void for_each_pci_function(Visit visit) {
    for (u32 device = 0; device < 32; ++device) {
        for (u32 function = 0; function < 8; ++function) {
            const PciFunction f{0, device, function};
            const u32 id = pci_read(f, 0);
            if ((id & 0xFFFF) == 0xFFFF) {
                if (function == 0) break;
                continue;
            }
            visit(f, id);
            const bool more_functions = (pci_read(f, 0x0C) >> 16 & 0x80) != 0;
            if (function == 0 && !more_functions) break;
        }
    }
}

/// The first function with that id, if `found` says so.
struct PciSearch {
    bool found = false;
    PciFunction function{};
    explicit PciSearch(u32 id) {
        for_each_pci_function([&](const PciFunction& f, u32 its_id) {
            if (its_id != id || found) return;
            found = true;
            function = f;
        });
    }
};
