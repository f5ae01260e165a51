#include "devices/chipset/piix3.hpp"

#include <utility>

namespace glassbox {

namespace {
constexpr u8 pirqrc = 0x60;
constexpr u8 not_routed = 0x80;
constexpr u16 reserved_irqs = 0x2107; // 0, 1, 2, 8 and 13 cannot be chosen (2.3.10)
constexpr u8 srst = 0x02, rcpu = 0x04;
} // namespace

Piix3::Piix3(PortBus& ports, MemoryMap& memory, IrqSink& isa_irqs, unsigned first_input, Callbacks callbacks)
    : PciFunction("PIIX3", {.vendor = 0x8086, .device = 0x7000, .class_code = 0x060100, .header_type = 0x80}, ports,
                  memory),
      isa_irqs_(isa_irqs), first_input_(first_input), callbacks_(std::move(callbacks)) {
    define16(0x04, 0x0007, 0x0108); // I/O, memory and bus master are wired to 1; special cycles, SERR#
    define16(0x06, 0x0200);
    define(0x0C, 0), define(0x0D, 0), define(0x3C, 0);
    define(0x4C, 0x4D, 0x7F);       // IORT
    define16(0x4E, 0x0003, 0x01FF); // XBCS
    for (u8 i = 0; i < 4; ++i) define(static_cast<u8>(pirqrc + i), not_routed, 0x8F);
    define(0x69, 0x02, 0xFE);                           // TOM
    define16(0x6A, 0, 0x8080);                          // MSTAT
    define(0x70, 0x80, 0xEF), define(0x71, 0x80, 0xEF); // MBIRQ
    define(0x76, 0x0C, 0x87), define(0x77, 0x0C, 0x87); // MBDMA
    define16(0x78, 0x0002, 0xFFFF);                     // PCSC
    define(0x80, 0, 0x7F);                              // APICBASE
    define(0x82, 0, 0x0F);                              // DLC
    define(0xA0, 0x08, 0x1F);                           // SMICNTL
    define16(0xA2, 0, 0x01FF);                          // SMIEN
    define32(0xA4, 0, 0xE000'FFFF);                     // SEE
    define(0xA8, 0x0F, 0xFF);                           // FTMR
    define16(0xAA, 0, 0x01FF);                          // SMIREQ
    define(0xAC, 0, 0xFF), define(0xAE, 0, 0xFF);       // CTLTMR, CTHTMR
}

void Piix3::set_irq(unsigned input, bool level) {
    const unsigned slot = input / 32 % 32;
    const u32 bit = u32{1} << input % 32;
    const u32 before = pins_[slot];
    pins_[slot] = level ? before | bit : before & ~bit;
    if (pins_[slot] != before) route();
}

u16 Piix3::routed_levels() const {
    unsigned pirqs = 0;
    for (unsigned slot = 0; slot < pins_.size(); ++slot) {
        u32 nibbles = pins_[slot];
        if (nibbles == 0) continue;
        for (unsigned fold = 16; fold >= 4; fold /= 2) nibbles |= nibbles >> fold; // any function: one nibble of pins
        for (unsigned pin = 0; pin < 4; ++pin) {
            if (nibbles >> pin & 1) pirqs |= 1u << ((slot + pin + 3) & 3);
        }
    }
    u16 levels = 0;
    for (unsigned i = 0; i < 4; ++i) {
        const u8 routing = config_[pirqrc + i];
        if ((pirqs >> i & 1) && !(routing & not_routed)) levels |= static_cast<u16>(1u << (routing & 15));
    }
    return levels & static_cast<u16>(~reserved_irqs);
}

void Piix3::route() {
    const u16 levels = routed_levels();
    const u16 changed = levels ^ driven_;
    driven_ = levels;
    for (unsigned irq = 0; irq < 16; ++irq) {
        if (changed >> irq & 1) isa_irqs_.set_irq(first_input_ + irq, (levels >> irq & 1) != 0);
    }
}

void Piix3::config_written(u8 offset, unsigned width) {
    if (offset < pirqrc + 4 && offset + width > pirqrc) route();
}

u64 Piix3::read(u64, unsigned) { return reset_control_; }

// A rise of RCPU resets; SRST, which may be written with it, chooses what (2.6.4).
void Piix3::write(u64, unsigned, u64 value) {
    const auto next = static_cast<u8>(value & (srst | rcpu));
    const bool rises = (next & rcpu) != 0 && (reset_control_ & rcpu) == 0;
    reset_control_ = rises ? next & static_cast<u8>(~rcpu) : next; // the reset itself clears RCPU
    if (rises && callbacks_.reset) callbacks_.reset((next & srst) != 0);
}

void Piix3::reset() {
    PciFunction::reset();
    reset_control_ = 0;
    route();
}

void Piix3::persist(Archive& archive) {
    persist_config(archive);
    archive.chunk("piix3", 1, [&](u32) { archive(pins_, reset_control_); });
    if (archive.loading()) driven_ = routed_levels(); // the router restores the wires
}

} // namespace glassbox
