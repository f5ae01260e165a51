// One 8259A: initialization and operation command words, the priority resolver, and the interrupt sequence.
#include "devices/pic/pic.hpp"

namespace glassbox {

namespace {

constexpr u8 bit(unsigned level) { return static_cast<u8>(1u << level); }

} // namespace

void Pic8259::reset() {
    const u8 lines = lines_;
    *this = Pic8259{};
    lines_ = lines;
}

void Pic8259::set_input(unsigned input, bool level) {
    const u8 mask = bit(input);
    if (level) {
        if ((lines_ & mask) == 0) edges_ |= mask;
        lines_ |= mask;
    } else { // a request must be held until it is acknowledged
        lines_ &= static_cast<u8>(~mask);
        edges_ &= static_cast<u8>(~mask);
    }
}

u8 Pic8259::irr() const { return static_cast<u8>((lines_ & elcr_) | (edges_ & ~elcr_)); }

std::optional<unsigned> Pic8259::first_of(u8 mask) const {
    for (unsigned i = 1; i <= 8; ++i) {
        const unsigned level = (lowest_ + i) & 7;
        if ((mask & bit(level)) != 0) return level;
    }
    return std::nullopt;
}

std::optional<unsigned> Pic8259::highest() const {
    const auto request = first_of(static_cast<u8>(irr() & ~imr_));
    if (!request) return std::nullopt;
    // Under the special mask a level that is masked while in service holds nobody back.
    const auto service = first_of(static_cast<u8>(special_mask_ ? isr_ & ~imr_ : isr_));
    if (!service || rank(*request) < rank(*service)) return request;
    // Special fully nested: a slave in service may bring a request that is higher within the slave.
    if (special_fully_nested_ && request == service && cascades(*request)) return request;
    return std::nullopt;
}

std::optional<unsigned> Pic8259::acknowledge() {
    const auto level = requested();
    if (!level) return std::nullopt;
    edges_ &= static_cast<u8>(~bit(*level));
    if (!automatic_eoi_) {
        isr_ |= bit(*level);
    } else if (rotate_on_automatic_eoi_) {
        lowest_ = static_cast<u8>(*level);
    }
    return level;
}

u8 Pic8259::peek(bool a0) const {
    if (poll_) {
        const auto level = requested();
        return level ? static_cast<u8>(0x80 | *level) : 0;
    }
    if (a0) return imr_;
    return read_isr_ ? isr_ : irr();
}

u8 Pic8259::read(bool a0) {
    const u8 value = peek(a0);
    if (poll_) { // the read acts as INTA
        poll_ = false;
        acknowledge();
    }
    return value;
}

void Pic8259::write(bool a0, u8 value) {
    if (a0) return write_data(value);
    if ((value & 0x10) != 0) return write_icw1(value);
    if ((value & 0x08) != 0) return write_ocw3(value);
    write_ocw2(value);
}

void Pic8259::write_icw1(u8 value) {
    // "The edge sense circuit is reset": inputs that are high now must fall and rise again.
    edges_ = isr_ = imr_ = 0;
    lowest_ = 7;
    special_mask_ = read_isr_ = poll_ = false;
    automatic_eoi_ = special_fully_nested_ = rotate_on_automatic_eoi_ = false;
    single_ = (value & 2) != 0;
    needs_icw4_ = (value & 1) != 0;
    icw3_ = 7; // "slave mode address is set to 7"
    next_icw_ = 2;
}

void Pic8259::write_data(u8 value) {
    switch (next_icw_) {
    case 2:
        vector_base_ = value & 0xF8;
        next_icw_ = !single_ ? 3 : needs_icw4_ ? 4 : 0;
        break;
    case 3:
        icw3_ = value;
        next_icw_ = needs_icw4_ ? 4 : 0;
        break;
    case 4:
        automatic_eoi_ = (value & 2) != 0;
        special_fully_nested_ = (value & 0x10) != 0;
        next_icw_ = 0;
        break;
    default: imr_ = value;
    }
}

void Pic8259::write_ocw2(u8 value) {
    const bool rotate = (value & 0x80) != 0, specific = (value & 0x40) != 0, eoi = (value & 0x20) != 0;
    const unsigned named = value & 7;
    if (!eoi) {
        if (!specific) {
            rotate_on_automatic_eoi_ = rotate;
        } else if (rotate) {
            lowest_ = static_cast<u8>(named);
        }
        return;
    }
    // A non-specific EOI passes over levels that the special mask has set aside.
    const auto level = specific ? std::optional(named) : first_of(static_cast<u8>(special_mask_ ? isr_ & ~imr_ : isr_));
    if (!level) return;
    isr_ &= static_cast<u8>(~bit(*level));
    if (rotate) lowest_ = static_cast<u8>(*level);
}

void Pic8259::write_ocw3(u8 value) {
    if ((value & 0x40) != 0) special_mask_ = (value & 0x20) != 0;
    if ((value & 0x04) != 0) {
        poll_ = true; // overrides the register selection of the same command
    } else if ((value & 0x02) != 0) {
        read_isr_ = (value & 0x01) != 0;
    }
}

void Pic8259::persist(Archive& archive) {
    archive(lines_, edges_, isr_, imr_, elcr_, vector_base_, icw3_, next_icw_, lowest_, single_, needs_icw4_,
            automatic_eoi_, special_fully_nested_, rotate_on_automatic_eoi_, special_mask_, read_isr_, poll_);
    archive.require(lowest_ <= 7 && next_icw_ <= 4 && next_icw_ != 1, "a PIC's state is impossible");
    archive.require((edges_ & ~lines_) == 0 && (vector_base_ & 7) == 0, "a PIC's registers contradict each other");
}

} // namespace glassbox
