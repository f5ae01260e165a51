// ATAPI CD-ROM: the ATA side and the PACKET protocol.
#include "devices/ide/atapi_cdrom.hpp"

#include "devices/ide/cd_sector.hpp"

#include <utility>

namespace glassbox::ide {

namespace {
constexpr u32 chunk_sectors = 16; ///< of a read, moved by one access to the image
// Interrupt reason, in the sector count register.
constexpr u8 reason_command = 1, reason_to_host = 2;

/// Bytes of a sector that READ CD sends for these parts (MMC-3 table 256, mode 1).
u32 part_bytes(u8 parts) {
    u32 bytes = 0;
    if (parts & 0x80) bytes += 12;
    if (parts & 0x20) bytes += 4;
    if (parts & 0x10) bytes += 2048;
    if (parts & 0x08) bytes += 288;
    if (parts & 0x06) bytes += (parts & 0x06) == 2 ? 294 : 296;
    return bytes;
}
} // namespace

AtapiCdrom::AtapiCdrom(Scheduler& scheduler, std::string name, unsigned unit, DriveLink& link,
                       std::unique_ptr<Image> medium)
    : Drive(scheduler, std::move(name), unit, link), medium_(std::move(medium)) {
    AtapiCdrom::power_on_reset();
}

void AtapiCdrom::power_on_reset() {
    Drive::power_on_reset();
    locked_ = tray_open_ = false;
    change_ = Change::none;
    event_to_report_ = MediaEvent::none;
    sense_ = sense::none;
    error_page_ = {};
    audio_page_ = {4, 0, 0, 0, 0, 75, 1, 0xFF, 2, 0xFF, 0, 0, 0, 0};
    inactivity_ = 0;
}

void AtapiCdrom::reset_protocol() {
    transfer_ = Transfer::none;
    remaining_ = 0;
}

void AtapiCdrom::put_signature() {
    regs.sector_count = regs.lba_low = {1, 0};
    regs.lba_mid = {0x14, 0};
    regs.lba_high = {0xEB, 0};
    regs.device &= 0x10; // DEVICE RESET keeps the selection
}

Expected<> AtapiCdrom::check_medium(const Image* medium) {
    if (!medium || (medium->size() >= 2048 && medium->size() / 2048 < 0xFFFF'FFFF)) return {};
    return glassbox::fail("'" + medium->path() + "' is no image of a CD: it has " + std::to_string(medium->size()) +
                          " bytes");
}

Expected<> AtapiCdrom::set_medium(std::unique_ptr<Image> medium) {
    if (auto r = check_medium(medium.get()); !r) return r;
    if (locked_ && medium_ && !tray_open_) {
        event_to_report_ = MediaEvent::eject_request;
        return glassbox::fail("the guest has locked the tray of the CD drive; eject the disc in the guest first");
    }
    const bool had = medium_ != nullptr;
    medium_ = std::move(medium);
    tray_open_ = false;
    if (transfer_ == Transfer::sectors && remaining_ != 0) transfer_ = Transfer::lost;
    lba_ = remaining_ = 0;
    // A driver that polls sees the drive empty before the new disc, as when a hand changes it.
    change_ = medium_ ? (had ? Change::removed : Change::inserted) : Change::none;
    event_to_report_ = medium_ ? MediaEvent::new_media : had ? MediaEvent::removal : MediaEvent::none;
    return {};
}

void AtapiCdrom::execute() {
    transfer_ = Transfer::none;
    switch (command_) {
    case 0x08: // DEVICE RESET
        reset_protocol();
        put_signature();
        regs.error = 1;
        phase_ = Phase::idle;
        regs.status = reset_status();
        return;
    case 0xA0: return start_packet();
    case 0xA1: return identify();
    case 0xEF: return set_features();
    case 0xE0:
    case 0xE1:
    case 0xE2:
    case 0xE3:
    case 0xE6: return complete(); // power modes without effect
    case 0xE5: regs.sector_count.now = 0xFF; return complete();
    case 0x20:
    case 0x21:
    case 0x24:
    case 0xEC: // a driver for disks learns here that this is none
        put_signature();
        return fail(error::abrt);
    default: return fail(error::abrt);
    }
}

void AtapiCdrom::set_features() {
    switch (regs.features.now) {
    case 0x03: return set_transfer_mode() ? complete() : fail(error::abrt);
    case 0x66:
    case 0xCC: return complete();
    default: return fail(error::abrt);
    }
}

void AtapiCdrom::identify() {
    std::array<u16, 256> w{};
    w[0] = 0x85C0; // packet device, CD-ROM, removable, DRQ without interrupt for packets of 12 bytes
    put_text(w, 10, 10, "GB000000-" + name());
    put_text(w, 23, 4, "1.0");
    put_text(w, 27, 20, "GLASSBOX CD-ROM");
    w[49] = 0x0F00; // IORDY (may be disabled), LBA, DMA
    w[50] = 0x4000;
    w[51] = w[52] = 0x0200;
    w[53] = 6;
    put_transfer_modes(w);
    w[80] = 0x007E;
    w[82] = w[85] = 0x4210; // NOP, DEVICE RESET, PACKET
    w[83] = w[84] = w[87] = 0x4000;
    send_words(w);
}

void AtapiCdrom::start_packet() {
    dma_ = (regs.features.now & 1) != 0;
    byte_limit_ = u32{regs.lba_mid.now} | u32{regs.lba_high.now} << 8;
    // 0 is what old drivers leave there; an odd limit cannot end a block that has a successor.
    byte_limit_ = byte_limit_ == 0 || byte_limit_ == 0xFFFF ? 0xFFFE : std::max(byte_limit_ & ~1u, 2u);
    transfer_ = Transfer::packet;
    buffer_.assign(12, 0);
    position_ = 0;
    regs.sector_count.now = reason_command;
    open_block(Phase::data_out, 12, false);
}

/// The host has filled the buffer: with a packet or with parameters.
void AtapiCdrom::block_written() {
    if (transfer_ == Transfer::packet) return run_packet();
    if (transfer_ == Transfer::parameters) return mode_parameters();
    next_block();
}

void AtapiCdrom::check(Sense why) {
    sense_ = why;
    transfer_ = Transfer::none;
    remaining_ = 0;
    regs.sector_count.now = reason_command | reason_to_host;
    fail(static_cast<u8>(why.key << 4 | (why.key == 5 ? error::abrt : 0)));
}

void AtapiCdrom::good() {
    transfer_ = Transfer::none;
    regs.sector_count.now = reason_command | reason_to_host;
    regs.error = 0;
    complete();
}

void AtapiCdrom::reply(u32 allocated) {
    if (buffer_.size() > allocated) buffer_.resize(allocated);
    if (buffer_.empty()) return good();
    transfer_ = Transfer::reply;
    begin_data();
}

void AtapiCdrom::begin_data() {
    position_ = 0;
    if (dma_) {
        regs.sector_count.now = reason_to_host;
        return request_dma(Phase::dma_in);
    }
    next_block();
}

/// Offers what the byte count limit allows of the buffer.
void AtapiCdrom::next_block() {
    const u32 bytes = std::min(byte_limit_, static_cast<u32>(buffer_.size()) - position_);
    if (bytes == 0) return good();
    regs.sector_count.now = reason_to_host;
    regs.lba_mid.now = static_cast<u8>(bytes);
    regs.lba_high.now = static_cast<u8>(bytes >> 8);
    open_block(Phase::data_in, bytes, true);
}

void AtapiCdrom::block_read() {
    if (transfer_ == Transfer::none) { // identify data
        complete(false);
        return;
    }
    if (position_ == buffer_.size()) {
        if (transfer_ == Transfer::lost) return check(sense::read_error);
        if (transfer_ != Transfer::sectors || remaining_ == 0) {
            buffer_.clear();
            position_ = block_end_ = 0;
        } else if (!fill()) {
            return;
        }
    }
    become_busy(Stage::block_done, block_time); // then the next block or the final status
}

void AtapiCdrom::dma_moved() {
    if (transfer_ == Transfer::sectors && remaining_ != 0) {
        if (fill()) block_end_ = static_cast<u32>(buffer_.size());
        return;
    }
    if (transfer_ == Transfer::parameters) return mode_parameters();
    if (transfer_ == Transfer::lost) return check(sense::read_error);
    good();
}

void AtapiCdrom::read(u32 lba, u32 count, u8 parts) {
    if (lba > disc_sectors() || count > disc_sectors() - lba) return check(sense::out_of_range);
    lba_ = lba;
    remaining_ = count;
    parts_ = parts;
    if (count == 0 || part_bytes(parts) == 0) {
        remaining_ = 0;
        return good();
    }
    transfer_ = Transfer::sectors;
    if (fill()) begin_data();
}

/// Reads the next sectors into the buffer; false if the command has failed.
bool AtapiCdrom::fill() {
    position_ = block_end_ = 0;
    const u32 count = std::min(remaining_, chunk_sectors), size = part_bytes(parts_);
    std::vector<u8> data(count * 2048);
    const u64 start = u64{lba_} * 2048;
    const u64 there = medium_ && start < medium_->size() ? medium_->size() - start : 0;
    const std::size_t inside = static_cast<std::size_t>(std::min<u64>(data.size(), there));
    auto result = inside ? medium_->read(start, std::span(data).first(inside)) : glassbox::fail("there is no disc");
    if (!result) {
        host_error_ = result.error().message;
        check(sense::read_error);
        return false;
    }
    if (parts_ == 0x10) {
        buffer_ = std::move(data);
    } else {
        buffer_.assign(count * size, 0);
        std::array<u8, 2352> sector{};
        auto out = buffer_.begin();
        for (u32 i = 0; i < count; ++i) {
            std::copy_n(data.begin() + i * 2048, 2048, sector.begin() + 16);
            complete_mode1_sector(lba_ + i, sector);
            const auto next = out + size; // error flags, the last part, are zero
            if (parts_ & 0x80) out = std::copy_n(sector.begin(), 12, out);
            if (parts_ & 0x20) out = std::copy_n(sector.begin() + 12, 4, out);
            if (parts_ & 0x10) out = std::copy_n(sector.begin() + 16, 2048, out);
            if (parts_ & 0x08) std::copy_n(sector.begin() + 2064, 288, out);
            out = next;
        }
    }
    lba_ += count;
    remaining_ -= count;
    return true;
}

void AtapiCdrom::persist(Archive& archive) {
    archive.chunk("atapi cd-rom " + name(), 1, [&](u32) {
        persist_drive(archive);
        bool disc = medium_ != nullptr;
        archive(disc, tray_open_, locked_, change_, event_to_report_, sense_, packet_, transfer_, dma_, byte_limit_,
                lba_, remaining_, parts_, error_page_, audio_page_, inactivity_);
        archive.require(disc == (medium_ != nullptr), "the CD drive needs the disc that was in it, or none");
        archive.require(change_ <= Change::inserted && event_to_report_ <= MediaEvent::removal &&
                            transfer_ <= Transfer::lost,
                        "a CD drive is in a mode that does not exist");
        archive.require(byte_limit_ <= 0xFFFE, "a CD drive's byte count limit is out of range");
        archive.require(remaining_ == 0 || (byte_limit_ >= 2 && part_bytes(parts_) != 0),
                        "a CD drive's transfer moves nothing");
        archive.require(lba_ <= disc_sectors() && remaining_ <= disc_sectors() - lba_, "a CD read is out of range");
        const bool running = phase_ == Phase::busy && stage_ == Stage::block_done;
        archive.require(transfer_ != Transfer::packet || phase_ == Phase::idle || !running || buffer_.size() >= 12,
                        "a CD drive's packet is too short");
        archive.require(phase_ != Phase::dma_out || transfer_ == Transfer::parameters, "a CD drive cannot be written");
    });
    if (!archive.ok()) return power_on_reset(); // refused: a state that is safe
    if (medium_) medium_->persist(archive);
}

} // namespace glassbox::ide
