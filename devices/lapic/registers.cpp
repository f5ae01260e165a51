// The local APIC's register page (SDM 3A table 11-1). Registers are 32 bits wide and 16 bytes apart.
#include "devices/lapic/lapic.hpp"

#include <algorithm>

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
};

constexpr u32 version_value = 0x00050014; // integrated APIC, LVT entries 0-5

// Timer, thermal, performance, LINT0, LINT1, error. Timer bit 18 (TSC deadline) is reserved here.
constexpr u32 lvt_writable[] = {0x300FF, 0x107FF, 0x107FF, 0x1A7FF, 0x1A7FF, 0x100FF};

} // namespace

u64 LocalApic::read(u64 offset, unsigned width) {
    const unsigned byte = static_cast<unsigned>(offset & 15);
    if (byte > 3) return 0;
    const u64 value = u64{read_register(static_cast<unsigned>(offset >> 4 & 0xFF))} >> 8 * byte;
    return width >= 4 ? value : value & ((u64{1} << 8 * width) - 1);
}

void LocalApic::write(u64 offset, unsigned width, u64 value) {
    (void)width; // narrow writes are undefined; here they are zero-extended
    if ((offset & 15) != 0) return;
    write_register(static_cast<unsigned>(offset >> 4 & 0xFF), static_cast<u32>(value));
}

u32 LocalApic::read_vectors(unsigned index) const {
    const Vectors& set = index >= request ? irr_ : index >= trigger_mode ? tmr_ : isr_;
    return set[index & 7];
}

u32 LocalApic::read_register(unsigned index) {
    if (index >= in_service && index < error_status) return read_vectors(index);
    if (index >= first_lvt && index <= last_lvt) return lvt_[index - first_lvt];
    switch (index) {
    case id: return u32{id_} << 24;
    case version: return version_value;
    case task_priority_register: return tpr_;
    case arbitration: return arbitration_priority();
    case processor: return processor_priority();
    case eoi:
    case remote_read: return 0;
    case logical_destination: return ldr_;
    case destination_format: return dfr_;
    case spurious: return svr_;
    case error_status: return esr_;
    case command_low: return icr_low_;
    case command_high: return icr_high_;
    case initial_count: return initial_count_;
    case current_count: return timer_count();
    case divide_configuration: return divide_;
    default: raise_error(illegal_register); return 0;
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
    case command_low: icr_low_ = value & 0x000CCFFF; return send_interrupt();
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
    if (entry == timer && ((value ^ lvt_[timer]) & lvt_periodic) != 0) rebase_timer();
    value &= lvt_writable[entry];
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
    message.destination = static_cast<u8>(icr_high_ >> 24);
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

} // namespace glassbox
