#include "devices/lpt/parallel_port.hpp"

namespace glassbox {

namespace {
constexpr u8 not_busy = 0x80, not_acknowledge = 0x40, paper_out = 0x20, selected = 0x10, no_error = 0x08,
             unused_status = 0x07;
constexpr u8 strobe = 0x01, not_initialise = 0x04, interrupt_enable = 0x10, input_direction = 0x20,
             unused_control = 0xC0;
} // namespace

ParallelPort::ParallelPort(Scheduler& scheduler, IrqLine irq7, ByteSink* sink)
    : irq_(irq7), sink_(sink), phase_over_(scheduler, "lpt.printer", [this] { next_phase(); }) {
    reset();
}

void ParallelPort::map(PortBus& ports) { ports.map("LPT1", {Port{0x378}, 3}, *this); }

void ParallelPort::reset() {
    data_ = 0;
    control_ = 0x0C; // printer selected, not initialising
    phase_ = Phase::ready;
    phase_over_.cancel();
    irq_.lower();
}

u8 ParallelPort::status() const {
    if (!sink_) return not_busy | not_acknowledge | paper_out | no_error | unused_status; // floating inputs
    return static_cast<u8>((phase_ == Phase::ready ? not_busy : 0) |
                           (phase_ == Phase::acknowledging ? 0 : not_acknowledge) | selected | no_error |
                           unused_status);
}

u64 ParallelPort::read(u64 offset, unsigned width) {
    if (offset == status_register) irq_.lower();
    return *peek(offset, width);
}

std::optional<u64> ParallelPort::peek(u64 offset, unsigned) const {
    switch (offset) {
    case data_register: return (control_ & input_direction) ? 0xFF : data_; // the printer drives nothing
    case status_register: return status();
    default: return control_ | unused_control;
    }
}

void ParallelPort::write(u64 offset, unsigned, u64 value) {
    if (offset == data_register) data_ = static_cast<u8>(value);
    if (offset == control_register) write_control(static_cast<u8>(value));
}

// The printer takes the byte on the strobe's leading edge; while busy it takes none.
void ParallelPort::write_control(u8 value) {
    const bool strobed = (value & strobe) && !(control_ & strobe);
    control_ = value & 0x3F;
    if (!(control_ & interrupt_enable)) irq_.lower();
    if (!sink_) return;
    if (!(control_ & not_initialise)) {
        phase_ = Phase::ready;
        phase_over_.cancel();
    } else if (strobed && phase_ == Phase::ready) {
        sink_->put(data_);
        phase_ = Phase::busy;
        phase_over_.after(busy_time);
    }
}

// The interrupt comes with the end of the acknowledge pulse and stays until the status is read.
void ParallelPort::next_phase() {
    if (phase_ == Phase::busy) {
        phase_ = Phase::acknowledging;
        phase_over_.after(acknowledge_time);
        return;
    }
    phase_ = Phase::ready;
    if (!(control_ & interrupt_enable)) return;
    irq_.lower(); // a byte that follows an unread status is an edge too
    irq_.raise();
}

void ParallelPort::persist(Archive& archive) {
    archive.chunk("lpt", 1, [&](u32) {
        archive(data_, control_, phase_);
        archive.require(phase_ <= Phase::acknowledging, "the printer has no such phase");
    });
}

} // namespace glassbox
