// The local APIC's registers: as a page (SDM 3A table 11-1), 32 bits wide and 16 bytes apart, and as MSRs (table 11-6),
// whose number is 800h and the page's offset divided by 16.
#include "devices/lapic/lapic.hpp"

#include <algorithm>
#include <utility>

namespace glassbox {

namespace {

enum Index : unsigned { // address / 10h
    id = 0x02,
    version = 0x03,
    task_priority_register = 0x08,
    arbitration = 0x09,
    processor = 0x0A,
    eoi = 0x0B,
    remote_read = 0x0C,
    logical_destination = 0x0D,
    destination_format = 0x0E,
    spurious = 0x0F,
    in_service = 0x10,
    trigger_mode = 0x18,
    request = 0x20,
    error_status = 0x28,
    command_low = 0x30,
    command_high = 0x31,
    first_lvt = 0x32,
    last_lvt = 0x37,
    initial_count = 0x38,
    current_count = 0x39,
    divide_configuration = 0x3E,
    self_interrupt = 0x3F, // x2APIC mode only
};

constexpr u32 version_value = 0x00050014; // integrated APIC, LVT entries 0-5

constexpr u32 command_writable = 0x000CCFFF;

bool readable_msr(unsigned index) {
    if (index >= in_service && index <= error_status) return true;
    if (index >= first_lvt && index <= divide_configuration)
        return index <= current_count || index == divide_configuration;
    switch (index) {
    case id:
    case version:
    case task_priority_register:
    case processor:
    case logical_destination:
    case spurious:
    case command_low: return true;
    default: return false;
    }
}

} // namespace

/// Timer, thermal, performance, LINT0, LINT1, error.
u32 LocalApic::lvt_writable(unsigned entry) const {
    constexpr u32 bits[] = {0x300FF, 0x107FF, 0x107FF, 0x1A7FF, 0x1A7FF, 0x100FF};
    return bits[entry] | (entry == timer && config_.tsc ? lvt_deadline : 0);
}

/// The page belongs to each processor for itself: null when the one that executes now has none here.
const LocalApic* LocalApic::page_owner() const {
    const auto* active = static_cast<const LocalApic*>(bus_.active()); // nothing else is an agent
    if (!active || active == this) return this;
    const bool here = active->apic_enabled() && !active->extended() && ((active->base_ ^ base_) & ~page_mask) == 0;
    return here ? active : nullptr;
}

LocalApic* LocalApic::page_owner() { return const_cast<LocalApic*>(std::as_const(*this).page_owner()); }

InterruptPort* LocalApic::take_bus() {
    auto* before = static_cast<LocalApic*>(bus_.active());
    if (before) bus_.set_active(this); // with a bus that asks nobody, each page is its own APIC's
    return before;
}

namespace {

/// The part of a register that an access takes: 32 bits in every 16 bytes.
u64 part_of(u32 value, u64 offset, unsigned width) {
    const u64 part = u64{value} >> 8 * (offset & 3);
    return width >= 4 ? part : part & ((u64{1} << 8 * width) - 1);
}
bool beside_register(u64 offset) { return (offset & 15) > 3; }
unsigned index_of(u64 offset) { return static_cast<unsigned>(offset >> 4 & 0xFF); }

} // namespace

u64 LocalApic::read(u64 offset, unsigned width) {
    LocalApic* own = page_owner();
    if (!own) return memory_->read_beneath(region_, PhysAddress((base_ & ~page_mask) + offset), width);
    return beside_register(offset) ? 0 : part_of(own->read_register(index_of(offset)), offset, width);
}

std::optional<u64> LocalApic::peek(u64 offset, unsigned width) const {
    const LocalApic* own = page_owner();
    if (!own) return memory_->peek_beneath(region_, PhysAddress((base_ & ~page_mask) + offset), width);
    return beside_register(offset) ? 0 : part_of(own->peek_register(index_of(offset)).value_or(0), offset, width);
}

void LocalApic::write(u64 offset, unsigned width, u64 value) {
    LocalApic* own = page_owner();
    if (!own) return memory_->write_beneath(region_, PhysAddress((base_ & ~page_mask) + offset), width, value);
    own->write_page(offset, width, value);
}

void LocalApic::write_page(u64 offset, unsigned width, u64 value) {
    (void)width; // narrow writes are undefined; here they are zero-extended
    if ((offset & 15) != 0) return;
    write_register(static_cast<unsigned>(offset >> 4 & 0xFF), static_cast<u32>(value));
}

u32 LocalApic::read_vectors(unsigned index) const {
    const Vectors& set = index >= request ? irr_ : index >= trigger_mode ? tmr_ : isr_;
    return set[index & 7];
}

u32 LocalApic::read_register(unsigned index) {
    const auto value = peek_register(index);
    if (!value) raise_error(illegal_register);
    return value.value_or(0);
}

/// Nothing: there is no such register.
std::optional<u32> LocalApic::peek_register(unsigned index) const {
    if (index >= in_service && index < error_status) return read_vectors(index);
    if (index >= first_lvt && index <= last_lvt) return lvt_[index - first_lvt];
    switch (index) {
    case id: return extended() ? config_.id : u32{id_} << 24;
    case version: return version_value;
    case task_priority_register: return tpr_;
    case arbitration: return arbitration_priority();
    case processor: return processor_priority();
    case eoi:
    case remote_read: return 0;
    case logical_destination: return extended() ? logical_id() : ldr_;
    case destination_format: return dfr_;
    case spurious: return svr_;
    case error_status: return esr_;
    case command_low: return icr_low_;
    case command_high: return icr_high_;
    case initial_count: return initial_count_;
    case current_count: return timer_count();
    case divide_configuration: return divide_;
    default: return std::nullopt;
    }
}

void LocalApic::write_register(unsigned index, u32 value) {
    if (index >= first_lvt && index <= last_lvt) return write_lvt(static_cast<Lvt>(index - first_lvt), value);
    if (index >= in_service && index < error_status) return; // read-only
    switch (index) {
    case id: id_ = static_cast<u8>(value >> 24); return bus_.retry();
    case task_priority_register: return set_task_priority(static_cast<u8>(value));
    case eoi: return end_of_interrupt();
    case logical_destination: ldr_ = value & 0xFF000000; return bus_.retry();
    case destination_format: dfr_ = value | 0x0FFFFFFF; return bus_.retry();
    case spurious: return write_spurious(value);
    case error_status: // shows what has gathered since the last write
        esr_ = errors_;
        errors_ = 0;
        return;
    case command_low: icr_low_ = value & command_writable; return send_interrupt();
    case command_high: icr_high_ = value & 0xFF000000; return;
    case initial_count: return start_timer(value);
    case divide_configuration:
        rebase_timer();
        divide_ = value & 0x0B;
        return schedule_timer();
    case version:
    case arbitration:
    case processor:
    case remote_read:
    case current_count: return; // read-only
    default: raise_error(illegal_register);
    }
}

void LocalApic::write_spurious(u32 value) {
    const bool was_enabled = software_enabled();
    svr_ = value & 0x3FF;
    if (!software_enabled()) { // "the mask bits for all the LVT entries are set"
        for (u32& entry : lvt_) entry |= lvt_masked;
        schedule_timer();
    }
    update_pins();
    if (!was_enabled && software_enabled()) bus_.retry();
}

void LocalApic::write_lvt(Lvt entry, u32 value) {
    value &= lvt_writable(entry);
    if (entry == timer && ((value ^ lvt_[timer]) & lvt_deadline) != 0) { // disarms the timer (11.5.4.1)
        initial_count_ = first_count_ = 0;
        tsc_deadline_ = 0;
    }
    if (entry == timer && ((value ^ lvt_[timer]) & lvt_periodic) != 0) rebase_timer();
    if (!software_enabled()) value |= lvt_masked;
    lvt_[entry] = value | (lvt_[entry] & lvt_remote_irr);
    if (entry == timer) schedule_timer();
    if (entry == lint0 || entry == lint1) evaluate_lint(entry - lint0);
    update_pins();
}

/// SDM 3A 11.6.1: the ICR's low half sends.
void LocalApic::send_interrupt() {
    ApicMessage message;
    message.delivery = static_cast<ApicDelivery>(icr_low_ >> 8 & 7);
    message.vector = static_cast<u8>(icr_low_);
    message.destination = extended() ? icr_high_ : icr_high_ >> 24;
    message.wide = extended();
    message.logical = (icr_low_ & 0x800) != 0;
    const auto shorthand = static_cast<ApicShorthand>(icr_low_ >> 18 & 3);
    const bool vectored = message.delivery == ApicDelivery::fixed || message.delivery == ApicDelivery::lowest_priority;
    if (message.delivery == ApicDelivery::reserved || message.delivery == ApicDelivery::external) return;
    // INIT level de-assert synchronizes arbitration IDs, which this bus does not have.
    if (message.delivery == ApicDelivery::init && (icr_low_ & 0xC000) == 0x8000) return;
    // Table 11-3: only fixed interrupts may include their sender by shorthand.
    const bool includes_self = shorthand == ApicShorthand::self || shorthand == ApicShorthand::all;
    if (includes_self && message.delivery != ApicDelivery::fixed) return;
    if (vectored && message.vector < 16) return raise_error(send_illegal_vector);
    bus_.send(message, shorthand, this);
}

bool LocalApic::read_x2apic(u32 msr, u64& value) {
    const unsigned index = msr - 0x800;
    if (!extended() || msr < 0x800 || !readable_msr(index)) return false;
    value = read_register(index);
    if (index == command_low) value |= u64{icr_high_} << 32;
    return true;
}

/// Reserved bits and read-only registers are #GP here (11.12.1.3).
bool LocalApic::write_x2apic(u32 msr, u64 value) {
    return extended() && msr >= 0x800 && write_extended(msr - 0x800, value);
}

bool LocalApic::write_extended(unsigned index, u64 value) {
    u64 writable = 0;
    if (index >= first_lvt && index <= last_lvt) {
        // Remote IRR and delivery status are read-only: what was read may be written back.
        writable = lvt_writable(index - first_lvt) | lvt_remote_irr | 1u << 12;
    } else {
        switch (index) {
        case task_priority_register: writable = 0xFF; break;
        case eoi:
        case error_status: writable = 0; break;
        case spurious: writable = 0x3FF; break;
        case command_low: writable = u64{0xFFFF'FFFF} << 32 | command_writable; break;
        case initial_count: writable = 0xFFFF'FFFF; break;
        case divide_configuration: writable = 0x0B; break;
        case self_interrupt: writable = 0xFF; break;
        default: return false;
        }
    }
    if ((value & ~writable) != 0) return false;
    if (index == self_interrupt) { // as a fixed, edge-triggered interrupt with the shorthand "self" (11.12.11)
        if (value < 16)
            raise_error(send_illegal_vector);
        else
            bus_.send({.vector = static_cast<u8>(value)}, ApicShorthand::self, this);
        return true;
    }
    if (index == command_low) icr_high_ = static_cast<u32>(value >> 32);
    write_register(index, static_cast<u32>(value));
    return true;
}

} // namespace glassbox
