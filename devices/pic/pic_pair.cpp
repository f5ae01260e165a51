// The two 8259As together: ports, the cascade, and the interrupt acknowledge cycle.
#include "devices/pic/pic.hpp"

namespace glassbox {

namespace {

enum Register : u64 { master_ports = 0, slave_ports = 2, elcr_ports = 4 };

// The system timer, keyboard, cascade, RTC and FPU inputs cannot be level-triggered (82371SB 2.5.9).
constexpr u8 elcr_writable[] = {0xF8, 0xDE};
constexpr unsigned cascade = 2;

} // namespace

void PicPair::map(PortBus& ports) {
    ports.map("pic.master", {Port(0x20), 2}, *this, 1, master_ports);
    ports.map("pic.slave", {Port(0xA0), 2}, *this, 1, slave_ports);
    ports.map("pic.elcr", {Port(0x4D0), 2}, *this, 1, elcr_ports);
}

void PicPair::reset() {
    for (Pic8259& chip : chips_) chip.reset();
    update();
}

void PicPair::set_irq(unsigned input, bool level) {
    if (input > 15 || input == cascade) return;
    chips_[input / 8].set_input(input % 8, level);
    update();
}

void PicPair::update() {
    chips_[0].set_input(cascade, chips_[1].interrupt());
    const bool level = chips_[0].interrupt();
    if (level == intr_level_) return;
    intr_level_ = level;
    intr_.set(level);
}

/// INTA takes the slave's INT down for a moment, so that its next request is a new edge for the master.
void PicPair::pulse_cascade() { chips_[0].set_input(cascade, false); }

bool PicPair::waits_for(unsigned input) const {
    const auto open = [](const Pic8259& chip, unsigned level) { return (chip.irr() & ~chip.imr()) >> level & 1; };
    if (input > 15) return false;
    return input < 8 ? open(chips_[0], input) : open(chips_[1], input % 8) && !(chips_[0].imr() >> cascade & 1);
}

PicPair::Interrupt PicPair::take() {
    auto level = chips_[0].acknowledge();
    u8 vector = chips_[0].vector(level.value_or(7));
    if (level == cascade && chips_[0].cascades(cascade)) {
        level.reset();
        if (chips_[1].slave_id() == cascade) {
            const auto inner = chips_[1].acknowledge();
            vector = chips_[1].vector(inner.value_or(7));
            pulse_cascade();
            if (inner) level = 8 + *inner;
        } else {
            vector = 0xFF; // no chip answers the cascade address: the bus floats
        }
    }
    update();
    return {vector, level};
}

u8 PicPair::acknowledge() { return take().vector; }

std::optional<u64> PicPair::peek(u64 offset, unsigned width) const {
    (void)width;
    if (offset >= elcr_ports) return chips_[offset & 1].elcr();
    return chips_[offset >= slave_ports ? 1 : 0].peek((offset & 1) != 0);
}

u64 PicPair::read(u64 offset, unsigned width) {
    if (offset >= elcr_ports) return *peek(offset, width);
    const bool slave = offset >= slave_ports;
    Pic8259& chip = chips_[slave ? 1 : 0];
    const bool polled = chip.polled();
    const u8 value = chip.read((offset & 1) != 0);
    if (slave && polled) pulse_cascade(); // a poll acknowledges too
    update();
    return value;
}

void PicPair::write(u64 offset, unsigned width, u64 value) {
    (void)width;
    const u8 byte = static_cast<u8>(value);
    if (offset >= elcr_ports) {
        chips_[offset & 1].set_elcr(byte & elcr_writable[offset & 1]);
    } else {
        chips_[offset >= slave_ports ? 1 : 0].write((offset & 1) != 0, byte);
    }
    update();
}

void PicPair::persist(Archive& archive) {
    archive.chunk("pic", 2, [&](u32) { archive(chips_, intr_level_); });
}

} // namespace glassbox
