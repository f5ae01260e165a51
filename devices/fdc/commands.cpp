// The command set (82077AA data sheet, chapter 5, table 5-1).
#include "devices/fdc/fdc.hpp"

#include <algorithm>
#include <cstdlib>

namespace glassbox {

const Fdc::Command* Fdc::find_command(u8 code) {
    static constexpr u8 mt = 0x80, mfm = 0x40, sk = 0x20;
    static constexpr std::array<Command, 22> commands = {{
        {0x02, mfm, 8, &Fdc::transfer_command},           // READ TRACK
        {0x03, 0, 2, &Fdc::specify},                      //
        {0x04, 0, 1, &Fdc::sense_drive},                  //
        {0x05, mt | mfm, 8, &Fdc::transfer_command},      // WRITE DATA
        {0x06, mt | mfm | sk, 8, &Fdc::transfer_command}, // READ DATA
        {0x07, 0, 1, &Fdc::recalibrate},                  //
        {0x08, 0, 0, &Fdc::sense_interrupt},              //
        {0x09, mt | mfm, 8, &Fdc::transfer_command},      // WRITE DELETED DATA
        {0x0A, mfm, 1, &Fdc::read_id},                    //
        {0x0C, mt | mfm | sk, 8, &Fdc::transfer_command}, // READ DELETED DATA
        {0x0D, mfm, 5, &Fdc::format_track},               //
        {0x0E, 0, 0, &Fdc::dump_registers},               //
        {0x0F, 0, 2, &Fdc::seek},                         //
        {0x8F, 0x40, 2, &Fdc::seek},                      // RELATIVE SEEK, 40h: inwards
        {0x10, 0, 0, &Fdc::version},                      //
        {0x11, mt | mfm | sk, 8, &Fdc::transfer_command}, // SCAN EQUAL
        {0x12, 0, 1, &Fdc::perpendicular},                //
        {0x13, 0, 3, &Fdc::configure},                    //
        {0x14, 0x80, 0, &Fdc::lock},                      //
        {0x16, mt | mfm | sk, 8, &Fdc::transfer_command}, // VERIFY
        {0x19, mt | mfm | sk, 8, &Fdc::transfer_command}, // SCAN LOW OR EQUAL
        {0x1D, mt | mfm | sk, 8, &Fdc::transfer_command}, // SCAN HIGH OR EQUAL
    }};
    for (const Command& c : commands) {
        if ((code & ~c.flags) == c.code) return &c;
    }
    return nullptr;
}

void Fdc::start_command() {
    phase_ = Phase::execution;
    const Command* command = find_command(command_[0]);
    if (command) {
        (this->*command->execute)();
    } else {
        invalid();
    }
}

/// Ends a command that has no execution phase: with result bytes or, if there are none, at once.
void Fdc::respond(std::initializer_list<u8> bytes) {
    result_.assign(bytes.begin(), bytes.end());
    command_.clear();
    phase_ = result_.empty() ? Phase::command : Phase::result;
}

void Fdc::invalid() { respond({0x80}); }
void Fdc::version() { respond({0x90}); }

void Fdc::specify() {
    specify_ = {command_[1], command_[2]};
    respond({});
}

void Fdc::sense_drive() {
    const u8 unit = command_[1] & 3;
    const FloppyDrive* d = drive(unit);
    u8 st3 = static_cast<u8>(0x28 | (command_[1] & 7)); // ready and two-sided read as ones
    if (d && d->attached()) {
        if (d->write_protected()) st3 |= 0x40;
        if (d->cylinder() == 0) st3 |= 0x10;
    }
    respond({st3});
}

void Fdc::sense_interrupt() {
    if (pending_mask_ == 0) {
        invalid();
        return;
    }
    unsigned unit = 0;
    while ((pending_mask_ >> unit & 1) == 0) ++unit;
    const auto bit = static_cast<u8>(1u << unit);
    pending_mask_ &= static_cast<u8>(~bit);
    reset_mask_ &= static_cast<u8>(~bit);
    respond({pending_[unit], pcn_[unit]});
    set_irq(false);
    // Four units share the reset's interrupt; a seek that ended meanwhile has its own.
    if ((pending_mask_ & ~reset_mask_) != 0) set_irq(true);
}

void Fdc::start_seek(unsigned unit, unsigned steps, u8 st0) {
    seek_st0_[unit] = st0;
    seeking_ |= static_cast<u8>(1u << unit);
    seek_events_[unit].after(scaled(millisecond) + steps * step_time());
    respond({});
}

void Fdc::seek_done(unsigned unit) {
    const auto bit = static_cast<u8>(1u << unit);
    seeking_ &= static_cast<u8>(~bit);
    FloppyDrive* d = drive(unit);
    if (d && d->attached()) d->step_to(seek_target_[unit]);
    pending_[unit] = seek_st0_[unit];
    pending_mask_ |= bit;
    reset_mask_ &= static_cast<u8>(~bit);
    set_irq(true);
}

void Fdc::recalibrate() {
    constexpr unsigned most_steps = 79;
    const u8 unit = command_[1] & 3;
    const FloppyDrive* d = drive(unit);
    const bool there = d && d->attached();
    const unsigned from = there ? d->cylinder() : most_steps + 1;
    const bool reached = from <= most_steps;
    seek_target_[unit] = static_cast<u8>(reached ? 0 : from - most_steps);
    pcn_[unit] = 0;
    // Without a track 0 signal after 79 steps: equipment check, abnormal termination.
    start_seek(unit, std::min(from, most_steps), static_cast<u8>((reached ? 0x20 : 0x70) | unit));
}

void Fdc::seek() {
    const u8 unit = command_[1] & 3;
    const FloppyDrive* d = drive(unit);
    const int from = d ? d->cylinder() : pcn_[unit];
    int steps = command_[2] - pcn_[unit];
    if ((command_[0] & 0x80) != 0) steps = (command_[0] & 0x40) != 0 ? command_[2] : -int{command_[2]};
    pcn_[unit] = static_cast<u8>(pcn_[unit] + steps);
    seek_target_[unit] = static_cast<u8>(std::clamp<int>(from + steps, 0, FloppyDrive::last_cylinder));
    start_seek(unit, static_cast<unsigned>(std::abs(steps)), static_cast<u8>(0x20 | (command_[1] & 7)));
}

void Fdc::configure() {
    configure_ = command_[2] & 0x7F;
    pretrack_ = command_[3];
    respond({});
}

void Fdc::perpendicular() {
    const u8 value = command_[1];
    const u8 drives = (value & 0x80) != 0 ? value & 0x3C : perpendicular_ & 0x3C;
    perpendicular_ = static_cast<u8>(drives | (value & 3));
    respond({});
}

void Fdc::lock() {
    locked_ = (command_[0] & 0x80) != 0;
    respond({static_cast<u8>(locked_ ? 0x10 : 0x00)});
}

void Fdc::dump_registers() {
    respond({pcn_[0], pcn_[1], pcn_[2], pcn_[3], specify_[0], specify_[1], last_eot_,
             static_cast<u8>((locked_ ? 0x80 : 0) | perpendicular_), configure_, pretrack_});
}

void Fdc::read_id() {
    unit_ = command_[1] & 3;
    head_ = (command_[1] >> 2) & 1;
    st0_ = st1_ = st2_ = 0;
    operation_ = Operation::none;
    c_ = h_ = r_ = n_ = 0;
    if (!readable_media()) {
        fail_later(0x01, 0);
        return;
    }
    // The next ID that passes: its place follows from the time.
    const u64 sectors = selected()->geometry()->sectors;
    const Time slot = rotation() / sectors;
    r_ = static_cast<u8>(std::min<u64>(scheduler_.now() % rotation() / slot + 1, sectors) % sectors + 1);
    stage_ = Stage::identify;
    event_.after(slot);
}

void Fdc::format_track() {
    unit_ = command_[1] & 3;
    head_ = (command_[1] >> 2) & 1;
    st0_ = st1_ = st2_ = 0;
    c_ = h_ = r_ = 0;
    n_ = command_[2];
    last_eot_ = command_[3];
    operation_ = Operation::format;
    const FloppyDrive* d = selected();
    if (d && d->write_protected()) {
        st1_ = 0x02;
        finish(false);
        return;
    }
    if (!readable_media()) {
        fail_later(0x01, 0);
        return;
    }
    buffer_.assign(std::size_t{4} * command_[3], 0);
    position_ = 0;
    if (dma_mode() || buffer_.empty()) {
        stage_ = Stage::formatting;
        event_.after(rotation());
    } else {
        stage_ = Stage::host_writes;
        event_.after(second);
        set_irq(true);
    }
}

void Fdc::transfer_command() {
    switch (command_[0] & 0x1F) {
    case 0x02: operation_ = Operation::read_track; break;
    case 0x05: operation_ = Operation::write; break;
    case 0x06: operation_ = Operation::read; break;
    case 0x09: operation_ = Operation::write_deleted; break;
    case 0x0C: operation_ = Operation::read_deleted; break;
    case 0x11: operation_ = Operation::scan_equal; break;
    case 0x19: operation_ = Operation::scan_low; break;
    case 0x1D: operation_ = Operation::scan_high; break;
    default: operation_ = Operation::verify; break;
    }
    unit_ = command_[1] & 3;
    head_ = (command_[1] >> 2) & 1;
    c_ = command_[2], h_ = command_[3], r_ = command_[4], n_ = command_[5];
    eot_ = last_eot_ = command_[6];
    dtl_ = command_[8];
    sectors_left_ = dtl_;
    track_sector_ = 1;
    st0_ = st1_ = st2_ = 0;
    last_ = false;
    FloppyDrive* d = selected();
    const bool implied_seek = (configure_ & 0x40) != 0;
    if (implied_seek && d && d->attached() && c_ != pcn_[unit_]) {
        const unsigned target = static_cast<unsigned>(std::max(0, d->cylinder() + c_ - pcn_[unit_]));
        const Time steps = static_cast<Time>(std::abs(c_ - int{pcn_[unit_]}));
        d->step_to(target);
        pcn_[unit_] = c_;
        st0_ |= 0x20;
        stage_ = Stage::implied_seek;
        event_.after(steps * step_time());
        return;
    }
    begin_sector();
}

} // namespace glassbox
