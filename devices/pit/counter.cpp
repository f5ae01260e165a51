// One counter of the 8254: the control word, the two byte-wide doors to its 16-bit registers, and the six modes of the
// data sheet's "Mode Definitions".
#include "devices/pit/pit.hpp"

#include <algorithm>

namespace glassbox {

namespace {

u32 from_bcd(u16 value) {
    return (value >> 12) * 1000u + ((value >> 8) & 15) * 100u + ((value >> 4) & 15) * 10u + (value & 15u);
}

u16 to_bcd(u32 value) {
    return static_cast<u16>((value / 1000 % 10) << 12 | (value / 100 % 10) << 8 | (value / 10 % 10) << 4 | value % 10);
}

constexpr u64 unlimited = ~u64{0};

} // namespace

unsigned PitCounter::mode() const {
    const unsigned m = (control_ >> 1) & 7;
    return m >= 6 ? m - 4 : m; // M2 is a "don't care" in modes 2 and 3
}

u32 PitCounter::divisor() const {
    const u32 value = ((control_ & 1) != 0 ? from_bcd(cr_) : cr_) % modulus();
    return value == 0 ? modulus() : value;
}

/// GATE's level matters in modes 0, 2, 3 and 4; in 1 and 5 only its rising edge does.
bool PitCounter::counts() const {
    const unsigned m = mode();
    return m == 1 || m == 5 || gate_;
}

void PitCounter::write_control(u8 control) {
    control_ = control & 0x3F;
    write_high_ = read_high_ = false;
    latched_ = 0;
    status_latched_ = false;
    null_count_ = true;
    written_ = started_ = loading_ = done_ = false;
    ce_ %= modulus() + 1;
    out_ = mode() != 0;
}

void PitCounter::write(u8 byte) {
    switch (access()) {
    case 1: write_count(byte); break;
    case 2: write_count(static_cast<u16>(byte << 8)); break;
    default:
        if (!write_high_) {
            low_byte_ = byte;
            if (mode() == 0) { // "writing the first byte disables counting; OUT is set low immediately"
                started_ = loading_ = false;
                out_ = false;
            }
        } else {
            write_count(static_cast<u16>(byte << 8 | low_byte_));
        }
        write_high_ = !write_high_;
    }
}

void PitCounter::write_count(u16 value) {
    cr_ = value;
    null_count_ = true;
    written_ = true;
    switch (mode()) {
    case 0:
        out_ = false;
        loading_ = true;
        break;
    case 1:
    case 5: break; // the next trigger loads it
    case 2:
    case 3:
        if (!started_) loading_ = true; // else at the end of the current period or half-cycle
        break;
    default: loading_ = true;
    }
}

u16 PitCounter::readable_count() const {
    const u32 value = ce_ % modulus();
    return (control_ & 1) != 0 ? to_bcd(value) : static_cast<u16>(value);
}

void PitCounter::latch_count() {
    if (latched_ != 0) return; // the first of several latch commands holds
    ol_ = readable_count();
    latched_ = access() == 3 ? 2 : 1;
}

void PitCounter::latch_status() {
    if (status_latched_) return;
    status_ = static_cast<u8>((out_ ? 0x80 : 0) | (null_count_ ? 0x40 : 0) | control_);
    status_latched_ = true;
}

u8 PitCounter::read() {
    if (status_latched_) {
        status_latched_ = false;
        return status_;
    }
    const u16 value = latched_ != 0 ? ol_ : readable_count();
    if (latched_ != 0) --latched_;
    switch (access()) {
    case 1: return static_cast<u8>(value);
    case 2: return static_cast<u8>(value >> 8);
    default: read_high_ = !read_high_; return static_cast<u8>(read_high_ ? value : value >> 8);
    }
}

void PitCounter::set_gate(bool level) {
    if (level == gate_) return;
    gate_ = level;
    const unsigned m = mode();
    if (m == 2 || m == 3) {
        if (!level) out_ = true;
        if (level && written_) loading_ = true;
    } else if ((m == 1 || m == 5) && level && written_) {
        loading_ = true;
    }
}

/// Mode 3 counts down by two, from the even number at or below the count.
void PitCounter::load_square() {
    const u32 n = divisor();
    odd_ = (n & 1) != 0;
    ce_ = n & ~1u;
    null_count_ = false;
}

void PitCounter::load() {
    loading_ = false;
    started_ = true;
    done_ = false;
    if (mode() == 3) {
        load_square();
    } else {
        ce_ = divisor();
        null_count_ = false;
    }
    out_ = mode() >= 2;
}

/// Pulses after which something other than counting down happens: 1 or more.
u64 PitCounter::pulses_to_boundary() const {
    if (loading_) return 1;
    const unsigned m = mode();
    if (m >= 4 && !out_) return 1; // the strobe lasts one pulse
    if (!started_ || !counts()) return unlimited;
    switch (m) {
    case 2: return ce_ > 2 ? ce_ - 1 : 1;
    case 3: return std::max<u64>(1, ce_ / 2 + (odd_ && out_ ? 1 : 0));
    default: return done_ ? unlimited : std::max<u64>(1, ce_);
    }
}

void PitCounter::step_periodic(u64 pulses) {
    if (mode() == 3) {
        if (pulses < pulses_to_boundary()) {
            ce_ -= static_cast<u32>(2 * pulses);
        } else {
            out_ = !out_;
            load_square();
        }
        return;
    }
    if (pulses >= ce_) { // the pulse that ends the period
        out_ = true;
        ce_ = divisor();
        null_count_ = false;
    } else {
        ce_ -= static_cast<u32>(pulses);
        if (ce_ == 1) out_ = false;
    }
}

/// `pulses` is at most pulses_to_boundary().
void PitCounter::step(u64 pulses) {
    if (loading_) return load();
    const unsigned m = mode();
    if (m >= 4 && !out_) out_ = true;
    if (!started_ || !counts()) return;
    if (m == 2 || m == 3) return step_periodic(pulses);
    const u64 fall = pulses % modulus();
    ce_ = static_cast<u32>((ce_ + modulus() - fall) % modulus());
    if (ce_ == 0 && !done_) {
        done_ = true;
        out_ = m < 4;
    }
}

/// The length of a periodic mode's steady cycle, 0 when there is none to skip.
u64 PitCounter::period() const {
    const unsigned m = mode();
    if ((m != 2 && m != 3) || loading_ || !started_ || !gate_ || null_count_) return 0;
    const u64 n = divisor();
    return m == 3 ? std::max<u64>(2, n) : n;
}

void PitCounter::clock(u64 pulses, const std::function<void(bool)>& edge) {
    while (pulses > 0) {
        const u64 cycle = period();
        if (cycle != 0 && pulses >= cycle) {
            pulses %= cycle;
            if (cycle > 1) edge(!out_);
            edge(out_);
            continue;
        }
        const u64 n = std::min(pulses, pulses_to_boundary());
        const bool before = out_;
        step(n);
        pulses -= n;
        if (out_ != before) edge(out_);
    }
}

u64 PitCounter::pulses_to_edge() const {
    PitCounter future = *this;
    u64 pulses = 0;
    // At most a load, a reload and an edge lie ahead; a counter that survives more never changes (mode 2 with count 1).
    for (int i = 0; i < 4; ++i) {
        const u64 n = future.pulses_to_boundary();
        if (n == unlimited) return 0;
        future.step(n);
        pulses += n;
        if (future.out_ != out_) return pulses;
    }
    return 0;
}

void PitCounter::persist(Archive& archive) {
    archive(control_, cr_, ce_, ol_, latched_, status_, status_latched_, low_byte_, write_high_, read_high_,
            null_count_, written_, started_, loading_, done_, odd_, gate_, out_);
    archive.require(control_ <= 0x3F && access() != 0, "a PIT control word is impossible");
    archive.require(ce_ <= modulus() && latched_ <= 2, "a PIT counter is out of range");
}

} // namespace glassbox
