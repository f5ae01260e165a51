// The power-management function of the 82371AB (PIIX4; Intel data sheet 290562, chapter 7): 8086:7113 at 0:1.3, with
// the ACPI fixed registers at PMBASE, the SMI command port pair B2h/B3h, a general-purpose event block at AFE0h (where
// QEMU's PC has it) and an SMBus host controller without devices.
//
// Deviations: there is no system-management mode. Writing F1h or F0h to B2h does at once what an SMI handler would do
// for ACPI enable and disable, and DEVACTB's APMC_EN reads as set, so that SeaBIOS leaves SMM alone. Clock control,
// activity monitors and trap registers are stored only.
#pragma once

#include "bus/pci.hpp"
#include "bus/scheduler.hpp"

#include <functional>

namespace glassbox {

class Piix4Pm : public PciFunction, public IoDevice {
  public:
    struct Callbacks {
        std::function<void()> power_off; ///< S5 and S4
        std::function<void()> suspend;   ///< S3: the processor stops until `wake`
        std::function<void()> wake;      ///< an event that wakes in S3: the board resets the processor and runs on
    };

    Piix4Pm(PortBus& ports, MemoryMap& memory, Scheduler& scheduler, IrqLine sci, Callbacks callbacks);
    /// The ports that are not PCI's: B2h-B3h and AFE0h-AFE3h.
    void map(PortBus& ports);

    /// Pressed: an event while the guest runs, a wake-up while it is suspended.
    void power_button();
    /// IRQ8# is asserted: the RTC status bit, and out of suspend if it is enabled (PIIX4 data sheet, 7.1.1, RTC_STS).
    void rtc_alarm();
    bool suspended() const { return suspended_; }

    /// The registers as a debugger shows them: looking changes nothing.
    struct Registers {
        u16 pm_base, smbus_base; ///< 0: not decoded
        u16 pm1_status, pm1_enable, pm1_control;
        u32 timer;
        u16 gpe_status, gpe_enable;
        u8 apm_control, apm_status;
    };
    Registers registers() const {
        const auto word = [this](unsigned at) { return static_cast<u16>(pm_[at] | pm_[at + 1] << 8); };
        const u64 ticks = ticks_in(scheduler_.now(), timer_hertz);
        const u16 overflow = ticks >> 23 != timer_half_ ? 1 : 0; // TMROF_STS is set when somebody looks
        return {pm_window_.base,
                smbus_window_.base,
                static_cast<u16>(word(0) | overflow),
                word(2),
                word(4),
                static_cast<u32>(ticks & 0xFF'FFFF),
                gpe_status_,
                gpe_enable_,
                apm_control_,
                apm_status_};
    }

    void reset() override;
    u64 read(u64 offset, unsigned width) override;
    std::optional<u64> peek(u64 offset, unsigned width) const override;
    void write(u64 offset, unsigned width, u64 value) override;
    void persist(Archive& archive);

    static constexpr u64 timer_hertz = 3'579'545;

  private:
    static constexpr u64 pm_block = 0, pm_size = 0x40, smbus_block = 0x40, smbus_size = 0x10, apm_block = 0x50,
                         gpe_block = 0x60;
    struct Window { // an I/O range that a configuration register moves
        u16 base = 0;
        std::optional<PortBus::MappingId> mapping;
    };

    void config_written(u8 offset, unsigned width) override;
    void remap();
    void remap(Window& window, const char* name, u16 base, u16 size, u64 offset);

    u8 read_pm(u64 offset) const;
    u64 timer_half() const { return ticks_in(scheduler_.now(), timer_hertz) >> 23; }
    void write_pm(u64 offset, u8 value);
    u8 read_smbus(u64 offset) const;
    void write_smbus(u64 offset, u8 value);
    void write_apm_control(u8 value);
    void sleep();
    void signal(u16 status, bool wakes);
    void update_timer();
    void update_sci();

    PortBus& ports_;
    Scheduler& scheduler_;
    IrqLine sci_;
    Callbacks callbacks_;
    Scheduler::Event overflow_;
    Window pm_window_, smbus_window_;

    std::array<u8, pm_size> pm_{}; // PM1 status, enable and control, and what is stored only
    std::array<u8, smbus_size> smbus_{};
    u64 timer_half_ = 0; // bit 23 of the timer and all above, when the status was last looked at
    u16 gpe_status_ = 0, gpe_enable_ = 0;
    u8 apm_control_ = 0, apm_status_ = 0;
    bool suspended_ = false;
};

} // namespace glassbox
