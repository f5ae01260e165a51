#include "devices/chipset/i440fx.hpp"

#include <algorithm>
#include <stdexcept>

namespace glassbox {

namespace {
constexpr u8 pam0 = 0x59, smram_register = 0x72;
constexpr u8 smram_open = 0x40, smram_close = 0x20, smram_lock = 0x10, smram_enable = 0x08;

struct Segment {
    u32 start, size;
    u8 offset, shift; // the nibble: bit 0 read enable, bit 1 write enable
};
constexpr Segment segment(unsigned index) {
    if (index == 0) return {0xF0000, 0x10000, pam0, 4};
    const unsigned i = index - 1;
    return {0xC0000 + i * 0x4000, 0x4000, static_cast<u8>(pam0 + 1 + i / 2), static_cast<u8>(i % 2 * 4)};
}
} // namespace

I440fx::I440fx(PortBus& ports, MemoryMap& memory)
    : PciFunction("i440FX", {.vendor = 0x8086, .device = 0x1237, .class_code = 0x060000, .revision = 2}, ports, memory),
      memory_(memory) {
    if (memory.ram().size() < 0x100000) throw std::invalid_argument("the i440FX needs at least 1 MiB of RAM");
    define16(0x04, 0x0006, 0x0100); // memory space and bus master are wired to 1; SERR# enable
    define16(0x06, 0x0280);
    define(0x0C, 0);
    define(0x3C, 0);
    define16(0x50, 0x0400, 0xFF70); // PMCCFG
    define(0x52, 0, 0x03);          // DETURBO
    define(0x53, 0x80, 0xE0);       // DBC
    define(0x54, 0, 0x82);          // AXC
    define16(0x55, 0, 0xFFFF);      // DRT
    define(0x57, 0x01, 0x7F);       // DRAMC
    define(0x58, 0x10, 0x7F);       // DRAMT
    for (u8 i = 0; i < 7; ++i) define(static_cast<u8>(pam0 + i), 0, i == 0 ? 0x30 : 0x33);
    // The rows' boundaries in units of 8 MiB, as the BIOS of such a board leaves them: 128 MiB to a row.
    const u64 units = (memory.ram().size() + (8u << 20) - 1) >> 23;
    for (u8 row = 0; row < 8; ++row) {
        define(static_cast<u8>(0x60 + row), static_cast<u8>(std::min<u64>(units, (row + 1u) * 16u)), 0xFF);
    }
    define(0x68, 0, 0xC0);                        // FDHC
    define(0x70, 0, 0xF8);                        // MTT
    define(0x71, 0x10, 0x1F);                     // CLT
    define(smram_register, 0x02, 0x78);           // SMRAM: the segment is always A0000h
    define(0x90, 0, 0x8B), define(0x93, 0, 0x0F); // ERRCMD, TRC
    for (unsigned i = 0; i < segments; ++i) {
        const Segment s = segment(i);
        MemoryMap::Region region;
        region.name = "shadow RAM";
        region.start = s.start;
        region.size = s.size;
        region.host = memory.ram().data() + s.start;
        region.priority = shadow_priority;
        shadow_[i] = memory.add(std::move(region));
    }
    MemoryMap::Region region;
    region.name = "SMRAM";
    region.start = 0xA0000;
    region.size = 0x20000;
    region.host = memory.ram().data() + 0xA0000;
    region.priority = shadow_priority;
    smram_ = memory.add(std::move(region));
}

void I440fx::reset() {
    PciFunction::reset();
    smram_value_ = 0;
    apply_pam();
    apply_smram();
}

void I440fx::config_written(u8 offset, unsigned width) {
    const unsigned end = offset + width;
    if (offset <= pam0 + 6 && end > pam0) apply_pam();
    if (offset <= smram_register && end > smram_register) apply_smram();
}

void I440fx::apply_pam() {
    for (unsigned i = 0; i < segments; ++i) {
        const Segment s = segment(i);
        const auto enables = static_cast<u8>(config_[s.offset] >> s.shift & 3);
        memory_.set_access(shadow_[i], static_cast<MemoryMap::Access>(enables)); // the same two bits
    }
}

// Once locked, D_OPEN is zero and the register is read-only until reset (3.2.23).
void I440fx::apply_smram() {
    u8& reg = config_[smram_register];
    if (smram_value_ & smram_lock) reg = smram_value_;
    if (reg & smram_lock) reg &= static_cast<u8>(~smram_open);
    smram_value_ = reg;
    const bool visible = (reg & smram_enable) && (reg & smram_open) && !(reg & smram_close);
    memory_.set_access(smram_, visible ? MemoryMap::Access::read_write : MemoryMap::Access::none);
}

void I440fx::persist(Archive& archive) {
    persist_config(archive);
    if (archive.loading() && archive.ok()) {
        smram_value_ = 0;
        apply_pam();
        apply_smram();
    }
}

} // namespace glassbox
