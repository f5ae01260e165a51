#include "devices/ide/ide_controller.hpp"

#include <string>
#include <utility>

namespace glassbox {

namespace {
const PciId piix3_ide{.vendor = 0x8086, .device = 0x7010, .class_code = 0x010180};
std::string drive_name(unsigned channel, unsigned unit) {
    return "ide" + std::to_string(channel) + "." + std::to_string(unit);
}
} // namespace

IdeController::IdeController(PortBus& ports, MemoryMap& memory, Scheduler& scheduler, IrqLine irq14, IrqLine irq15)
    : PciFunction("PIIX3 IDE", piix3_ide, ports, memory), scheduler_(scheduler) {
    define16(0x06, 0x0280);    // status: fast back-to-back, medium DEVSEL# timing
    define16(0x40, 0, 0xFFFF); // IDETIM, primary
    define16(0x42, 0, 0xFFFF); // IDETIM, secondary
    define(0x44, 0, 0xFF);     // SIDETIM
    add_bar(4, BarKind::io, 16, this, 4);
    const IrqLine lines[] = {irq14, irq15};
    const u16 command_ports[] = {0x1F0, 0x170}, control_ports[] = {0x3F6, 0x376};
    for (unsigned i = 0; i < 2; ++i) {
        const std::string name = "ide" + std::to_string(i);
        channels_[i] = std::make_unique<ide::Channel>(name, scheduler, memory, lines[i]);
        ports.map(name, {Port{command_ports[i]}, 8}, *channels_[i], 4, ide::Channel::command_block);
        ports.map(name + " control", {Port{control_ports[i]}, 1}, *channels_[i], 1, ide::Channel::control_block);
    }
}

Expected<> IdeController::attach(unsigned channel, unsigned unit, std::unique_ptr<ide::Drive> drive) {
    channels_.at(channel)->attach(unit, std::move(drive));
    return {};
}

Expected<> IdeController::attach_disk(unsigned channel, unsigned unit, std::unique_ptr<Image> image) {
    if (channel > 1 || unit > 1) return fail("there is no IDE unit " + drive_name(channel, unit));
    if (drive(channel, unit)) return fail("the IDE unit " + drive_name(channel, unit) + " is taken already");
    if (!image || image->size() < 512) return fail("a hard disk needs an image of at least one sector");
    if (image->size() / 512 > u64{1} << 48)
        return fail("'" + image->path() + "' is larger than 48-bit addresses reach");
    auto disk = std::make_unique<ide::AtaDisk>(scheduler_, drive_name(channel, unit), unit, channels_[channel]->link(),
                                               std::move(image));
    disks_.push_back(disk.get());
    return attach(channel, unit, std::move(disk));
}

Expected<> IdeController::attach_cdrom(unsigned channel, unsigned unit, std::unique_ptr<Image> medium) {
    if (channel > 1 || unit > 1) return fail("there is no IDE unit " + drive_name(channel, unit));
    if (drive(channel, unit)) return fail("the IDE unit " + drive_name(channel, unit) + " is taken already");
    if (auto r = ide::AtapiCdrom::check_medium(medium.get()); !r) return r;
    auto cdrom = std::make_unique<ide::AtapiCdrom>(scheduler_, drive_name(channel, unit), unit,
                                                   channels_[channel]->link(), std::move(medium));
    if (!cdrom_) cdrom_ = cdrom.get();
    return attach(channel, unit, std::move(cdrom));
}

Expected<> IdeController::change_cd(std::unique_ptr<Image> medium) {
    if (!cdrom_) return fail("the machine has no CD drive");
    return cdrom_->set_medium(std::move(medium));
}

u64 IdeController::activity() const {
    u64 sum = 0;
    for (unsigned i = 0; i < 4; ++i) {
        if (const ide::Drive* d = drive(i / 2, i % 2)) sum += d->activity();
    }
    return sum;
}

Expected<> IdeController::flush() {
    Expected<> result;
    for (ide::AtaDisk* disk : disks_) {
        if (auto r = disk->flush_image(); !r) result = r;
    }
    return result;
}

void IdeController::reset() {
    PciFunction::reset();
    for (auto& channel : channels_) {
        channel->allow_dma(false);
        channel->reset();
    }
}

u64 IdeController::read(u64 offset, unsigned width) { return *peek(offset, width); }

std::optional<u64> IdeController::peek(u64 offset, unsigned width) const {
    u64 value = 0;
    for (unsigned i = 0; i < width; ++i) {
        const unsigned at = static_cast<unsigned>(offset) + i;
        value |= u64{channels_[at >> 3 & 1]->read_bus_master(at & 7)} << (8 * i);
    }
    return value;
}

void IdeController::write(u64 offset, unsigned width, u64 value) {
    for (unsigned i = 0; i < width; ++i) {
        const unsigned at = static_cast<unsigned>(offset) + i;
        channels_[at >> 3 & 1]->write_bus_master(at & 7, static_cast<u8>(value >> (8 * i)));
    }
}

void IdeController::config_written(u8 offset, unsigned) {
    if (offset > 5) return;
    for (auto& channel : channels_) channel->allow_dma(bus_master());
}

void IdeController::persist(Archive& archive) {
    persist_config(archive);
    for (auto& channel : channels_) channel->persist(archive);
}

} // namespace glassbox
