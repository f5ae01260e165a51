// The 82093AA's registers (data sheet 3.2) and what its inputs do.
#include "devices/ioapic/ioapic.hpp"

namespace glassbox {

namespace {

constexpr u64 base_address = 0xFEC00000;
constexpr u64 window = page_size;
constexpr u64 select_offset = 0x00, data_offset = 0x10;
enum Index : u8 { id_register = 0, version_register = 1, arbitration_register = 2, first_redirection = 0x10 };

constexpr u64 masked = 1u << 16, level_triggered = 1u << 15, remote_irr = 1u << 14, logical = 1u << 11;
constexpr u64 low_writable = 0x1AFFF; // all but delivery status and remote IRR
constexpr u64 high_writable = u64{0xFF} << 56;

bool vectored(u64 entry) {
    const auto delivery = static_cast<ApicDelivery>(entry >> 8 & 7);
    return delivery == ApicDelivery::fixed || delivery == ApicDelivery::lowest_priority;
}

/// NMI, INIT and ExtINT are edges whatever the entry says: nobody would ever end them.
bool level_sensed(u64 entry) { return (entry & level_triggered) != 0 && vectored(entry); }

} // namespace

IoApic::IoApic(ApicBus& bus) : bus_(bus) {
    bus_.listen(*this);
    reset();
}

void IoApic::map(MemoryMap& memory) {
    MemoryMap::Region region;
    region.name = "ioapic";
    region.start = base_address;
    region.size = window;
    region.access = MemoryMap::Access::read_write;
    region.device = this;
    region.priority = 100;
    memory.add(region);
}

void IoApic::reset() {
    select_ = id_ = 0;
    entries_.fill(masked);
}

void IoApic::set_irq(unsigned input, bool level) {
    if (input >= inputs) return;
    const u32 bit = 1u << input;
    const bool was = (lines_ & bit) != 0;
    lines_ = level ? lines_ | bit : lines_ & ~bit;
    const u64 entry = entries_[input];
    if (level_sensed(entry)) {
        evaluate_level(input);
    } else if (level && !was && (entry & masked) == 0) { // an edge on a masked input is not remembered
        send(input);
    }
}

bool IoApic::send(unsigned input) {
    const u64 entry = entries_[input];
    ApicMessage message;
    message.delivery = static_cast<ApicDelivery>(entry >> 8 & 7);
    message.vector = static_cast<u8>(entry);
    message.destination = static_cast<u8>(entry >> 56);
    message.logical = (entry & logical) != 0;
    message.level = level_sensed(entry);
    return bus_.send(message);
}

/// An asserted level input is sent once; remote IRR holds it back until the EOI.
void IoApic::evaluate_level(unsigned input) {
    u64& entry = entries_[input];
    const bool asserted = (lines_ >> input & 1) != 0;
    if (!level_sensed(entry) || (entry & (masked | remote_irr)) != 0 || !asserted) return;
    entry |= remote_irr; // before sending: the receiver may answer at once
    if (!send(input)) entry &= ~remote_irr;
}

void IoApic::end_of_interrupt(u8 vector) {
    for (unsigned input = 0; input < inputs; ++input) {
        u64& entry = entries_[input];
        if ((entry & remote_irr) == 0 || static_cast<u8>(entry) != vector) continue;
        entry &= ~remote_irr;
        evaluate_level(input);
    }
}

void IoApic::retry() {
    for (unsigned input = 0; input < inputs; ++input) evaluate_level(input);
}

u64 IoApic::read(u64 offset, unsigned width) { return *peek(offset, width); }

std::optional<u64> IoApic::peek(u64 offset, unsigned width) const {
    u64 value = 0;
    if ((offset & ~u64{3}) == select_offset) value = select_;
    if ((offset & ~u64{3}) == data_offset) value = read_register();
    value >>= 8 * (offset & 3);
    return width >= 4 ? value : value & ((u64{1} << 8 * width) - 1);
}

void IoApic::write(u64 offset, unsigned width, u64 value) {
    if (offset == select_offset) select_ = static_cast<u8>(value);
    if (offset == data_offset && width == 4) write_register(static_cast<u32>(value)); // 32 bits only (3.1)
}

u32 IoApic::read_register() const {
    switch (select_) {
    case id_register:
    case arbitration_register: return u32{id_} << 24; // arbitration starts as the ID
    case version_register: return version;
    default: break;
    }
    const unsigned input = (select_ - unsigned{first_redirection}) / 2;
    if (select_ < first_redirection || input >= inputs) return 0;
    return static_cast<u32>((select_ & 1) != 0 ? entries_[input] >> 32 : entries_[input]);
}

void IoApic::write_register(u32 value) {
    if (select_ == id_register) id_ = value >> 24 & 15;
    const unsigned input = (select_ - unsigned{first_redirection}) / 2;
    if (select_ < first_redirection || input >= inputs) return;
    write_entry(input, (select_ & 1) != 0, value);
}

void IoApic::write_entry(unsigned input, bool high, u32 value) {
    u64& entry = entries_[input];
    if (high) {
        entry = (entry & ~high_writable) | (u64{value} << 32 & high_writable);
    } else {
        entry = (entry & ~low_writable) | (value & low_writable);
        // Making the entry edge-triggered clears remote IRR; drivers use it as an EOI of their own.
        if (!level_sensed(entry)) entry &= ~remote_irr;
    }
    evaluate_level(input);
}

void IoApic::persist(Archive& archive) {
    archive.chunk("ioapic", 1, [&](u32) {
        archive(select_, id_, entries_, lines_);
        for (u64 entry : entries_) {
            archive.require((entry & ~(high_writable | low_writable | remote_irr)) == 0,
                            "an I/O APIC entry has reserved bits");
        }
        archive.require(lines_ >> inputs == 0 && id_ < 16, "the I/O APIC has other inputs");
    });
}

} // namespace glassbox
