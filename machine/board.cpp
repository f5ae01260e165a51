#include "machine/board.hpp"

#include "bios/acpi_tables.hpp"
#include "bios/direct_boot.hpp"
#include "bios/firmware.hpp"
#include "bios/smbios.hpp"
#include "cpu/system/system.hpp"
#include "guests/embedded.hpp"
#include "machine/hostile.hpp"

#include <algorithm>
#include <utility>

namespace glassbox {

namespace {

constexpr int ram_priority = 0, rom_priority = 1;
constexpr u8 shutdown_status = 0x0F; // of the CMOS RAM, as the firmware of the PC/AT uses it
/// A byte on a serial line never takes longer than this, so that consoles do not slow a guest down.
constexpr Time fast_serial_byte = 2 * microsecond;

u64 speed_of(const MachineConfig& config) {
    return config.instructions_per_second ? config.instructions_per_second : Scheduler::default_speed;
}

OutputGates gates_before(const HostPorts& host) {
    OutputGates gates;
    for (std::size_t i = 0; i < host.serial.size(); ++i) gates.serial[i].connect(host.serial[i]);
    gates.parallel.connect(host.parallel);
    gates.debug_console.connect(host.debug_console);
    return gates;
}

std::vector<BootDevice> boot_devices(const MachineConfig& config) {
    std::vector<BootDevice> order;
    for (const std::string& name : config.boot) {
        if (name == "disk") order.push_back(BootDevice::disk);
        if (name == "cdrom") order.push_back(BootDevice::cdrom);
        if (name == "floppy") order.push_back(BootDevice::floppy);
    }
    return order;
}

} // namespace

Board::Board(const MachineConfig& config_, const HostPorts& host, const CpuModel& model, Firmware firmware)
    : config(config_), cpu_model(model), output(gates_before(host)), scheduler(speed_of(config)),
      layout(memory_layout(config.memory_bytes)), memory(config.memory_bytes), pci(ports),
      processors(config.processors, cpu_model, memory, ports, scheduler, apic_bus,
                 [this] {
                     const PicPair::Interrupt taken = pic.take();
                     if (taken.input) isa_irqs.acknowledged(*taken.input);
                     return taken.vector;
                 }),
      io_apic(apic_bus), pic(IrqLine(processors, 0)),
      isa_irqs(pic, model.features.has(Feature::apic) ? &io_apic : nullptr),
      legacy_timers(isa_irqs.line(0), isa_irqs.line(8)), a20(memory), dma(memory),
      pit(scheduler, IrqLine(legacy_timers, LegacyRouter::pit)),
      rtc(scheduler, IrqLine(legacy_timers, LegacyRouter::rtc), config.rtc_base),
      hpet(scheduler, io_apic, legacy_timers),
      ps2(scheduler, isa_irqs.line(1), isa_irqs.line(12),
          {[this](bool open) { a20.set(open); }, [this] { return a20.open(); }, [this] { soft_reset(); }}),
      system_control(scheduler, a20,
                     {[this](bool level) { pit.set_gate2(level); }, [this] { return pit.output(2); },
                      [this] { return pit.refresh_toggle(); }, [](bool) {}, [this] { soft_reset(); }}),
      coprocessor_error(isa_irqs.line(13)), host_bridge(ports, memory),
      isa_bridge(ports, memory, isa_irqs, IsaIrqRouter::pirq * 16, {[this](bool hard) {
                     if (!hard) return soft_reset();
                     reset_requested_ = true;
                     processors.leave();
                 }}),
      ide(ports, memory, scheduler, isa_irqs.line(14), isa_irqs.line(15)),
      power(ports, memory, scheduler, isa_irqs.line(9, IsaIrqRouter::sci),
            {[this] {
                 powered_off = true;
                 for (auto& uart : uarts) uart->finish_sending();
                 processors.leave();
             },
             [this] { processors.leave(); }, [this] { wake_from_suspend(); }}),
      vga(scheduler, ports, memory, std::move(firmware.vga_bios)), fdc(scheduler, ports, isa_irqs.line(6), dma),
      fw_cfg(memory), debug_console(output.debug_console.face()), bios_(std::move(firmware.bios)) {
    scheduler.on_earlier = [this] { processors.leave(); };
    if (config.hostile_seed) scheduler.lateness = hostile::late_timers(*config.hostile_seed);
    legacy_timers.rtc_raised = [this] { power.rtc_alarm(); };
    for (unsigned i = 0; i < processors.count(); ++i) processors[i].entropy.reseed(config.entropy_seed + i);
    for (unsigned i = 0; i < processors.count(); ++i) processors[i].set_engine(config.engine);
    // Of several processors the first has its FERR# wired to the interrupt controller; the others use CR0.NE.
    processors[0].ferr = [this](bool level) { coprocessor_error.set_ferr(level); };
    for (unsigned i = 0; i < std::min(config.serial_ports, 4u); ++i) {
        const unsigned irq = Uart16550::standard_irq(i);
        uarts.push_back(std::make_unique<Uart16550>(scheduler, isa_irqs.line(irq, IsaIrqRouter::first_free + i),
                                                    output.serial[i].face(), "com" + std::to_string(i + 1),
                                                    fast_serial_byte));
        uarts.back()->map(ports, i);
    }
    if (config.parallel_port) {
        parallel.emplace(scheduler, isa_irqs.line(7), output.parallel.face());
        parallel->map(ports);
    }
    if (config.exit_port) {
        exit_port.emplace([this](u8 status) {
            exited = true;
            exit_status = status;
            for (auto& uart : uarts) uart->finish_sending();
            processors.leave();
        });
        exit_port->map(ports, *config.exit_port);
    }
    if (config.test_device) {
        // Inputs 16-23 have no ISA wire; the device shares the others with their owners.
        test_device.emplace([this](unsigned irq) {
            return irq < 16 ? isa_irqs.line(irq, IsaIrqRouter::sources - 1) : IrqLine(io_apic, irq);
        });
        test_device->map(ports, memory);
    }
    map_memory();
    attach_pci();
    pit.map(ports);
    rtc.map(ports);
    pic.map(ports);
    dma.map(ports);
    ps2.map(ports);
    system_control.map(ports);
    coprocessor_error.map(ports);
    fw_cfg.map(ports);
    power.map(ports);
    debug_console.map(ports);
    if (model.features.has(Feature::apic)) {
        processors.map(memory);
        io_apic.map(memory);
    }
    hpet.map(memory);
}

Board::~Board() = default;

/// INIT# as the keyboard controller and ports 92h and CF9h give it. The PIIX3 opens the A20 gate with it, so that the
/// reset vector is where it should be.
void Board::soft_reset() {
    a20.reset();
    processors.init();
}

/// Out of S3: the processor starts again, everything else kept its state (ACPI 4.0, 7.3.4.4 asks no more of the
/// platform than the memory). The shutdown status FEh tells SeaBIOS that this is a resume.
void Board::wake_from_suspend() {
    constexpr u8 resume = 0xFE;
    rtc.set_cmos(shutdown_status, resume);
    a20.reset();
    processors.reset();
}

/// Halted with INTR masked and nothing wired to NMI# or INIT#: only a person can end that.
bool Board::idle_forever() const {
    if (power.suspended() || !processors.asleep_for_good()) return false;
    for (unsigned input = 0; input < IoApic::inputs; ++input) {
        constexpr u64 masked = 1u << 16;
        const u64 entry = io_apic.redirection(input);
        const auto delivery = static_cast<ApicDelivery>(entry >> 8 & 7);
        if (!(entry & masked) && (delivery == ApicDelivery::nmi || delivery == ApicDelivery::init)) return false;
    }
    return true;
}

void Board::map_memory() {
    const auto ram = [&](const char* name, u64 start, u64 size, u64 offset) {
        if (size == 0) return;
        MemoryMap::Region region;
        region.name = name;
        region.start = start;
        region.size = size;
        region.access = MemoryMap::Access::read_write;
        region.host = memory.ram().data() + offset;
        region.priority = ram_priority;
        memory.add(std::move(region));
    };
    constexpr u64 conventional = 0xA0000, extended = 0x100000;
    ram("conventional memory", 0, conventional, 0);
    ram("extended memory", extended, layout.low_end - extended, extended);
    ram("memory above 4 GiB", four_gib, layout.high_bytes, layout.low_end);

    const auto rom = [&](u64 start, u64 size, u64 offset) {
        MemoryMap::Region region;
        region.name = "system BIOS";
        region.start = start;
        region.size = size;
        region.access = MemoryMap::Access::read_write;
        region.host = bios_.data() + offset;
        region.writes_dropped = true;
        region.priority = rom_priority;
        memory.add(std::move(region));
    };
    const u64 low = std::min<u64>(bios_.size(), 0x20000); // the last 128 KiB appear below 1 MiB too
    rom(extended - low, low, bios_.size() - low);
    rom(four_gib - bios_.size(), bios_.size(), 0);
}

void Board::attach_pci() {
    pci.attach(0, 0, host_bridge);
    pci.attach(1, 0, isa_bridge);
    pci.attach(1, 1, ide);
    pci.attach(1, 3, power);
    pci.attach(2, 0, vga);
    pci.set_reset_control(&isa_bridge);
    ide.connect_interrupt(isa_bridge.pci_line(1, 1, 0));
    vga.connect_interrupt(isa_bridge.pci_line(2, 0, 0));
}

Expected<> Board::attach_media() {
    std::array<bool, 4> taken{};
    if (config.cdrom) {
        std::unique_ptr<Image> disc;
        Medium& medium = media_[static_cast<std::size_t>(MediaInput::Drive::cdrom)];
        if (!config.cdrom->empty()) {
            auto opened = load_medium({*config.cdrom, true, false});
            if (!opened) return tl::unexpected(opened.error());
            medium = std::move(*opened);
            disc = view(medium);
        }
        if (auto ok = ide.attach_cdrom(1, 0, std::move(disc)); !ok) return ok;
        taken[2] = true;
    }
    for (const DriveConfig& disk : config.disks) {
        const auto place = std::find(taken.begin(), taken.end(), false);
        if (place == taken.end()) return fail("there are only four IDE places: too many disks for '" + disk.path + "'");
        *place = true;
        auto image = open_image(
            disk.path,
            {.read_only = disk.read_only, .discard_writes = disk.discard_writes, .keep_writes = config.keep_media});
        if (!image) return tl::unexpected(image.error());
        const auto n = static_cast<unsigned>(place - taken.begin());
        const std::shared_ptr<Image> shared = std::move(*image);
        disks_.push_back(shared);
        if (auto ok = ide.attach_disk(n / 2, n % 2, shared_image(shared)); !ok) return ok;
    }
    // A PC's CD-ROM drive is there without a disc too, so that one can be inserted later.
    if (!config.cdrom && !taken[2]) {
        if (auto ok = ide.attach_cdrom(1, 0, nullptr); !ok) return ok;
    }
    std::size_t drive = 0;
    if (config.demo) {
        const auto demo = demo_floppy();
        const Medium medium{memory_image({demo.begin(), demo.end()}, true), true, nullptr, true};
        if (auto ok = insert_medium(static_cast<MediaInput::Drive>(drive++), medium); !ok) return ok;
    }
    for (const DriveConfig& floppy : config.floppies) {
        if (drive >= Fdc::drive_count)
            return fail("there are only two floppy drives: too many for '" + floppy.path + "'");
        const auto which = static_cast<MediaInput::Drive>(drive++);
        auto medium = load_medium(floppy);
        if (!medium) return tl::unexpected(medium.error());
        if (auto ok = insert_medium(which, *medium); !ok) return ok;
    }
    return {};
}

Expected<> Board::configure_firmware() {
    BoardFacts facts;
    facts.memory_bytes = config.memory_bytes;
    facts.processors = processors.count();
    facts.boot = boot_devices(config);
    if (config.demo) facts.boot.insert(facts.boot.begin(), BootDevice::floppy);
    for (unsigned i = 0; i < 2; ++i) facts.floppies[i] = static_cast<FloppyType>(fdc.cmos_type(i));
    for (unsigned n = 0; n < 4; ++n) {
        const ide::Drive* drive = ide.drive(n / 2, n % 2);
        if (!drive) continue;
        IdeUnit unit;
        unit.cdrom = drive == ide.cdrom();
        facts.ide[n] = unit;
    }
    FwCfgItems items;
    const auto add = [&](const FwCfgItems& more) { items.insert(items.end(), more.begin(), more.end()); };
    if (config.kernel) {
        auto boot = prepare_direct_boot({*config.kernel, config.initrd, config.append, config.memory_bytes});
        if (!boot) return tl::unexpected(boot.error());
        facts.first_boot_path = boot->boot_path;
        add(boot->items);
    }
    add(board_fw_cfg(facts));
    AcpiConfig acpi;
    acpi.low_memory_end = layout.low_end;
    acpi.processors = processors.count();
    acpi.io_apic = processors[0].has(Feature::apic);
    acpi.serial_ports = static_cast<unsigned>(uarts.size());
    acpi.parallel_port = config.parallel_port;
    add(acpi_fw_cfg(acpi));
    SmbiosConfig smbios;
    smbios.memory_bytes = config.memory_bytes;
    smbios.processors = processors.count();
    smbios.cpuid_signature = processors[0].model->signature;
    smbios.cpuid_features = cpuid(processors[0], 1, 0).edx;
    smbios.megahertz = static_cast<u16>(std::min<u64>(speed_of(config) / 1'000'000, 65535));
    add(smbios_fw_cfg(smbios));
    for (FwCfgItem& item : items) {
        if (item.file.empty())
            fw_cfg.add_bytes(item.key, std::move(item.data));
        else
            fw_cfg.add_file(std::move(item.file), std::move(item.data));
    }
    if (config.hostile_seed) hostile::poison(rtc, *config.hostile_seed);
    for (const CmosByte& byte : cmos_bytes(facts)) rtc.set_cmos(byte.index, byte.value);
    return {};
}

Expected<std::unique_ptr<Board>> Board::create(const MachineConfig& config, const HostPorts& host) {
    auto model = parse_cpu_model(config.cpu_model);
    if (!model) return tl::unexpected(model.error());
    if (config.processors < 1 || config.processors > Processors::most)
        return fail("a machine has from 1 to " + std::to_string(Processors::most) + " processors, not " +
                    std::to_string(config.processors));
    if (config.processors > 1 && !model->features.has(Feature::apic))
        return fail("the processor '" + config.cpu_model +
                    "' has no local APIC, without which a machine cannot have several of them: use pentium-pro or a "
                    "later one");
    if (const MemoryLayout layout = memory_layout(config.memory_bytes);
        layout.high_bytes != 0 && four_gib + layout.high_bytes > u64{1} << model->physical_bits)
        return fail("the processor '" + config.cpu_model + "' has " + std::to_string(model->physical_bits) +
                    " address lines and cannot reach " + std::to_string(config.memory_bytes >> 20) +
                    " MiB of memory: give the machine 3584 MiB at most, or another processor");
    auto bios = load_system_bios(config.bios);
    if (!bios) return tl::unexpected(bios.error());
    auto vga_bios = load_vga_bios(config.vgabios);
    if (!vga_bios) return tl::unexpected(vga_bios.error());
    std::unique_ptr<Board> board(
        new Board(config, host, in_machine(*model), {std::move(bios->bytes), std::move(vga_bios->bytes)}));
    if (auto ok = board->attach_media(); !ok) return tl::unexpected(ok.error());
    if (auto ok = board->configure_firmware(); !ok) return tl::unexpected(ok.error());
    board->reset();
    // A reset that is still pending would undo what somebody changes before the first instruction.
    for (unsigned i = 0; i < board->processors.count(); ++i) board->processors[i].reset_now();
    board->make_hostile();
    return board;
}

void Board::reset() {
    pci.reset();
    pic.reset();
    io_apic.reset();
    dma.reset();
    pit.reset();
    rtc.reset();
    hpet.reset();
    ps2.reset();
    system_control.reset();
    coprocessor_error.reset();
    fdc.reset();
    for (auto& uart : uarts) uart->reset();
    if (parallel) parallel->reset();
    if (test_device) test_device->reset();
    fw_cfg.reset();
    a20.reset();
    processors.reset();
}

void Board::make_hostile() {
    if (!config.hostile_seed) return;
    hostile::poison(memory.ram(), *config.hostile_seed);
    hostile::poison(ports, memory, *config.hostile_seed);
    for (unsigned i = 0; i < processors.count(); ++i) hostile::poison(processors[i], *config.hostile_seed);
}

StopReason Board::run(Time until, u64 max_instructions) {
    for (;;) {
        if (powered_off) return StopReason::power_off;
        if (exited) return StopReason::exit_port;
        if (std::exchange(stop_requested_, false)) return StopReason::breakpoint;
        if (reset_requested_) {
            reset_requested_ = false;
            reset();
        }
        scheduler.fire_due();
        if (powered_off) return StopReason::power_off;
        if (std::exchange(stop_requested_, false)) return StopReason::breakpoint; // before anybody executes
        if (scheduler.now() >= until || scheduler.instructions() >= max_instructions) return StopReason::limit;
        if (processors.shut_down()) {
            if (config.stop_on_triple_fault) return StopReason::triple_fault;
            if (on_triple_fault && rtc.cmos(shutdown_status) == 0) std::exchange(on_triple_fault, nullptr)();
            reset(); // the chipset answers the shutdown cycle with a reset
            continue;
        }
        if (idle_forever()) return StopReason::idle_forever;
        if (power.suspended() ? !processors[0].reset_pending : !processors.any_runnable()) {
            const Time wake = std::min(until, scheduler.next_event());
            if (wake == never) return StopReason::idle_forever; // suspended, and asked to run without an end
            scheduler.skip_to(wake);
            continue;
        }
        processors.run(until, max_instructions);
        if (std::exchange(processors.current().stopped_by_probe, false)) {
            stop_requested_ = false;
            return StopReason::breakpoint;
        }
    }
}

Expected<> Board::inject(const Input& input) {
    struct Visitor {
        Board& board;
        Expected<> operator()(const KeyInput& key) {
            board.ps2.key(key.code, key.extended, key.pressed);
            return {};
        }
        Expected<> operator()(const MouseInput& mouse) {
            board.ps2.mouse(mouse.dx, mouse.dy, mouse.wheel, mouse.buttons);
            return {};
        }
        Expected<> operator()(const SerialInput& serial) {
            if (serial.port >= board.uarts.size())
                return fail("the machine has no COM" + std::to_string(serial.port + 1));
            if (!board.uarts[serial.port]->receive(serial.data))
                return fail("COM" + std::to_string(serial.port + 1) +
                            " has too much waiting: the guest does not read it");
            return {};
        }
        Expected<> operator()(const MediaInput& media) {
            auto medium = board.open_medium(media);
            if (!medium) return tl::unexpected(medium.error());
            return board.insert_medium(media.drive, *medium);
        }
        Expected<> operator()(const PowerButtonInput&) {
            board.power.power_button();
            return {};
        }
        Expected<> operator()(const ResetInput&) {
            board.reset_requested_ = true;
            return {};
        }
        Expected<> operator()(const EntropyInput& entropy) {
            for (unsigned i = 0; i < board.processors.count(); ++i) board.processors[i].entropy.stir(entropy.bits + i);
            return {};
        }
        Expected<> operator()(const SkipTimeInput& skip) {
            board.scheduler.skip_to(board.scheduler.now() + skip.duration);
            return {};
        }
    };
    return std::visit(Visitor{*this}, input);
}

void Board::persist(Archive& archive) {
    scheduler.persist(archive);
    memory.persist(archive);
    pci.persist(archive);
    host_bridge.persist(archive);
    isa_bridge.persist(archive);
    ide.persist(archive);
    power.persist(archive);
    vga.persist(archive);
    isa_irqs.persist(archive);
    pic.persist(archive);
    for (unsigned i = 0; i < processors.count(); ++i) processors.apic(i).persist(archive);
    io_apic.persist(archive);
    dma.persist(archive);
    pit.persist(archive);
    rtc.persist(archive);
    hpet.persist(archive);
    ps2.persist(archive);
    system_control.persist(archive);
    coprocessor_error.persist(archive);
    fdc.persist(archive);
    for (auto& uart : uarts) uart->persist(archive);
    if (parallel) parallel->persist(archive);
    if (test_device) test_device->persist(archive);
    fw_cfg.persist(archive);
    archive.chunk("board", 1, [&](u32) { archive(powered_off, exited, exit_status, reset_requested_); });
    processors.persist(archive);
}

} // namespace glassbox
