// An IDE channel: the command and control blocks (ATA/ATAPI-6 section 7), the choice between two drives, INTRQ and the
// bus master's engine.
//
// With no drive at all the bus floats and reads as FFh. Drive 0 answers for a missing drive 1 with zeros.
#pragma once

#include "bus/io_device.hpp"
#include "bus/irq_line.hpp"
#include "bus/scheduler.hpp"
#include "devices/ide/bus_master.hpp"
#include "devices/ide/drive.hpp"

#include <array>
#include <memory>
#include <string>

namespace glassbox::ide {

class Channel final : public IoDevice, private DriveLink {
  public:
    /// Offsets of the port mappings.
    static constexpr u64 command_block = 0, control_block = 8;

    Channel(std::string name, Scheduler& scheduler, MemoryMap& memory, IrqLine irq);

    void attach(unsigned unit, std::unique_ptr<Drive> drive);
    Drive* drive(unsigned unit) const { return drives_.at(unit).get(); }
    DriveLink& link() { return *this; }
    const std::string& name() const { return name_; }

    u64 read(u64 offset, unsigned width) override;
    std::optional<u64> peek(u64 offset, unsigned width) const override;
    void write(u64 offset, unsigned width, u64 value) override;

    // For a debugger: looking changes nothing.
    unsigned selected_unit() const { return selected_; }
    u8 device_control() const { return control_; } ///< 1 nIEN, 2 SRST, 7 HOB
    bool interrupt_line() const { return line_; }
    bool dma_allowed() const { return dma_allowed_; }
    const BusMaster& bus_master() const { return bus_master_; }

    u8 read_bus_master(unsigned offset) const { return bus_master_.read(offset); }
    void write_bus_master(unsigned offset, u8 value);
    /// The PCI command register's bus master bit.
    void allow_dma(bool allowed);
    void reset();
    void persist(Archive& archive);

  private:
    void interrupt_changed() override;
    void dma_requested() override;
    void run_dma();
    u8 peek_register(unsigned index) const;
    void write_register(unsigned index, u8 value);
    void write_control(u8 value);
    void issue(u8 command);
    Drive* selected() const { return drives_[selected_].get(); }

    static constexpr Time dma_time = 2 * microsecond;

    std::string name_;
    IrqLine irq_;
    BusMaster bus_master_;
    std::array<std::unique_ptr<Drive>, 2> drives_;
    unsigned selected_ = 0;
    u8 control_ = 0; // device control: 1 nIEN, 2 SRST, 7 HOB
    bool line_ = false;
    bool dma_allowed_ = false;
    Scheduler::Event dma_event_;
};

} // namespace glassbox::ide
