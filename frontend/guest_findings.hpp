// Which findings of lint are the guest's and not the firmware's, for `--lint=error`: what executes from C0000h-FFFFFh
// is firmware, and so is all that executes before INT 19h, with which the BIOS begins to boot (BIOS Boot
// Specification 1.01, 3.3).
#pragma once

#include "cpu/probe.hpp"
#include "debugger/lint/lint.hpp"
#include "machine/machine.hpp"

namespace glassbox {

class GuestFindings final : public Probe {
  public:
    /// A machine that has executed something is past its firmware.
    explicit GuestFindings(Machine& machine) : machine_(machine), booted_(machine.instructions() != 0) {
        machine_.attach(*this);
    }
    ~GuestFindings() override { machine_.detach(*this); }
    GuestFindings(const GuestFindings&) = delete;
    GuestFindings& operator=(const GuestFindings&) = delete;

    void delivered(Cpu&, u8 vector, InterruptKind, u64) override { booted_ |= vector == bootstrap_loader; }

    void add(const LintWarning& warning) {
        if (booted_ && (warning.linear < firmware_begin || warning.linear >= firmware_end)) ++count_;
    }
    u64 count() const { return count_; }

  private:
    static constexpr u8 bootstrap_loader = 0x19;
    static constexpr u64 firmware_begin = 0xC0000, firmware_end = 0x100000;

    Machine& machine_;
    bool booted_;
    u64 count_ = 0;
};

} // namespace glassbox
