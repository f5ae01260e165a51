// The wires between a processor and its interrupt controllers, seen from both ends.
#pragma once

#include "bus/types.hpp"

namespace glassbox {

/// What the processor asks its local APIC (or, without one, the 8259 behind it).
class InterruptPort {
  public:
    virtual ~InterruptPort() = default;
    /// The INTA cycle: takes the highest pending interrupt and returns its vector.
    virtual u8 acknowledge() = 0;
    /// MSR IA32_APIC_BASE (SDM 3A 11.4.3). `set_apic_base` is false when reserved bits make it #GP.
    virtual u64 apic_base() const { return 0; }
    virtual bool set_apic_base(u64 value) { return value == 0; }
    /// The CPUID bit that software sees: the APIC exists and is enabled in its base MSR.
    virtual bool apic_enabled() const { return false; }
    /// The task-priority register, for CR8.
    virtual u8 task_priority() const { return 0; }
    virtual void set_task_priority(u8 value) { (void)value; }
    /// MSRs 800h-8FFh (SDM 3A 10.12.1.2). False makes the access #GP: no x2APIC mode, no such register, reserved bits.
    virtual bool read_x2apic(u32 msr, u64& value) {
        (void)msr, (void)value;
        return false;
    }
    virtual bool write_x2apic(u32 msr, u64 value) {
        (void)msr, (void)value;
        return false;
    }
    /// MSR IA32_TSC_DEADLINE (SDM 3A 10.5.4.1).
    virtual u64 tsc_deadline() const { return 0; }
    virtual void set_tsc_deadline(u64 value) { (void)value; }
    /// The processor's time-stamp counter was written: the deadline lies at another time.
    virtual void tsc_changed() {}
    /// From now on it is this processor that accesses memory: its own APIC's page answers there. Returns whose turn it
    /// was, or null where that makes no difference. For a debugger, which gives it back.
    virtual InterruptPort* take_bus() { return nullptr; }
};

/// The processor's pins, driven by devices. Levels and edges take effect between two instructions.
class CpuPins {
  public:
    virtual ~CpuPins() = default;
    virtual void set_intr(bool level) = 0;
    virtual void nmi() = 0;
    virtual void init() = 0;             ///< INIT#: registers as at reset, caches and FPU kept
    virtual void startup(u8 vector) = 0; ///< SIPI
    virtual void reset() = 0;            ///< RESET#
};

} // namespace glassbox
