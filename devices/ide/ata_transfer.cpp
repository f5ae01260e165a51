// ATA disk: addresses, and the commands that move sectors.
#include "devices/ide/ata_disk.hpp"

namespace glassbox::ide {

namespace {
constexpr u32 chunk_sectors = 128; ///< moved by one access to the image
}

bool AtaDisk::execute_transfer() {
    switch (command_) {
    case 0x20:
    case 0x21: read_sectors(false, 1); return true;
    case 0x24: read_sectors(true, 1); return true;
    case 0xC4: read_sectors(false, multiple_); return true;
    case 0x29: read_sectors(true, multiple_); return true;
    case 0x30:
    case 0x31:
    case 0x3C: write_sectors(false, 1); return true; // 3Ch: WRITE VERIFY
    case 0x34: write_sectors(true, 1); return true;
    case 0xC5: write_sectors(false, multiple_); return true;
    case 0x39: write_sectors(true, multiple_); return true;
    case 0xC8:
    case 0xC9: start_dma(false, true); return true;
    case 0x25: start_dma(true, true); return true;
    case 0xCA:
    case 0xCB: start_dma(false, false); return true;
    case 0x35: start_dma(true, false); return true;
    case 0x40:
    case 0x41: verify(false); return true;
    case 0x42: verify(true); return true;
    case 0xE4: // READ BUFFER
        kind_ = Kind::buffer;
        buffer_.assign(sector_buffer_.begin(), sector_buffer_.end());
        position_ = 0;
        open_block(Phase::data_in, 512, true);
        return true;
    case 0xE8: // WRITE BUFFER
        kind_ = Kind::buffer;
        buffer_.assign(512, 0);
        position_ = 0;
        open_block(Phase::data_out, 512, false);
        return true;
    default: return false;
    }
}

/// Takes the address and count from the registers; false, and the command has failed, if they are not on the disk.
bool AtaDisk::address(bool ext) {
    ext_ = ext;
    power_ = Power::active;
    if (ext) {
        lba_ = u64{regs.lba_low.now} | u64{regs.lba_mid.now} << 8 | u64{regs.lba_high.now} << 16 |
               u64{regs.lba_low.before} << 24 | u64{regs.lba_mid.before} << 32 | u64{regs.lba_high.before} << 40;
        remaining_ = regs.sector_count.both() ? regs.sector_count.both() : 65536;
    } else {
        remaining_ = regs.sector_count.now ? regs.sector_count.now : 256;
        const u32 low = regs.lba_low.now, head = regs.device & 15;
        const u32 middle = u32{regs.lba_mid.now} | u32{regs.lba_high.now} << 8;
        if (regs.device & 0x40) {
            lba_ = low | middle << 8 | head << 24;
        } else if (low == 0 || low > current_sectors_ || head >= current_heads_) {
            lba_ = total_;
        } else {
            lba_ = (u64{middle} * current_heads_ + head) * current_sectors_ + low - 1;
        }
    }
    if (lba_ < total_ && remaining_ <= total_ - lba_) return true;
    remaining_ = 0;
    lba_ = 0;
    fail(error::idnf); // the registers name the address still
    return false;
}

/// Puts an address where the host finds the place of an error or the end of the transfer.
void AtaDisk::show_address(u64 lba) {
    if (ext_) {
        regs.lba_low = {static_cast<u8>(lba), static_cast<u8>(lba >> 24)};
        regs.lba_mid = {static_cast<u8>(lba >> 8), static_cast<u8>(lba >> 32)};
        regs.lba_high = {static_cast<u8>(lba >> 16), static_cast<u8>(lba >> 40)};
        return;
    }
    if ((regs.device & 0x40) == 0) {
        const u64 track = lba / current_sectors_, cylinder = track / current_heads_;
        regs.device = static_cast<u8>((regs.device & 0xF0) | track % current_heads_);
        regs.lba_low.now = static_cast<u8>(lba % current_sectors_ + 1);
        regs.lba_mid.now = static_cast<u8>(cylinder);
        regs.lba_high.now = static_cast<u8>(cylinder >> 8);
        return;
    }
    regs.device = static_cast<u8>((regs.device & 0xF0) | (lba >> 24 & 15));
    regs.lba_low.now = static_cast<u8>(lba);
    regs.lba_mid.now = static_cast<u8>(lba >> 8);
    regs.lba_high.now = static_cast<u8>(lba >> 16);
}

void AtaDisk::fail_at(u64 lba, u8 error_bits, u8 extra_status) {
    show_address(lba);
    regs.sector_count.before = static_cast<u8>(remaining_ >> 8);
    regs.sector_count.now = static_cast<u8>(remaining_);
    remaining_ = 0;
    fail(error_bits, extra_status);
}

u32 AtaDisk::next_chunk() const { return std::min(remaining_, chunk_sectors); }

/// Reads the next sectors into the buffer; false if the command has failed.
bool AtaDisk::fill() {
    position_ = block_end_ = 0;
    buffer_.resize(next_chunk() * 512);
    auto result = image_->read(lba_ * 512, buffer_);
    if (!result && buffer_.size() > block_sectors_ * 512) { // the sectors before the bad one are good
        buffer_.resize(std::min(remaining_, block_sectors_) * 512);
        result = image_->read(lba_ * 512, buffer_);
    }
    if (!result) {
        host_error_ = result.error().message;
        fail_at(lba_, error::unc);
        return false;
    }
    const u32 n = static_cast<u32>(buffer_.size() / 512);
    lba_ += n;
    remaining_ -= n;
    return true;
}

/// Writes the buffer's first `block_end_` bytes; false if the command has failed.
bool AtaDisk::store() {
    if (auto r = image_->write(lba_ * 512, std::span(buffer_).first(block_end_)); !r) {
        host_error_ = r.error().message;
        fail_at(lba_, error::abrt, image_->read_only() ? u8{0} : status::df);
        return false;
    }
    if (!write_behind_.pending()) write_behind_.after(write_behind_time);
    lba_ += block_end_ / 512;
    remaining_ -= block_end_ / 512;
    return true;
}

void AtaDisk::finish_transfer() {
    if (kind_ == Kind::write && !write_cache_ && !flush_image()) return fail(error::abrt, status::df);
    show_address(lba_ - 1);
    regs.sector_count = {0, 0};
    complete(phase_ != Phase::data_in); // PIO data to the host has been announced by its own interrupt
}

void AtaDisk::read_sectors(bool ext, u32 block) {
    if (block == 0) return fail(error::abrt);
    if (!address(ext)) return;
    kind_ = Kind::read;
    block_sectors_ = block;
    if (fill()) open_read_block();
}

void AtaDisk::open_read_block() {
    const u32 left = static_cast<u32>(buffer_.size()) - position_;
    open_block(Phase::data_in, std::min(left, block_sectors_ * 512), true);
}

void AtaDisk::block_read() {
    if (kind_ != Kind::read) return complete(false);
    if (position_ == buffer_.size() && remaining_ == 0) return finish_transfer();
    become_busy(Stage::block_done, block_time);
}

void AtaDisk::write_sectors(bool ext, u32 block) {
    if (block == 0) return fail(error::abrt);
    if (!address(ext)) return;
    kind_ = Kind::write;
    block_sectors_ = block;
    open_write_block(false);
}

void AtaDisk::open_write_block(bool interrupt) {
    const u32 bytes = std::min(remaining_, block_sectors_) * 512;
    buffer_.resize(bytes);
    position_ = 0;
    open_block(Phase::data_out, bytes, interrupt);
}

/// The pause after a block is over, in either direction.
void AtaDisk::block_written() {
    switch (kind_) {
    case Kind::read:
        if (position_ == buffer_.size() && !fill()) return;
        return open_read_block();
    case Kind::write:
        if (!store()) return;
        return remaining_ ? open_write_block(true) : finish_transfer();
    case Kind::buffer: std::copy_n(buffer_.begin(), 512, sector_buffer_.begin()); return complete();
    case Kind::smart_log: std::copy_n(buffer_.begin(), 512, smart_log_.begin()); return complete();
    case Kind::none: return complete();
    }
}

void AtaDisk::start_dma(bool ext, bool to_host) {
    if (!address(ext)) return;
    kind_ = to_host ? Kind::read : Kind::write;
    block_sectors_ = 1;
    if (to_host) {
        if (fill()) request_dma(Phase::dma_in);
        return;
    }
    buffer_.resize(next_chunk() * 512);
    request_dma(Phase::dma_out);
}

void AtaDisk::dma_moved() {
    if (kind_ == Kind::read) {
        if (remaining_ == 0) return finish_transfer();
        if (fill()) block_end_ = static_cast<u32>(buffer_.size());
        return;
    }
    if (!store()) return;
    if (remaining_ == 0) return finish_transfer();
    buffer_.resize(next_chunk() * 512);
    block_end_ = static_cast<u32>(buffer_.size());
    position_ = 0;
}

void AtaDisk::verify(bool ext) {
    if (!address(ext)) return;
    kind_ = Kind::read;
    block_sectors_ = 1;
    while (remaining_) {
        if (!fill()) return;
    }
    finish_transfer();
}

} // namespace glassbox::ide
