#include "devices/chipset/system_control.hpp"

#include <utility>

namespace glassbox {

SystemControl::SystemControl(Scheduler& scheduler, A20Gate& a20, Callbacks callbacks)
    : scheduler_(scheduler), a20_(a20), callbacks_(std::move(callbacks)) {}

void SystemControl::map(PortBus& ports) {
    ports.map("system control B", {Port{0x61}, 1}, *this, 1, nmi_status);
    ports.map("system control A", {Port{0x92}, 1}, *this, 1, port_a);
    ports.map("POST code", {Port{0x80}, 1}, *this, 1, post);
}

void SystemControl::reset() {
    port_a_ = 0;
    post_code_ = 0;
    write(nmi_status, 1, 0);
}

u8 SystemControl::read_nmi_status() const {
    // Channel 1 as every BIOS sets it: one refresh in 18 ticks of 1.193182 MHz, and the bit toggles with each.
    const bool refresh =
        callbacks_.refresh_toggle ? callbacks_.refresh_toggle() : (ticks_in(scheduler_.now(), 1'193'182) / 18 & 1) != 0;
    const bool output = callbacks_.output2 && callbacks_.output2();
    return static_cast<u8>(control_ | (refresh ? 0x10 : 0) | (output ? 0x20 : 0));
}

u64 SystemControl::read(u64 offset, unsigned width) { return *peek(offset, width); }

std::optional<u64> SystemControl::peek(u64 offset, unsigned) const {
    switch (offset) {
    case nmi_status: return read_nmi_status();
    case port_a: return static_cast<u8>(port_a_ | (a20_.open() ? 2 : 0));
    default: return post_code_;
    }
}

void SystemControl::write(u64 offset, unsigned, u64 value) {
    const auto byte = static_cast<u8>(value);
    if (offset == nmi_status) {
        control_ = byte & 0x0F;
        if (callbacks_.set_gate2) callbacks_.set_gate2((byte & 1) != 0);
        if (callbacks_.set_speaker) callbacks_.set_speaker((byte & 2) != 0);
    } else if (offset == port_a) {
        port_a_ = byte & 0xC8; // activity lights and security lock; the reset bit is a pulse
        a20_.set((byte & 2) != 0);
        if ((byte & 1) && callbacks_.reset_processor) callbacks_.reset_processor();
    } else {
        post_code_ = byte;
    }
}

void SystemControl::persist(Archive& archive) {
    archive.chunk("system control", 1, [&](u32) {
        archive(control_, port_a_, post_code_);
        archive.require(control_ <= 0x0F && (port_a_ & ~0xC8) == 0, "a system control port has impossible bits");
    });
}

} // namespace glassbox
