#include "devices/ide/channel.hpp"

#include <utility>

namespace glassbox::ide {

namespace {
constexpr u8 control_nien = 2, control_srst = 4, control_hob = 0x80;
constexpr unsigned status_register = 7;
} // namespace

Channel::Channel(std::string name, Scheduler& scheduler, MemoryMap& memory, IrqLine irq)
    : name_(std::move(name)), irq_(irq), bus_master_(memory),
      dma_event_(scheduler, name_ + ".dma", [this] { run_dma(); }) {}

void Channel::attach(unsigned unit, std::unique_ptr<Drive> drive) { drives_.at(unit) = std::move(drive); }

std::optional<u64> Channel::peek(u64 offset, unsigned width) const {
    if (offset == command_block) { // the data register, of any width
        const Drive* drive = selected();
        return drive ? drive->peek_data(width) : drives_[0] ? 0 : ~u64{0};
    }
    u64 value = 0;
    for (unsigned i = 0; i < width; ++i) value |= u64{peek_register(static_cast<unsigned>(offset) + i)} << (8 * i);
    return value;
}

u64 Channel::read(u64 offset, unsigned width) {
    const u64 value = *peek(offset, width);
    Drive* drive = selected();
    if (drive && offset == command_block) drive->take_data(width);
    if (drive && offset <= status_register && offset + width > status_register) drive->set_intrq(false);
    return value;
}

void Channel::write(u64 offset, unsigned width, u64 value) {
    if (offset == command_block) {
        if (Drive* drive = selected()) drive->write_data(width, static_cast<u32>(value));
        return;
    }
    for (unsigned i = 0; i < width; ++i) {
        write_register(static_cast<unsigned>(offset) + i, static_cast<u8>(value >> (8 * i)));
    }
}

u8 Channel::peek_register(unsigned index) const {
    const Drive* drive = selected();
    if (!drive) return drives_[0] ? 0 : 0xFF;
    const TaskFile& regs = drive->regs;
    const auto side = [&](const Fifo& fifo) { return control_ & control_hob ? fifo.before : fifo.now; };
    switch (index) {
    case 1: return regs.error;
    case 2: return side(regs.sector_count);
    case 3: return side(regs.lba_low);
    case 4: return side(regs.lba_mid);
    case 5: return side(regs.lba_high);
    case 6: return static_cast<u8>(regs.device | 0xA0); // the obsolete bits
    case status_register:
    case control_block: return regs.status;
    default: return 0xFF;
    }
}

void Channel::write_register(unsigned index, u8 value) {
    if (index == control_block) return write_control(value);
    if (index > 7) return;
    control_ &= static_cast<u8>(~control_hob);
    if (index == 7) return issue(value);
    for (auto& drive : drives_) { // both drives listen, unless busy
        if (!drive || drive->busy()) continue;
        TaskFile& regs = drive->regs;
        switch (index) {
        case 1: regs.features.put(value); break;
        case 2: regs.sector_count.put(value); break;
        case 3: regs.lba_low.put(value); break;
        case 4: regs.lba_mid.put(value); break;
        case 5: regs.lba_high.put(value); break;
        case 6: regs.device = value; break;
        default: break;
        }
    }
    if (index == 6) {
        selected_ = value >> 4 & 1;
        interrupt_changed();
    }
}

void Channel::write_control(u8 value) {
    const u8 before = std::exchange(control_, value);
    if ((value & control_srst) && !(before & control_srst)) {
        dma_event_.cancel();
        for (auto& drive : drives_) {
            if (drive) drive->hold_reset();
        }
    } else if (!(value & control_srst) && (before & control_srst)) {
        selected_ = 0;
        for (auto& drive : drives_) {
            if (!drive) continue;
            drive->regs.device = 0;
            drive->release_reset();
        }
    }
    interrupt_changed();
}

void Channel::issue(u8 command) {
    if (control_ & control_srst) return;
    if (command == 0x90) { // EXECUTE DEVICE DIAGNOSTIC: both; drive 0 reports
        selected_ = 0;
        for (auto& drive : drives_) {
            if (!drive) continue;
            drive->regs.device = 0;
            drive->diagnose(drive == drives_[0]);
        }
        interrupt_changed();
        return;
    }
    Drive* drive = selected();
    if (!drive || (drive->busy() && command != 0x08)) return;
    drive->command(command);
}

void Channel::interrupt_changed() {
    const Drive* drive = selected();
    const bool level = drive && drive->intrq() && (control_ & control_nien) == 0;
    if (level == line_) return;
    line_ = level;
    if (level) bus_master_.interrupt();
    irq_.set(level);
}

void Channel::dma_requested() {
    Drive* drive = selected();
    if (drive && dma_allowed_ && bus_master_.serves(*drive)) dma_event_.after(dma_time);
}

void Channel::run_dma() {
    Drive* drive = selected();
    if (drive && dma_allowed_) bus_master_.run(*drive);
}

void Channel::write_bus_master(unsigned offset, u8 value) {
    if (bus_master_.write(offset, value)) dma_requested();
    if (!bus_master_.active()) dma_event_.cancel();
}

void Channel::allow_dma(bool allowed) {
    if (std::exchange(dma_allowed_, allowed) != allowed && allowed) dma_requested();
}

void Channel::reset() {
    dma_event_.cancel();
    bus_master_.reset();
    control_ = 0;
    selected_ = 0;
    for (auto& drive : drives_) {
        if (drive) drive->power_on_reset();
    }
    interrupt_changed();
}

void Channel::persist(Archive& archive) {
    archive.chunk("ide channel " + name_, 1, [&](u32) {
        u8 unit = static_cast<u8>(selected_);
        bool present[2] = {drives_[0] != nullptr, drives_[1] != nullptr};
        archive(unit, control_, line_, dma_allowed_, present[0], present[1]);
        archive.require(unit < 2, "a channel has no such drive");
        archive.require(present[0] == (drives_[0] != nullptr) && present[1] == (drives_[1] != nullptr),
                        "a channel has other drives than the snapshot's");
        bus_master_.persist(archive);
        if (archive.loading()) selected_ = unit & 1;
    });
    for (auto& drive : drives_) {
        if (drive) drive->persist(archive);
    }
}

} // namespace glassbox::ide
