// What a debugger hears of the buses. Null pointers where nobody listens.
#pragma once

#include "bus/types.hpp"

#include <span>
#include <string_view>

namespace glassbox {

class BusProbe {
  public:
    virtual ~BusProbe() = default;
    /// After an access of the processor to a port; one part of it, as the device saw it. `owner` is the mapping's name,
    /// empty where nobody answers.
    virtual void port_accessed(std::string_view owner, Port port, unsigned width, bool write, u32 value) {
        (void)owner, (void)port, (void)width, (void)write, (void)value;
    }
    /// After an access to a memory-mapped device.
    virtual void device_accessed(std::string_view region, PhysAddress address, unsigned width, bool write, u64 value) {
        (void)region, (void)address, (void)width, (void)write, (void)value;
    }
    /// A wire of the ISA bus changed its level (IRQ 0-15).
    virtual void irq_changed(unsigned irq, bool level) { (void)irq, (void)level; }
    /// Before something that is no processor writes memory, which still is as it was: DMA, or a person.
    virtual void memory_writing(PhysAddress start, std::span<const u8> data) { (void)start, (void)data; }
};

} // namespace glassbox
