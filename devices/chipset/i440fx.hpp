// The 82441FX PCI and memory controller (Intel data sheet 290549): host bridge 8086:1237 at 0:0.0. Programmable
// attribute maps (3.2.19) put shadow RAM over C0000h-FFFFFh in 13 segments, reads and writes apart; the SMRAM register
// (3.2.23) opens the RAM behind the VGA window.
//
// Deviations: DRAM timing, parity and turbo registers are stored only. SMRAM is visible when opened; there is no
// system-management mode.
#pragma once

#include "bus/pci.hpp"

namespace glassbox {

class I440fx : public PciFunction {
  public:
    /// The board maps RAM at 0-9FFFFh and from 100000h; what lies between is mapped here with `shadow_priority`.
    I440fx(PortBus& ports, MemoryMap& memory);
    void reset() override;
    void persist(Archive& archive);

    /// Above the BIOS and option ROMs and the VGA window.
    static constexpr int shadow_priority = 20;

  private:
    static constexpr unsigned segments = 13;

    void config_written(u8 offset, unsigned width) override;
    void apply_pam();
    void apply_smram();

    MemoryMap& memory_;
    std::array<MemoryMap::RegionId, segments> shadow_{};
    MemoryMap::RegionId smram_{};
    u8 smram_value_ = 0; // as last accepted, for the lock
};

} // namespace glassbox
