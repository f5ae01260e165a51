#include "devices/fdc/fdc.hpp"

#include <algorithm>
#include <utility>

namespace glassbox {

namespace {
constexpr u8 dor_not_reset = 0x04, dor_dma_gate = 0x08;
constexpr u8 msr_rqm = 0x80, msr_dio = 0x40, msr_non_dma = 0x20, msr_busy = 0x10;
constexpr u8 default_configure = 0x20; // EFIFO: the FIFO is off
constexpr u64 largest_buffer = 4 * 255;
} // namespace

Fdc::Fdc(Scheduler& scheduler, PortBus& ports, IrqLine irq6, DmaPort& dma, unsigned speedup)
    : scheduler_(scheduler), irq_(irq6), dma_(dma), speedup_(std::max(1u, speedup)),
      event_(scheduler, "fdc", [this] { fire(); }),
      seek_events_{Scheduler::Event{scheduler, "fdc.seek0", [this] { seek_done(0); }},
                   Scheduler::Event{scheduler, "fdc.seek1", [this] { seek_done(1); }},
                   Scheduler::Event{scheduler, "fdc.seek2", [this] { seek_done(2); }},
                   Scheduler::Event{scheduler, "fdc.seek3", [this] { seek_done(3); }}} {
    ports.map("floppy controller", {Port{0x3F0}, 6}, *this);
    ports.map("floppy controller", {Port{0x3F7}, 1}, *this, 1, 7);
    drives_[0].attach();
}

Expected<> Fdc::insert(unsigned unit, std::unique_ptr<Image> image) {
    if (!drive(unit)) return fail("there is no floppy drive " + std::to_string(unit) + ": use 0 or 1");
    if (!image) return fail("no image was given for floppy drive " + std::to_string(unit));
    return drives_[unit].insert(std::move(image));
}

void Fdc::eject(unsigned unit) {
    if (FloppyDrive* d = drive(unit)) d->eject();
}

Image* Fdc::image(unsigned unit) const { return drive(unit) ? drive(unit)->image() : nullptr; }
u8 Fdc::cmos_type(unsigned unit) const { return drive(unit) ? drive(unit)->cmos_type() : u8{0}; }

FloppyDrive* Fdc::drive(unsigned unit) { return unit < drive_count ? &drives_[unit] : nullptr; }
const FloppyDrive* Fdc::drive(unsigned unit) const { return unit < drive_count ? &drives_[unit] : nullptr; }

Time Fdc::rotation() const {
    const FloppyDrive* d = selected();
    const bool fast_disk = d && d->geometry() && d->geometry()->cmos_type == 2; // 360 rpm
    return scaled(fast_disk ? second / 6 : second / 5);
}

Time Fdc::step_time() const {
    // SRT counts down from 16 ms at 500 kbit/s (data sheet, SPECIFY).
    static constexpr std::array<u64, 4> half_milliseconds_per_unit = {2, 3, 4, 1};
    const u64 units = 16u - (specify_[0] >> 4);
    return scaled(units * half_milliseconds_per_unit[dsr_ & 3] * (millisecond / 2));
}

Time Fdc::sector_end(unsigned sector) const {
    const FloppyDrive* d = selected();
    const Time turn = rotation(), slot = turn / std::max<u64>(1, d && d->geometry() ? d->geometry()->sectors : 1);
    const Time place = scheduler_.now() % turn, start = (sector - 1) * slot;
    // A sector whose preamble is just passing is caught: what follows another without a pause is not missed.
    const Time end = scheduler_.now() - place + start + slot;
    return start + slot / 2 < place ? end + turn : end;
}

void Fdc::set_irq(bool level) {
    irq_level_ = level;
    irq_.set(level && (dor_ & dor_dma_gate) != 0);
}

void Fdc::reset() {
    dor_ = tdr_ = 0;
    dsr_ = 2;
    locked_ = false;
    perpendicular_ = 0;
    specify_ = {};
    pcn_ = {};
    software_reset();
    for (FloppyDrive& d : drives_) d.flush();
}

void Fdc::software_reset() {
    event_.cancel();
    for (auto& event : seek_events_) event.cancel();
    phase_ = Phase::command;
    stage_ = Stage::idle;
    operation_ = Operation::none;
    command_.clear();
    result_.clear();
    buffer_.clear();
    position_ = 0;
    result_clears_irq_ = false;
    pending_mask_ = reset_mask_ = seeking_ = 0;
    if (locked_) {
        configure_ &= 0x2F; // LOCK keeps EFIFO, FIFOTHR and PRETRK
    } else {
        configure_ = default_configure;
        pretrack_ = 0;
    }
    perpendicular_ &= 0x3C; // a software reset clears GAP and WGATE only
    set_irq(false);
}

void Fdc::start_reset() {
    stage_ = Stage::resetting;
    event_.after(20 * microsecond);
}

void Fdc::write_dor(u8 value) {
    const u8 old = std::exchange(dor_, value);
    for (unsigned i = 0; i < drive_count; ++i) {
        const unsigned motor = 0x10u << i;
        if ((old & motor) != 0 && (value & motor) == 0) drives_[i].flush();
    }
    if ((value & dor_not_reset) == 0) {
        software_reset();
    } else if ((old & dor_not_reset) == 0) {
        start_reset();
    } else {
        set_irq(irq_level_);
    }
}

u8 Fdc::main_status() const {
    if ((dor_ & dor_not_reset) == 0 || stage_ == Stage::resetting) return 0;
    u8 status = seeking_;
    switch (phase_) {
    case Phase::command: status = static_cast<u8>(status | (command_.empty() ? msr_rqm : msr_rqm | msr_busy)); break;
    case Phase::result: status |= msr_rqm | msr_dio | msr_busy; break;
    case Phase::execution:
        status |= msr_busy;
        if (!dma_mode() && operation_ != Operation::none && operation_ != Operation::verify) status |= msr_non_dma;
        if (stage_ == Stage::host_reads) status |= msr_rqm | msr_dio;
        if (stage_ == Stage::host_writes) status |= msr_rqm;
        break;
    }
    return status;
}

u64 Fdc::read(u64 offset, unsigned width) {
    const u64 value = *peek(offset, width);
    if (offset == 5) take_fifo();
    return value;
}

std::optional<u64> Fdc::peek(u64 offset, unsigned) const {
    switch (offset) {
    case 2: return dor_;
    case 3: return tdr_;
    case 4: return main_status();
    case 5: return peek_fifo();
    case 7: {
        const FloppyDrive* d = drive(dor_ & 3);
        return d && d->disk_changed() ? 0x80 : 0x00;
    }
    default: return 0xFF; // status registers A and B do not exist in AT mode
    }
}

void Fdc::write(u64 offset, unsigned, u64 value) {
    const auto byte = static_cast<u8>(value);
    switch (offset) {
    case 2: write_dor(byte); break;
    case 3: tdr_ = byte & 3; break;
    case 4:
        dsr_ = byte & 0x7F;
        if ((byte & 0x80) != 0) { // self-clearing software reset
            software_reset();
            if ((dor_ & dor_not_reset) != 0) start_reset();
        }
        break;
    case 5: write_fifo(byte); break;
    case 7: dsr_ = static_cast<u8>((dsr_ & ~3) | (byte & 3)); break;
    default: break;
    }
}

bool Fdc::gives_data() const { return (main_status() & (msr_rqm | msr_dio)) == (msr_rqm | msr_dio); }

u8 Fdc::peek_fifo() const {
    if (!gives_data()) return 0;
    return phase_ == Phase::execution ? buffer_[position_] : result_.front();
}

void Fdc::take_fifo() {
    if (!gives_data()) return;
    if (phase_ == Phase::execution) {
        ++position_;
        set_irq(false);
        if (position_ == buffer_.size()) {
            host_finished();
        } else {
            set_irq(true);
        }
        return;
    }
    result_.pop_front();
    if (std::exchange(result_clears_irq_, false)) set_irq(false);
    if (result_.empty()) phase_ = Phase::command;
}

void Fdc::write_fifo(u8 value) {
    const u8 status = main_status();
    if ((status & (msr_rqm | msr_dio)) != msr_rqm) return;
    if (phase_ == Phase::execution) {
        buffer_[position_++] = value;
        set_irq(false);
        if (position_ == buffer_.size()) {
            host_finished();
        } else {
            set_irq(true);
        }
        return;
    }
    command_.push_back(value);
    const Command* known = find_command(command_[0]);
    if (command_.size() >= (known ? known->parameters + 1u : 1u)) start_command();
}

void Fdc::fire() {
    switch (std::exchange(stage_, Stage::idle)) {
    case Stage::resetting: // polling finds all four units' ready lines changed (data sheet, "Drive polling")
        for (u8 i = 0; i < 4; ++i) pending_[i] = static_cast<u8>(0xC0 | i);
        pending_mask_ = reset_mask_ = 0x0F;
        set_irq(true);
        break;
    case Stage::implied_seek: begin_sector(); break;
    case Stage::sector: sector_passes(); break;
    case Stage::failing: finish(false); break;
    case Stage::identify: identify(); break;
    case Stage::formatting: format_sectors(); break;
    case Stage::host_reads:
    case Stage::host_writes: // the host was slower than the disk
        st1_ |= 0x10;
        finish(false);
        break;
    case Stage::idle: break;
    }
}

void Fdc::persist(Archive& archive) {
    archive.chunk("fdc", 1, [&](u32) {
        archive(dor_, tdr_, dsr_, irq_level_, phase_, stage_, operation_, command_, result_, result_clears_irq_,
                specify_, pcn_, pending_, pending_mask_, reset_mask_, seeking_, seek_target_, seek_st0_, configure_,
                pretrack_, perpendicular_, last_eot_, locked_);
        archive(unit_, head_, c_, h_, r_, n_, eot_, dtl_, st0_, st1_, st2_, track_sector_, sectors_left_, last_);
        archive.bounded(buffer_, largest_buffer);
        archive(position_);
        archive.require(phase_ <= Phase::result && stage_ <= Stage::formatting && operation_ <= Operation::format,
                        "the floppy controller is in a phase that does not exist");
        archive.require(seeking_ < 16 && pending_mask_ < 16 && reset_mask_ < 16,
                        "the floppy controller knows of a fifth drive");
        archive.require(unit_ < 4 && head_ < 2 && command_.size() <= 9 && result_.size() <= 10,
                        "the floppy controller's command is malformed");
        archive.require(phase_ != Phase::result || !result_.empty(), "the floppy controller has no result to give");
        const bool host = stage_ == Stage::host_reads || stage_ == Stage::host_writes;
        archive.require(!host || position_ < buffer_.size(), "the floppy controller's buffer is used up");
        for (FloppyDrive& d : drives_) d.persist(archive);
        const bool busy = stage_ != Stage::idle && stage_ != Stage::resetting && stage_ != Stage::failing;
        const Command* command = command_.empty() ? nullptr : find_command(command_[0]);
        archive.require(!busy || (unit_ < drive_count && phase_ == Phase::execution && command &&
                                  command_.size() == command->parameters + 1u),
                        "the floppy controller executes no command");
        if (archive.loading()) set_irq(irq_level_);
    });
}

} // namespace glassbox
