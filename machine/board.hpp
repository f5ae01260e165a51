// The i440FX/PIIX3 board: the one place that names every chip and wires it up.
#pragma once

#include "bios/memory_tables.hpp"
#include "bus/archive.hpp"
#include "bus/error.hpp"
#include "bus/memory_map.hpp"
#include "bus/pci.hpp"
#include "bus/port_bus.hpp"
#include "bus/scheduler.hpp"
#include "devices/acpi/piix4_pm.hpp"
#include "devices/chipset/a20_gate.hpp"
#include "devices/chipset/coprocessor_error.hpp"
#include "devices/chipset/i440fx.hpp"
#include "devices/chipset/isa_irq_router.hpp"
#include "devices/chipset/piix3.hpp"
#include "devices/chipset/system_control.hpp"
#include "devices/debugcon/debug_console.hpp"
#include "devices/dma/dma.hpp"
#include "devices/fdc/fdc.hpp"
#include "devices/fw_cfg/fw_cfg.hpp"
#include "devices/hpet/hpet.hpp"
#include "devices/hpet/legacy_router.hpp"
#include "devices/ide/ide_controller.hpp"
#include "devices/ioapic/ioapic.hpp"
#include "devices/lpt/parallel_port.hpp"
#include "devices/pic/pic.hpp"
#include "devices/pit/pit.hpp"
#include "devices/ps2/controller.hpp"
#include "devices/rtc/rtc.hpp"
#include "devices/test_device/test_device.hpp"
#include "devices/uart/uart.hpp"
#include "devices/vga/vga.hpp"
#include "machine/config.hpp"
#include "machine/machine.hpp"
#include "machine/output_gate.hpp"
#include "machine/probes.hpp"
#include "machine/processors.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace glassbox {

class Board {
  public:
    /// Opens every image and file that `config` names. The error says which one and why.
    static Expected<std::unique_ptr<Board>> create(const MachineConfig& config, const HostPorts& host);

    ~Board();
    /// RESET# of the whole board, memory kept.
    void reset();
    /// Runs the processors until `until` or `max_instructions`, firing events on the way.
    StopReason run(Time until, u64 max_instructions);
    /// Called once, before a triple fault resets the board, while everything can still be looked at. Not for a guest
    /// that means it: with a shutdown status in the CMOS RAM (register 0Fh), a 286's way back to real mode.
    std::function<void()> on_triple_fault;
    /// The present or next `run` returns StopReason::breakpoint between two instructions.
    void request_stop() {
        stop_requested_ = true;
        processors.leave();
    }
    Expected<> inject(const Input& input);
    /// A medium for a drive that changes them; null: none. `writes_kept`: writes go to a new overlay, each time it is
    /// put into the drive.
    struct Medium {
        std::shared_ptr<Image> image;
        bool writes_kept = false;
        std::shared_ptr<Image> overlay = nullptr; ///< while it is in a drive and its writes are kept
        bool discarded = false;                   ///< they never reach the file
        bool operator==(const Medium&) const = default;
    };
    using Media = std::array<Medium, 3>; ///< by MediaInput::Drive
    Expected<Medium> open_medium(const MediaInput& input);
    /// As a hand does it, which may fail: an error may be something that the guest has seen, too.
    Expected<> insert_medium(MediaInput::Drive drive, const Medium& medium);
    const Media& media() const { return media_; }
    /// Before a state is restored that was taken with these media in the drives.
    void put_back(const Media& media);
    /// Null: all that the guest writes to media can be taken back. Else the name of one where it cannot.
    const std::string* written_at_once() const;
    /// Writes to the files of the media that are in the drives what `keep_media` has kept.
    Expected<> commit_media();
    /// Every component in a fixed order; RAM is the snapshot writer's.
    void persist(Archive& archive);
    /// What the processors have decoded or translated before does not hold any more.
    void forget_derived() {
        for (unsigned i = 0; i < processors.count(); ++i) processors[i].map_changed();
    }

    const MachineConfig config;
    const CpuModel cpu_model; ///< the processors refer to it
    OutputGates output;       ///< before the host's sinks
    Scheduler scheduler;
    MemoryLayout layout;
    MemoryMap memory;
    PortBus ports;
    PciBus pci;

    // From the processor outwards. Members are built in this order, each from those before it.
    ApicBus apic_bus;
    Processors processors;
    IoApic io_apic;
    PicPair pic;
    IsaIrqRouter isa_irqs;
    LegacyRouter legacy_timers;
    A20Gate a20;
    DmaControllers dma;
    Pit pit;
    Rtc rtc;
    Hpet hpet;
    Ps2Controller ps2;
    SystemControl system_control;
    CoprocessorError coprocessor_error;
    I440fx host_bridge;
    Piix3 isa_bridge;
    IdeController ide;
    Piix4Pm power;
    Vga vga;
    Fdc fdc;
    std::vector<std::unique_ptr<Uart16550>> uarts;
    std::optional<ParallelPort> parallel;
    FwCfg fw_cfg;
    DebugConsole debug_console;
    std::optional<ExitPort> exit_port;
    std::optional<TestDevice> test_device;

    Probes probes{*this}; ///< who listens: not part of the guest

    bool powered_off = false;
    bool exited = false;
    u8 exit_status = 0;

  private:
    struct Firmware {
        std::vector<u8> bios, vga_bios;
    };
    Board(const MachineConfig& config, const HostPorts& host, const CpuModel& model, Firmware firmware);

    void make_hostile();
    void soft_reset();
    void wake_from_suspend();
    bool idle_forever() const;
    void map_memory();
    void attach_pci();
    Expected<> attach_media();
    Expected<> configure_firmware();

    Expected<Medium> load_medium(const DriveConfig& drive) const;
    static std::unique_ptr<Image> view(Medium& medium);

    Media media_;
    std::vector<std::shared_ptr<Image>> disks_;
    std::vector<u8> bios_; ///< mapped as ROM, never written
    bool reset_requested_ = false;
    bool stop_requested_ = false; ///< by a debugger; not the guest's state
};

} // namespace glassbox
