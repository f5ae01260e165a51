// The execution phase of the data transfer commands, sector by sector (82077AA data sheet, 5.1 "Data transfer
// commands" and the tables of results by MT, HD and EOT), and the result phase.
#include "devices/fdc/fdc.hpp"

#include <algorithm>

namespace glassbox {

namespace {
constexpr u8 st1_missing_mark = 0x01, st1_not_writable = 0x02, st1_no_data = 0x04, st1_overrun = 0x10;
constexpr u8 st1_data_error = 0x20, st1_end_of_cylinder = 0x80;
constexpr u8 st2_scan_not_satisfied = 0x04, st2_scan_hit = 0x08, st2_wrong_cylinder = 0x10, st2_data_error = 0x20;
constexpr u8 st2_control_mark = 0x40;
constexpr u8 size_code = 2; // 512 bytes
} // namespace

/// A disk turns under the head, was written at this data rate, in MFM, and has this side and cylinder.
bool Fdc::readable_media() const {
    const FloppyDrive* d = selected();
    if (!d || !d->geometry() || (dor_ & (0x10 << unit_)) == 0 || (command_[0] & 0x40) == 0) return false;
    const FloppyGeometry& g = *d->geometry();
    return (g.rates >> (dsr_ & 3) & 1) != 0 && head_ < g.heads && d->cylinder() < g.cylinders;
}

/// Looks for the sector's ID. If the search fails, the command will; `any_id`: READ TRACK takes what comes.
bool Fdc::locate(bool any_id) {
    if (!readable_media()) {
        fail_later(st1_missing_mark, 0);
        return false;
    }
    const FloppyDrive& d = *selected();
    const u8 physical = any_id ? track_sector_ : r_;
    const bool wrong_cylinder = c_ != d.cylinder();
    const bool matches = !wrong_cylinder && h_ == head_ && n_ == size_code && r_ >= 1 && r_ <= d.geometry()->sectors;
    if (any_id) {
        if (!matches) st1_ |= st1_no_data;
        if (physical <= d.geometry()->sectors) return true;
        fail_later(st1_missing_mark, 0);
        return false;
    }
    if (!matches) fail_later(st1_no_data, wrong_cylinder ? st2_wrong_cylinder : 0);
    return matches;
}

void Fdc::fail_later(u8 st1, u8 st2) {
    st1_ |= st1;
    st2_ |= st2;
    stage_ = Stage::failing;
    event_.after(2 * rotation()); // the search ends at the second index pulse
}

void Fdc::begin_sector() {
    const FloppyDrive* d = selected();
    if (writing() && d && d->write_protected()) {
        st1_ |= st1_not_writable;
        finish(false);
        return;
    }
    const bool any_id = operation_ == Operation::read_track;
    if (!locate(any_id)) return;
    if ((writing() || scanning()) && !dma_mode()) {
        buffer_.assign(FloppyDrive::sector_bytes, 0);
        position_ = 0;
        stage_ = Stage::host_writes;
        event_.after(second / 50); // the host's patience is measured by the real disk: a sector takes 8 ms and more
        set_irq(true);
        return;
    }
    stage_ = Stage::sector;
    event_.at(sector_end(any_id ? track_sector_ : r_));
}

void Fdc::sector_passes() {
    if (!readable_media()) { // the disk was taken out, or the motor stopped
        st1_ |= st1_missing_mark;
        finish(false);
    } else if (writing()) {
        write_sector();
    } else if (scanning()) {
        scan_sector();
    } else {
        read_sector();
    }
}

void Fdc::read_sector() {
    FloppyDrive& d = *selected();
    const u8 sector = operation_ == Operation::read_track ? track_sector_ : r_;
    if (sector < 1 || sector > d.geometry()->sectors) { // a smaller disk was put in meanwhile
        fail_later(st1_no_data, 0);
        return;
    }
    const bool wants_deleted = operation_ == Operation::read_deleted;
    if (operation_ != Operation::read_track && d.deleted(head_, sector) != wants_deleted) {
        st2_ |= st2_control_mark;
        if ((command_[0] & 0x20) != 0) { // SK: passed over
            sector_done(false);
            return;
        }
        last_ = true;
    }
    buffer_.assign(FloppyDrive::sector_bytes, 0);
    position_ = 0;
    if (!d.read(head_, sector, buffer_)) {
        st1_ |= st1_data_error;
        st2_ |= st2_data_error;
        finish(false);
        return;
    }
    deliver_to_host();
}

void Fdc::deliver_to_host() {
    if (operation_ == Operation::verify) {
        sector_done(false);
        return;
    }
    if (!dma_mode()) {
        stage_ = Stage::host_reads;
        event_.after(second / 50);
        set_irq(true);
        return;
    }
    const DmaResult moved = dma_.to_memory(dma_channel, buffer_);
    if (moved.count < buffer_.size() && !moved.terminal_count) {
        st1_ |= st1_overrun;
        finish(false);
        return;
    }
    sector_done(moved.terminal_count);
}

/// The host has moved the buffer's last byte without DMA.
void Fdc::host_finished() {
    event_.cancel();
    if (stage_ == Stage::host_reads) {
        stage_ = Stage::idle;
        sector_done(false);
    } else if (operation_ == Operation::format) {
        stage_ = Stage::formatting;
        event_.after(rotation());
    } else {
        stage_ = Stage::sector;
        event_.at(sector_end(std::clamp<unsigned>(r_, 1, 255)));
    }
}

void Fdc::write_sector() {
    bool terminal_count = false;
    if (dma_mode()) {
        buffer_.assign(FloppyDrive::sector_bytes, 0); // what a terminal count cuts off is written as zeroes
        const DmaResult moved = dma_.from_memory(dma_channel, buffer_);
        terminal_count = moved.terminal_count;
        if (moved.count < buffer_.size() && !terminal_count) {
            st1_ |= st1_overrun;
            finish(false);
            return;
        }
    }
    FloppyDrive& d = *selected();
    if (r_ < 1 || r_ > d.geometry()->sectors) {
        fail_later(st1_no_data, 0);
        return;
    }
    if (d.write_protected()) {
        st1_ |= st1_not_writable;
        finish(false);
        return;
    }
    buffer_.resize(FloppyDrive::sector_bytes);
    if (!d.write(head_, r_, buffer_, operation_ == Operation::write_deleted)) {
        st1_ |= st1_data_error;
        finish(false);
        return;
    }
    sector_done(terminal_count);
}

void Fdc::scan_sector() {
    bool terminal_count = false;
    FloppyDrive& d = *selected();
    if (dma_mode()) {
        buffer_.assign(FloppyDrive::sector_bytes, 0xFF);
        const DmaResult moved = dma_.from_memory(dma_channel, buffer_);
        terminal_count = moved.terminal_count;
        if (moved.count < buffer_.size() && !terminal_count) {
            st1_ |= st1_overrun;
            finish(false);
            return;
        }
    }
    buffer_.resize(FloppyDrive::sector_bytes);
    std::array<u8, FloppyDrive::sector_bytes> disk{};
    if (r_ < 1 || r_ > d.geometry()->sectors || !d.read(head_, r_, disk)) {
        st1_ |= st1_data_error;
        st2_ |= st2_data_error;
        finish(false);
        return;
    }
    bool equal = true, low = true, high = true;
    for (unsigned i = 0; i < disk.size(); ++i) {
        if (disk[i] == 0xFF || buffer_[i] == 0xFF) continue; // FFh from either side meets every condition
        equal &= disk[i] == buffer_[i];
        low &= disk[i] <= buffer_[i];
        high &= disk[i] >= buffer_[i];
    }
    const bool met =
        equal || (operation_ == Operation::scan_low && low) || (operation_ == Operation::scan_high && high);
    st2_ = static_cast<u8>((st2_ & ~(st2_scan_hit | st2_scan_not_satisfied)) | (equal ? st2_scan_hit
                                                                                : met ? 0
                                                                                      : st2_scan_not_satisfied));
    last_ = met;
    sector_done(terminal_count);
}

/// The next sector's ID after the one just done. True at the end of the cylinder (data sheet, table of result values).
bool Fdc::advance() {
    const bool multi_track = (command_[0] & 0x80) != 0;
    if (operation_ == Operation::read_track) {
        const bool end = track_sector_ == eot_;
        ++track_sector_;
        r_ = end ? 1 : static_cast<u8>(r_ + 1);
        if (end) ++c_;
        return end;
    }
    const unsigned step = scanning() && dtl_ == 2 ? 2 : 1;
    const bool end_of_track = r_ == eot_ || (step == 2 && r_ + 1 == eot_);
    if (!end_of_track) {
        r_ = static_cast<u8>(r_ + step);
        return false;
    }
    r_ = 1;
    if (multi_track) {
        h_ ^= 1;
        if (head_ == 0) {
            head_ = 1;
            return false;
        }
    }
    ++c_;
    return true;
}

void Fdc::sector_done(bool terminal_count) {
    const u8 head = head_;
    if (last_ && operation_ == Operation::read_deleted) { // a normal mark: the address stays (data sheet, table 5-5)
        finish(true);
        return;
    }
    const bool end = advance();
    if (terminal_count || last_) {
        head_ = head; // ST0 tells the head of the last sector
        finish(true);
        return;
    }
    if (operation_ == Operation::verify) {
        const bool counted = (command_[1] & 0x80) != 0;
        if ((counted && --sectors_left_ == 0) || (!counted && end)) {
            head_ = head;
            finish(true);
            return;
        }
    }
    if (end) {
        // Scans end here as a matter of course; a transfer's host should have sent terminal count.
        if (!scanning()) st1_ |= st1_end_of_cylinder;
        finish(scanning());
        return;
    }
    begin_sector();
}

void Fdc::identify() {
    if (!readable_media()) {
        st1_ |= st1_missing_mark;
        finish(false);
        return;
    }
    c_ = selected()->cylinder();
    h_ = head_;
    n_ = size_code;
    finish(true);
}

void Fdc::format_sectors() {
    if (!readable_media() || selected()->write_protected()) {
        st1_ |= selected() && selected()->write_protected() ? st1_not_writable : st1_missing_mark;
        finish(false);
        return;
    }
    std::size_t bytes = buffer_.size();
    if (dma_mode() && bytes > 0) {
        const DmaResult moved = dma_.from_memory(dma_channel, buffer_);
        bytes = std::min(moved.count, bytes);
        if (bytes < buffer_.size() && !moved.terminal_count) {
            st1_ |= st1_overrun;
            finish(false);
            return;
        }
    }
    FloppyDrive& d = *selected();
    std::array<u8, FloppyDrive::sector_bytes> filler{};
    filler.fill(command_.size() > 5 ? command_[5] : u8{0xF6});
    for (std::size_t i = 0; i + 4 <= bytes; i += 4) {
        c_ = buffer_[i], h_ = buffer_[i + 1], r_ = buffer_[i + 2], n_ = buffer_[i + 3];
        const bool possible =
            c_ == d.cylinder() && h_ == head_ && n_ == size_code && r_ >= 1 && r_ <= d.geometry()->sectors;
        if (!possible || !d.write(head_, r_, filler, false)) {
            st1_ |= possible ? st1_data_error : st1_no_data;
            finish(false);
            return;
        }
    }
    finish(true);
}

/// Enters the result phase.
void Fdc::finish(bool normal) {
    event_.cancel();
    stage_ = Stage::idle;
    st0_ = static_cast<u8>((st0_ & 0x20) | (normal ? 0 : 0x40) | head_ << 2 | unit_);
    respond({st0_, st1_, st2_, c_, h_, r_, n_});
    operation_ = Operation::none;
    buffer_.clear();
    position_ = 0;
    result_clears_irq_ = true;
    set_irq(true);
}

} // namespace glassbox
