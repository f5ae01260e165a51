// The IDE function of the PIIX3 (82371SB data sheet, sections 2.3 and 2.7): two channels at the legacy ports and a bus
// master.
//
// Deviation: the channels decode their ports whatever the I/O enable and IDETIM's decode bits say, so that a guest
// without firmware finds its disks; timing registers are stored and have no effect.
#pragma once

#include "bus/pci.hpp"
#include "devices/ide/ata_disk.hpp"
#include "devices/ide/atapi_cdrom.hpp"
#include "devices/ide/channel.hpp"

#include <memory>
#include <vector>

namespace glassbox {

class IdeController : public PciFunction, private IoDevice {
  public:
    IdeController(PortBus& ports, MemoryMap& memory, Scheduler& scheduler, IrqLine irq14, IrqLine irq15);

    /// `channel` 0-1, `unit` 0-1; before the machine starts. A place that is taken, or an image of no whole sector, is
    /// an error.
    Expected<> attach_disk(unsigned channel, unsigned unit, std::unique_ptr<Image> image);
    /// `medium` may be null: an empty drive.
    Expected<> attach_cdrom(unsigned channel, unsigned unit, std::unique_ptr<Image> medium);
    /// The disc of the first CD drive; null takes it out. Fails when there is no drive or the guest has locked it.
    Expected<> change_cd(std::unique_ptr<Image> medium);
    /// The first CD drive, or null.
    ide::AtapiCdrom* cdrom() const { return cdrom_; }
    ide::Drive* drive(unsigned channel, unsigned unit) const { return channels_.at(channel)->drive(unit); }

    const ide::Channel& channel(unsigned number) const { return *channels_.at(number); }

    /// Grows with each block that any drive moves: what blinks a light.
    u64 activity() const;
    /// Brings all disks' writes to the host's disk; call it before the program ends, and show the error.
    Expected<> flush();
    void reset() override;
    /// Everything, including the configuration space and the drives' images.
    void persist(Archive& archive);

  private:
    u64 read(u64 offset, unsigned width) override;
    std::optional<u64> peek(u64 offset, unsigned width) const override;
    void write(u64 offset, unsigned width, u64 value) override;
    void config_written(u8 offset, unsigned width) override;
    Expected<> attach(unsigned channel, unsigned unit, std::unique_ptr<ide::Drive> drive);

    Scheduler& scheduler_;
    std::array<std::unique_ptr<ide::Channel>, 2> channels_;
    ide::AtapiCdrom* cdrom_ = nullptr;
    std::vector<ide::AtaDisk*> disks_;
};

} // namespace glassbox
