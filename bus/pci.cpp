#include "bus/pci.hpp"

#include <algorithm>
#include <utility>

namespace glassbox {

PciFunction::PciFunction(std::string name, PciId id, PortBus& ports, MemoryMap& memory)
    : name_(std::move(name)), ports_(ports), memory_(memory) {
    define16(0x00, id.vendor);
    define16(0x02, id.device);
    define16(0x04, 0, 0x0547); // I/O, memory, bus master, parity, SERR#, INTx disable
    define(0x08, id.revision);
    define(0x09, static_cast<u8>(id.class_code));
    define(0x0A, static_cast<u8>(id.class_code >> 8));
    define(0x0B, static_cast<u8>(id.class_code >> 16));
    define(0x0C, 0, 0xFF); // cache line size
    define(0x0D, 0, 0xFF); // latency timer
    define(0x0E, id.header_type);
    define16(0x2C, id.subsystem_vendor);
    define16(0x2E, id.subsystem);
    define(0x3C, 0, 0xFF); // interrupt line
    define(0x3D, id.interrupt_pin);
}

void PciFunction::define(u8 offset, u8 reset_value, u8 writable) {
    config_[offset] = reset_[offset] = reset_value;
    writable_[offset] = writable;
}

void PciFunction::define16(u8 offset, u16 reset_value, u16 writable) {
    for (unsigned i = 0; i < 2; ++i) {
        define(static_cast<u8>(offset + i), static_cast<u8>(reset_value >> (8 * i)),
               static_cast<u8>(writable >> (8 * i)));
    }
}

void PciFunction::define32(u8 offset, u32 reset_value, u32 writable) {
    define16(offset, static_cast<u16>(reset_value), static_cast<u16>(writable));
    define16(static_cast<u8>(offset + 2), static_cast<u16>(reset_value >> 16), static_cast<u16>(writable >> 16));
}

void PciFunction::add_bar(unsigned index, BarKind kind, u64 size, IoDevice* device, unsigned max_width, u64 base_offset,
                          u8* host, bool writes_dropped) {
    Bar& bar = bars_.at(index);
    bar.kind = kind;
    bar.size = size;
    bar.device = device;
    bar.host = host;
    bar.max_width = max_width;
    bar.base_offset = base_offset;
    const u32 type = kind == BarKind::io ? 1 : kind == BarKind::memory32_prefetchable ? 8 : 0;
    const u32 decoded = static_cast<u32>(~(size - 1));
    define32(bar_offset(index), index == 6 ? 0 : type,
             index == 6 ? ((decoded & ~0x7FFu) | 1) : decoded & ~(kind == BarKind::io ? 3u : 15u));
    if (kind != BarKind::io) {
        MemoryMap::Region region;
        region.name = name_ + (index == 6 ? " ROM" : " BAR" + std::to_string(index));
        region.size = 0;
        region.host = host;
        region.device = host ? nullptr : device;
        region.max_width = max_width;
        region.priority = -10; // the host bridge decodes RAM, ROM and the VGA window before it asks the PCI bus
        region.writes_dropped = writes_dropped;
        bar.region = memory_.add(std::move(region));
    }
}

std::optional<u64> PciFunction::bar_address(unsigned index) const {
    const Bar& bar = bars_.at(index);
    if (bar.size == 0) return std::nullopt;
    const u8 at = bar_offset(index);
    u32 raw = 0;
    for (unsigned i = 0; i < 4; ++i) raw |= u32{config_[at + i]} << (8 * i);
    if ((command() & (bar.kind == BarKind::io ? 1 : 2)) == 0) return std::nullopt;
    if (index == 6 && (raw & 1) == 0) return std::nullopt;
    const u64 address = raw & static_cast<u32>(~(bar.size - 1)) & ~(bar.kind == BarKind::io ? 3u : 15u);
    if (address == 0) return std::nullopt;                                            // not programmed
    if (bar.kind == BarKind::io && address + bar.size > 0x10000) return std::nullopt; // being sized
    if (bar.kind != BarKind::io && address + bar.size > 0xFFFF'F000) return std::nullopt;
    return address;
}

void PciFunction::remap() {
    for (unsigned i = 0; i < bars_.size(); ++i) remap(i, bars_[i]);
}

void PciFunction::remap(unsigned index, Bar& bar) {
    if (bar.size == 0) return;
    const u64 address = bar_address(index).value_or(0);
    if (bar.kind == BarKind::io) {
        if (address == bar.mapped_at) return;
        if (bar.mapping) ports_.unmap(*bar.mapping);
        bar.mapping.reset();
        if (address) {
            const PortBus::Range range{Port{static_cast<u16>(address)}, static_cast<u16>(bar.size)};
            bar.mapping =
                ports_.map(name_ + " BAR" + std::to_string(index), range, *bar.device, bar.max_width, bar.base_offset);
        }
    } else {
        memory_.change(*bar.region, address, address ? bar.size : 0,
                       address ? MemoryMap::Access::read_write : MemoryMap::Access::none);
    }
    bar.mapped_at = address;
}

u32 PciFunction::config_read(u8 offset, unsigned width) const {
    u32 value = 0;
    for (unsigned i = 0; i < width && offset + i < 256; ++i) value |= u32{config_[offset + i]} << (8 * i);
    return value;
}

void PciFunction::config_write(u8 offset, unsigned width, u32 value) {
    for (unsigned i = 0; i < width && offset + i < 256; ++i) {
        const u8 mask = writable_[offset + i];
        u8& reg = config_[offset + i];
        reg = static_cast<u8>((reg & ~mask) | (static_cast<u8>(value >> (8 * i)) & mask));
    }
    if (offset < 0x34) {
        remap();
        drive_interrupt();
    }
    config_written(offset, width);
}

void PciFunction::reset() {
    config_ = reset_;
    remap();
    set_interrupt(false);
}

// PCI 2.3, 6.2.3: the interrupt status bit shows the function's request whether or not INTx# is disabled.
void PciFunction::set_interrupt(bool level) {
    config_[0x06] = static_cast<u8>((config_[0x06] & ~8) | (level ? 8 : 0));
    drive_interrupt();
}

void PciFunction::drive_interrupt() { intx_.set((config_[0x06] & 8) != 0 && (command() & 0x400) == 0); }

void PciFunction::persist_config(Archive& archive) {
    archive.chunk("pci:" + name_, 1, [&](u32) {
        archive(config_);
        if (archive.loading() && archive.ok()) {
            for (unsigned i = 0; i < 4; ++i)
                archive.require(config_[i] == reset_[i], "a PCI function has another identity");
            for (unsigned i = 0; i < bars_.size(); ++i) {
                if (bars_[i].size == 0) continue;
                for (unsigned k = 0; k < 4; ++k) { // bits that are not writable are the header's own
                    const unsigned at = bar_offset(i) + k;
                    config_[at] = static_cast<u8>((config_[at] & writable_[at]) | reset_[at]);
                }
            }
            remap();
        }
    });
}

PciBus::PciBus(PortBus& ports) { ports.map("PCI configuration", {Port{0xCF8}, 8}, *this, 4); }

void PciBus::attach(unsigned slot, unsigned function, PciFunction& device) {
    functions_.at(slot * 8 + function) = &device;
}

void PciBus::reset() {
    address_ = 0;
    for (PciFunction* function : functions_) {
        if (function) function->reset();
    }
}

PciFunction* PciBus::selected() const {
    if ((address_ & 0x8000'0000) == 0 || ((address_ >> 16) & 0xFF) != 0) return nullptr;
    return functions_[(address_ >> 8) & 0xFF];
}

u64 PciBus::read(u64 offset, unsigned width) {
    const bool other = offset == 1 && width == 1 && reset_control_;
    return other ? reset_control_->read(1, 1) : *peek(offset, width);
}

std::optional<u64> PciBus::peek(u64 offset, unsigned width) const {
    if (offset < 4) {
        if (offset == 0 && width == 4) return address_;
        return offset == 1 && width == 1 && reset_control_ ? reset_control_->peek(1, 1) : ~u64{0};
    }
    const PciFunction* function = selected();
    if (!function) return ~u64{0};
    return function->config_read(static_cast<u8>((address_ & 0xFC) + (offset - 4)), width);
}

void PciBus::write(u64 offset, unsigned width, u64 value) {
    if (offset < 4) {
        if (offset == 0 && width == 4) address_ = static_cast<u32>(value) & 0x80FF'FFFC;
        if (offset == 1 && width == 1 && reset_control_) reset_control_->write(1, 1, value);
        return;
    }
    PciFunction* function = selected();
    if (function)
        function->config_write(static_cast<u8>((address_ & 0xFC) + (offset - 4)), width, static_cast<u32>(value));
}

void PciBus::persist(Archive& archive) {
    archive.chunk("pci bus", 1, [&](u32) { archive(address_); });
}

} // namespace glassbox
