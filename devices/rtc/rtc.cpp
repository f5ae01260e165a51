// The MC146818A's ports, registers A-D, divider and interrupts. The divider counts a 32768 Hz clock from which both the
// periodic rates and the once-a-second update derive; its phase is one number.
#include "devices/rtc/rtc.hpp"

namespace glassbox {

namespace {

constexpr u64 crystal = 32768;
// An update ends half a second after the divider is released, and every second from there.
constexpr u64 update_phase = crystal / 2;
// UIP is set 244 us before an update, which takes 1984 us (data sheet, "Update cycle").
constexpr Time update_notice = (244 + 1984) * microsecond;

constexpr u8 set_bit = 0x80, periodic_enable = 0x40, alarm_enable = 0x20, update_enable = 0x10, square_wave = 0x08;
constexpr u8 request_flag = 0x80, periodic_flag = 0x40, alarm_flag = 0x20, update_flag = 0x10;

} // namespace

Rtc::Rtc(Scheduler& scheduler, IrqLine irq8, i64 base_seconds_utc)
    : scheduler_(scheduler), irq8_(irq8), update_event_(scheduler, "rtc.update", [this] { update(); }),
      periodic_event_(scheduler, "rtc.periodic", [this] {
          notice_periods();
          schedule_periodic();
      }) {
    // The first update comes a whole second after power-on: the divider starts at its update phase.
    divider_start_ = ticks_in(scheduler_.now(), crystal) - update_phase;
    periodic_seen_ = update_phase;
    ram_[register_a] = 0x26; // 32768 Hz, 1024 Hz periodic rate
    ram_[register_b] = 0x02; // 24 hours, BCD
    ram_[register_d] = 0x80; // the battery is good
    set_calendar(base_seconds_utc);
    schedule_update();
}

void Rtc::map(PortBus& ports) { ports.map("rtc", {Port(0x70), 4}, *this); }

void Rtc::reset() {
    ram_[register_b] &= static_cast<u8>(~(periodic_enable | alarm_enable | update_enable | square_wave));
    notice_periods();
    ram_[register_c] = 0;
    index_ = extended_index_ = 0;
    nmi_masked_ = false;
    irq8_.lower();
    schedule_periodic();
}

void Rtc::set_cmos(u8 index, u8 value) { ram_[index & 0x7F] = value; }

void Rtc::update_checksum() {
    unsigned sum = 0;
    for (unsigned i = 0x10; i <= 0x2D; ++i) sum += ram_[i];
    ram_[0x2E] = static_cast<u8>(sum >> 8);
    ram_[0x2F] = static_cast<u8>(sum);
}

u64 Rtc::read(u64 offset, unsigned width) {
    switch (offset) {
    case 1: return read_data(index_ & 0x7F);
    default: return *peek(offset, width);
    }
}

std::optional<u64> Rtc::peek(u64 offset, unsigned width) const {
    (void)width;
    switch (offset) {
    case 1: return peek_data(index_ & 0x7F);
    case 3: return extended_[extended_index_ & 0x7F];
    default: return 0xFF; // the index registers are write-only
    }
}

void Rtc::write(u64 offset, unsigned width, u64 value) {
    (void)width;
    const u8 byte = static_cast<u8>(value);
    switch (offset) {
    case 0:
        index_ = byte & 0x7F;
        nmi_masked_ = (byte & 0x80) != 0;
        break;
    case 1: write_data(index_ & 0x7F, byte); break;
    case 2: extended_index_ = byte & 0x7F; break;
    case 3: extended_[extended_index_ & 0x7F] = byte; break;
    default: break;
    }
}

u8 Rtc::peek_data(u8 index) const {
    switch (index) {
    case register_a: return status_a();
    case register_c: return status_c();
    default: return ram_[index];
    }
}

u8 Rtc::read_data(u8 index) {
    const u8 value = peek_data(index);
    if (index == register_c) { // "cleared after a read"
        notice_periods();
        ram_[register_c] = 0;
        update_irq();
        schedule_periodic();
    }
    return value;
}

void Rtc::write_data(u8 index, u8 value) {
    switch (index) {
    case register_a: return write_a(value);
    case register_b: return write_b(value);
    case register_c:
    case register_d: return; // read-only
    case seconds: ram_[seconds] = value & 0x7F; return;
    default: ram_[index] = value;
    }
}

bool Rtc::running() const { return (ram_[register_a] & 0x70) == 0x20; }

u64 Rtc::ticks() const { return ticks_in(scheduler_.now(), crystal) - divider_start_; }

void Rtc::write_a(u8 value) {
    notice_periods(); // at the old rate
    const bool was_running = running();
    ram_[register_a] = value & 0x7F;
    if (!was_running && running()) { // released: the divider starts from zero
        divider_start_ = ticks_in(scheduler_.now(), crystal);
        periodic_seen_ = 0;
    }
    if (was_running != running()) schedule_update();
    schedule_periodic();
}

void Rtc::write_b(u8 value) {
    notice_periods();
    if ((value & set_bit) != 0) value &= static_cast<u8>(~update_enable); // SET clears UIE
    ram_[register_b] = value;
    update_irq();
    schedule_periodic();
}

/// Divider ticks of a period of the selected rate, 0 for none (data sheet table 5, 32768 Hz column).
u64 Rtc::period() const {
    const unsigned rate = ram_[register_a] & 0x0F;
    if (rate == 0 || !running()) return 0;
    return u64{1} << (rate <= 2 ? rate + 6 : rate - 1);
}

void Rtc::notice_periods() {
    const u64 length = period();
    if (length == 0) return;
    const u64 now = ticks();
    if (now / length != periodic_seen_ / length) raise(periodic_flag);
    periodic_seen_ = now;
}

void Rtc::schedule_periodic() {
    const u64 length = period();
    // A set flag stays set: nothing more can be seen until register C is read.
    const bool visible = (ram_[register_b] & periodic_enable) != 0 && (ram_[register_c] & periodic_flag) == 0;
    if (length == 0 || !visible) return periodic_event_.cancel();
    const u64 next = (ticks() / length + 1) * length;
    periodic_event_.at(time_of(next + divider_start_, crystal));
}

void Rtc::schedule_update() {
    if (!running()) return update_event_.cancel();
    const u64 elapsed = ticks();
    const u64 into_second = (elapsed + crystal - update_phase) % crystal;
    update_event_.at(time_of(elapsed + crystal - into_second + divider_start_, crystal));
}

bool Rtc::update_in_progress() const {
    if ((ram_[register_b] & set_bit) != 0 || !update_event_.pending()) return false;
    return update_event_.when() <= scheduler_.now() + update_notice;
}

void Rtc::update() {
    schedule_update();
    if ((ram_[register_b] & set_bit) != 0) return;
    advance_calendar();
    raise(alarm_matches() ? alarm_flag | update_flag : update_flag);
}

void Rtc::raise(u8 flag) {
    ram_[register_c] |= flag;
    update_irq();
}

void Rtc::update_irq() {
    const u8 enabled = ram_[register_b] & (periodic_enable | alarm_enable | update_enable);
    const bool request = (ram_[register_c] & enabled) != 0;
    ram_[register_c] = static_cast<u8>((ram_[register_c] & ~request_flag) | (request ? request_flag : 0));
    irq8_.set(request);
}

void Rtc::persist(Archive& archive) {
    archive.chunk("rtc", 1, [&](u32) {
        archive(ram_, extended_, index_, extended_index_, nmi_masked_, divider_start_, periodic_seen_);
        archive.require(index_ < 128 && extended_index_ < 128, "an RTC index is out of range");
    });
}

} // namespace glassbox
