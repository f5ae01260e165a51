#include "devices/chipset/isa_irq_router.hpp"

namespace glassbox {

void IsaIrqRouter::set_irq(unsigned input, bool level) {
    const unsigned irq = input % 16;
    const unsigned source = input / 16 % sources;
    const u16 bit = static_cast<u16>(1u << source);
    const u16 before = levels_[irq];
    levels_[irq] = static_cast<u16>(level ? before | bit : before & ~bit);
    const bool high = levels_[irq] != 0;
    if (high == (before != 0)) return;
    pic_.set_irq(irq, high);
    if (io_apic_) io_apic_->set_irq(irq == 0 ? 2 : irq, high);
    if (probe) [[unlikely]]
        probe->irq_changed(irq, high);
}

// The controllers restore their own inputs: the wires are not driven again here.
void IsaIrqRouter::persist(Archive& archive) {
    archive.chunk("isa irqs", 1, [&](u32) { archive(levels_); });
}

} // namespace glassbox
