// Motorola MC146818A real-time clock (data sheet ADI856R2) with 128 bytes of battery-backed RAM at ports 70h-71h and a
// second bank of 128 at 72h-73h, as in the PIIX3/PIIX4. The calendar is kept in its registers, as the chip does, so
// that values which a guest writes, sensible or not, are what it reads back until the next update.
//
// Deviations: daylight saving (register B bit 0) is stored and ignored; the square-wave output has no pin; divider
// selections other than 32768 Hz (010b) stop the clock. The century at 32h is counted, as ACPI systems expect and the
// bare MC146818A does not. Registers keep their old values during an update instead of being undefined.
//
// Configuration bytes that SeaBIOS and QEMU's firmware interface read; the board fills them in with `set_cmos`:
//   0Fh      shutdown status                        10h      floppy types, drive A: in bits 7-4 (4 = 1.44M, 5 = 2.88M)
//   12h      hard disk types, C: in bits 7-4        14h      equipment (floppies 7-6 and 0, display 5-4, FPU 1)
//   15h-16h  base memory in KiB (640)               17h-18h  memory above 1 MiB in KiB, at most FFFFh
//   19h 1Ah  extended types of C: and D:            30h-31h  as 17h-18h
//   34h-35h  memory above 16 MiB in 64 KiB units    38h      boot order, third device in bits 7-4; bit 0: no floppy
//   check 3Dh      boot order, first device in bits 3-0, second in 7-4 (1 floppy, 2 disk, 3 CD, 4 network) 5Bh-5Dh
//   memory above 4 GiB in 64 KiB units     5Fh      processors less one
#pragma once

#include "bus/archive.hpp"
#include "bus/io_device.hpp"
#include "bus/irq_line.hpp"
#include "bus/port_bus.hpp"
#include "bus/scheduler.hpp"

#include <array>

namespace glassbox {

class Rtc : public IoDevice {
  public:
    /// `base_seconds_utc` is what the clock shows at time 0, in seconds since 1970-01-01.
    Rtc(Scheduler& scheduler, IrqLine irq8, i64 base_seconds_utc);
    void map(PortBus& ports);
    /// RESET#: interrupts off; time, RAM and the divider go on.
    void reset();

    void set_cmos(u8 index, u8 value);
    u8 cmos(u8 index) const { return ram_[index & 0x7F]; }
    /// Recomputes the checksum of 10h-2Dh at 2Eh-2Fh, which some firmware verifies.
    void update_checksum();
    // For a debugger: what the guest would read, without the read's effects.
    u8 extended_cmos(u8 index) const { return extended_[index & 0x7F]; }
    u8 index() const { return index_; }
    u8 status_a() const { return static_cast<u8>(ram_[register_a] | (update_in_progress() ? 0x80 : 0)); }
    u8 status_c() const {
        const u64 length = period();
        const bool elapsed = length != 0 && ticks() / length != periodic_seen_ / length;
        const auto flags = static_cast<u8>(ram_[register_c] | (elapsed ? 0x40 : 0));
        return static_cast<u8>(flags | ((flags & ram_[register_b] & 0x70) != 0 ? 0x80 : 0));
    }
    /// Of the periodic interrupt, in ticks of 32768 Hz; 0: none.
    u64 periodic_ticks() const { return period(); }
    /// Bit 7 of port 70h: the board holds NMI# back while it is set.
    bool nmi_masked() const { return nmi_masked_; }

    u64 read(u64 offset, unsigned width) override;
    std::optional<u64> peek(u64 offset, unsigned width) const override;
    void write(u64 offset, unsigned width, u64 value) override;
    void persist(Archive& archive);

  private:
    enum Register : u8 {
        seconds,
        seconds_alarm,
        minutes,
        minutes_alarm,
        hours,
        hours_alarm,
        day_of_week,
        day_of_month,
        month,
        year,
        register_a,
        register_b,
        register_c,
        register_d,
        century = 0x32,
    };

    u8 read_data(u8 index);
    u8 peek_data(u8 index) const;
    void write_data(u8 index, u8 value);
    void write_a(u8 value);
    void write_b(u8 value);
    bool running() const;
    bool update_in_progress() const;
    u64 ticks() const;
    u64 period() const;
    void notice_periods();
    void schedule_periodic();
    void schedule_update();
    void update();
    void raise(u8 flag);
    void update_irq();
    void set_calendar(i64 seconds_utc);
    void advance_calendar();
    void advance_date();
    bool alarm_matches() const;
    u8 decode(u8 value) const;
    u8 encode(unsigned value) const;
    unsigned hour() const;
    void set_hour(unsigned hour);

    Scheduler& scheduler_;
    IrqLine irq8_;
    std::array<u8, 128> ram_{}; // the registers and the RAM behind them
    std::array<u8, 128> extended_{};
    u8 index_ = 0, extended_index_ = 0;
    bool nmi_masked_ = false;
    u64 divider_start_ = 0; // 32768 Hz ticks since power-on when the divider was released, less its value then
    u64 periodic_seen_ = 0; // divider value up to which periods have been noticed
    Scheduler::Event update_event_, periodic_event_;
};

} // namespace glassbox
