// The local APIC's interrupt acceptance, priorities and pins (SDM 3A 11.8).
#include "devices/lapic/lapic.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace glassbox {

namespace {

constexpr u64 default_page = 0xFEE00000;
constexpr int above_everything = 1000; // the page belongs to the processor: no device is in front of it

using Vectors = std::array<u32, 8>;

void set(Vectors& set, u8 vector) { set[vector / 32] |= 1u << vector % 32; }
void clear(Vectors& set, u8 vector) { set[vector / 32] &= ~(1u << vector % 32); }
bool test(const Vectors& set, u8 vector) { return (set[vector / 32] >> vector % 32 & 1) != 0; }

std::optional<u8> highest(const Vectors& set) {
    for (unsigned word = 8; word-- > 0;) {
        if (set[word] != 0) return static_cast<u8>(word * 32 + static_cast<unsigned>(std::bit_width(set[word])) - 1);
    }
    return std::nullopt;
}

} // namespace

LocalApic::LocalApic(Scheduler& scheduler, CpuPins& pins, ApicBus& bus, std::function<u8()> external_vector,
                     Config config)
    : scheduler_(scheduler), pins_(pins), bus_(bus), external_vector_(std::move(external_vector)), config_(config),
      timer_event_(scheduler, "lapic" + std::to_string(config.id) + ".timer", [this] { timer_expired(); }) {
    bus_.attach(*this);
    id_ = static_cast<u8>(config_.id);
    base_ = config_.present ? default_page | base_enable | (config_.bootstrap ? base_bootstrap : 0) : 0;
    reset_registers();
}

void LocalApic::map(MemoryMap& memory) {
    memory_ = &memory;
    MemoryMap::Region region;
    region.name = "lapic" + std::to_string(config_.id);
    region.start = default_page;
    region.size = page_size;
    region.device = this;
    region.priority = above_everything;
    region_ = memory.add(region);
    move_page();
}

void LocalApic::move_page() {
    if (!memory_) return;
    const bool there = apic_enabled() && !extended();
    const u64 page = there ? base_ & ~page_mask : default_page;
    memory_->change(region_, page, page_size, there ? MemoryMap::Access::read_write : MemoryMap::Access::none);
}

void LocalApic::reset() {
    id_ = static_cast<u8>(config_.id);
    base_ = config_.present ? default_page | base_enable | (config_.bootstrap ? base_bootstrap : 0) : 0;
    move_page();
    init();
}

void LocalApic::init() {
    reset_registers();
    update_pins();
}

void LocalApic::reset_registers() {
    tpr_ = esr_ = errors_ = 0;
    ldr_ = 0;
    dfr_ = ~0u;
    svr_ = 0xFF;
    isr_ = tmr_ = irr_ = {};
    icr_low_ = icr_high_ = 0;
    lvt_.fill(lvt_masked);
    if (config_.bootstrap) { // virtual wire mode
        lvt_[lint0] = static_cast<u32>(ApicDelivery::external) << 8;
        lvt_[lint1] = static_cast<u32>(ApicDelivery::nmi) << 8;
    }
    divide_ = initial_count_ = first_count_ = 0;
    timer_start_ = tsc_deadline_ = 0;
    external_message_ = false;
    timer_event_.cancel();
}

bool LocalApic::set_apic_base(u64 value) {
    const u64 address = ((u64{1} << config_.physical_bits) - 1) & ~page_mask;
    const u64 known = address | base_enable | base_bootstrap | (config_.x2apic ? base_extended : 0);
    if (!config_.present || (value & ~known) != 0) return false;
    const bool was_enabled = apic_enabled(), enables = (value & base_enable) != 0;
    const bool extends = (value & base_extended) != 0;
    // Figure 11-27: x2APIC mode is entered from xAPIC mode, and left by disabling the APIC.
    if (extends ? !enables || !was_enabled : extended() && enables) return false;
    if (extends && !extended()) icr_high_ = 0, id_ = static_cast<u8>(config_.id);
    base_ = value;
    if (was_enabled && !apic_enabled()) reset_registers(); // "prior initialization may be lost"
    move_page();
    update_pins();
    return true;
}

void LocalApic::set_task_priority(u8 value) {
    tpr_ = value;
    update_pins();
}

/// SDM 3A 11.8.3.1: the higher of the task's class and that of the interrupt in service.
u8 LocalApic::processor_priority() const {
    const u8 service = highest(isr_).value_or(0) & 0xF0;
    return (tpr_ & 0xF0) >= service ? tpr_ : service;
}

u8 LocalApic::arbitration_priority() const {
    const u8 task = tpr_ >> 4, request = highest(irr_).value_or(0) >> 4, service = highest(isr_).value_or(0) >> 4;
    if (task >= request && task > service) return tpr_;
    return static_cast<u8>(std::max({task & service, static_cast<int>(request), static_cast<int>(service)}) << 4);
}

std::optional<u8> LocalApic::deliverable() const {
    if (!software_enabled()) return std::nullopt;
    const auto vector = highest(irr_);
    if (!vector || (*vector & 0xF0) <= (processor_priority() & 0xF0)) return std::nullopt;
    return vector;
}

bool LocalApic::external_pending() const {
    if (external_message_) return true;
    for (unsigned pin = 0; pin < 2; ++pin) {
        const u32 entry = lvt_[lint0 + pin];
        const bool external = static_cast<ApicDelivery>(entry >> 8 & 7) == ApicDelivery::external;
        if (external && (entry & lvt_masked) == 0 && lint_[pin]) return true;
    }
    return false;
}

bool LocalApic::lint0_wakes() const {
    const auto delivery = static_cast<ApicDelivery>(lvt_[lint0] >> 8 & 7);
    return apic_enabled() && !(lvt_[lint0] & lvt_masked) &&
           (delivery == ApicDelivery::nmi || delivery == ApicDelivery::init);
}

void LocalApic::update_pins() {
    const bool level = apic_enabled() ? deliverable().has_value() || external_pending() : lint_[0];
    if (level == intr_) return;
    intr_ = level;
    pins_.set_intr(level);
}

u8 LocalApic::acknowledge() {
    if (!apic_enabled()) return external_vector_();
    u8 vector = static_cast<u8>(svr_); // the spurious vector, should the request have gone
    if (const auto request = deliverable()) {
        vector = *request;
        clear(irr_, vector);
        set(isr_, vector);
    } else if (external_pending()) {
        external_message_ = false;
        vector = external_vector_();
    }
    update_pins();
    return vector;
}

void LocalApic::accept_vector(u8 vector, bool level) {
    if (vector < 16) return raise_error(receive_illegal_vector);
    set(irr_, vector);
    if (level) {
        set(tmr_, vector);
    } else {
        clear(tmr_, vector);
    }
    update_pins();
}

void LocalApic::raise_error(ErrorBit bit) {
    if ((errors_ & bit) != 0) return; // also ends the recursion of an error entry with an illegal vector
    errors_ |= bit;
    deliver_lvt(error);
}

void LocalApic::deliver_lvt(Lvt entry) {
    if ((lvt_[entry] & lvt_masked) == 0) accept_vector(static_cast<u8>(lvt_[entry]), false);
}

bool LocalApic::addressed_by(const ApicMessage& message) const {
    if (message.broadcast()) return true;
    if (extended()) {
        if (!message.logical) return message.destination == config_.id;
        const u32 own = logical_id(); // an 8-bit destination speaks of cluster 0
        return message.destination >> 16 == own >> 16 && (message.destination & own & 0xFFFF) != 0;
    }
    if (message.destination > 0xFF) return false;
    if (!message.logical) return message.destination == id_;
    const u8 own = static_cast<u8>(ldr_ >> 24);
    switch (dfr_ >> 28) {
    case 0xF: return (own & message.destination) != 0; // flat
    case 0x0: {                                        // cluster in the upper, members in the lower four bits
        const u32 cluster = message.destination >> 4;
        return (cluster == 0xF || cluster == own >> 4) && (own & message.destination & 0x0F) != 0;
    }
    default: return false;
    }
}

bool LocalApic::accept(const ApicMessage& message) {
    if (!apic_enabled()) return false;
    switch (message.delivery) {
    case ApicDelivery::nmi: pins_.nmi(); return true;
    case ApicDelivery::init:
        init();
        pins_.init();
        return true;
    case ApicDelivery::startup: pins_.startup(message.vector); return true;
    case ApicDelivery::smi: return true;
    case ApicDelivery::reserved: return false;
    default: break;
    }
    if (!software_enabled()) return false;
    if (message.delivery == ApicDelivery::external) {
        external_message_ = true;
        update_pins();
    } else {
        accept_vector(message.vector, message.level);
    }
    return true;
}

void LocalApic::set_lint(unsigned pin, bool level) {
    if (pin > 1 || lint_[pin] == level) return;
    lint_[pin] = level;
    if (!apic_enabled()) {
        if (pin == 1 && level) pins_.nmi();
        return update_pins();
    }
    const u32 entry = lvt_[lint0 + pin];
    const auto delivery = static_cast<ApicDelivery>(entry >> 8 & 7);
    if (level && (entry & lvt_masked) == 0) {
        if (delivery == ApicDelivery::nmi) pins_.nmi();
        if (delivery == ApicDelivery::init) accept({.delivery = ApicDelivery::init});
        if (delivery == ApicDelivery::fixed && (entry & lvt_level) == 0) deliver_lvt(static_cast<Lvt>(lint0 + pin));
    }
    evaluate_lint(pin);
    update_pins();
}

/// A level-triggered fixed entry whose line is asserted interrupts once for each EOI.
void LocalApic::evaluate_lint(unsigned pin) {
    u32& entry = lvt_[lint0 + pin];
    const bool fixed_level =
        static_cast<ApicDelivery>(entry >> 8 & 7) == ApicDelivery::fixed && (entry & lvt_level) != 0;
    if (!fixed_level) {
        entry &= ~lvt_remote_irr;
    } else if (lint_[pin] && (entry & (lvt_masked | lvt_remote_irr)) == 0) {
        entry |= lvt_remote_irr;
        accept_vector(static_cast<u8>(entry), true);
    }
}

void LocalApic::end_of_interrupt() {
    const auto vector = highest(isr_);
    if (!vector) return;
    clear(isr_, *vector);
    if (test(tmr_, *vector)) {
        for (unsigned pin = 0; pin < 2; ++pin) {
            u32& entry = lvt_[lint0 + pin];
            if (static_cast<u8>(entry) != *vector || (entry & lvt_remote_irr) == 0) continue;
            entry &= ~lvt_remote_irr;
            evaluate_lint(pin);
        }
        bus_.end_of_interrupt(*vector);
    }
    update_pins();
}

void LocalApic::persist(Archive& archive) {
    const std::string name = config_.id == 0 ? "lapic" : "lapic" + std::to_string(config_.id);
    archive.chunk(name, 2, [&](u32 version) {
        archive(base_, id_, tpr_, ldr_, dfr_, svr_, isr_, tmr_, irr_, esr_, errors_, icr_low_, icr_high_, lvt_, divide_,
                initial_count_, first_count_, timer_start_, external_message_, lint_, intr_);
        if (version >= 2) archive(tsc_deadline_);
        const u64 legal = (((u64{1} << config_.physical_bits) - 1) & ~page_mask) | base_enable | base_bootstrap |
                          (config_.x2apic ? base_extended : 0);
        archive.require((base_ & ~legal) == 0 && (!extended() || apic_enabled()), "IA32_APIC_BASE has reserved bits");
        for (unsigned i = 0; i < lvt_entries; ++i)
            archive.require((lvt_[i] & ~(lvt_writable(i) | lvt_remote_irr)) == 0, "a local vector has reserved bits");
        archive.require(tsc_deadline_ == 0 || deadline_mode(), "a TSC deadline without its mode");
        archive.require(config_.present || base_ == 0, "the processor model has no local APIC");
        archive.require(timer_start_ <= ticks_in(never / 2, timer_frequency), "the APIC timer starts too late");
        if (archive.loading()) {
            if (!archive.ok()) base_ = 0;
            move_page();
        }
    });
}

} // namespace glassbox
