// ATA disk: commands that move no sectors. Command codes: ATA/ATAPI-6 section 8, and ATA-3 for the retired ones.
#include "devices/ide/ata_disk.hpp"

#include <utility>

namespace glassbox::ide {

AtaDisk::AtaDisk(Scheduler& scheduler, std::string name, unsigned unit, DriveLink& link, std::unique_ptr<Image> image)
    : Drive(scheduler, std::move(name), unit, link), image_(std::move(image)),
      write_behind_(scheduler, this->name() + ".cache", [this] { (void)flush_image(); }), total_(image_->size() / 512) {
    cylinders_ = static_cast<u16>(std::clamp<u64>(total_ / (16 * 63), 1, 16383));
    AtaDisk::power_on_reset();
}

void AtaDisk::power_on_reset() {
    current_cylinders_ = cylinders_;
    current_heads_ = 16;
    current_sectors_ = 63;
    multiple_ = 16;
    write_cache_ = look_ahead_ = smart_enabled_ = true;
    sector_buffer_ = {};
    Drive::power_on_reset();
}

void AtaDisk::reset_protocol() {
    power_ = Power::active;
    kind_ = Kind::none;
    lba_ = remaining_ = 0;
    block_sectors_ = 1;
}

void AtaDisk::put_signature() {
    regs.sector_count = regs.lba_low = {1, 0};
    regs.lba_mid = regs.lba_high = {0, 0};
    regs.device = 0;
}

void AtaDisk::execute() {
    if (power_ == Power::sleep) { // only a reset wakes it
        phase_ = Phase::idle;
        regs.status = ready_status();
        return;
    }
    kind_ = Kind::none;
    if (execute_transfer() || execute_simple()) return;
    fail(error::abrt);
}

bool AtaDisk::execute_simple() {
    const u8 code = command_;
    if ((code & 0xF0) == 0x10) return complete(), true; // RECALIBRATE
    if ((code & 0xF0) == 0x70) {                        // SEEK
        const Fifo count = std::exchange(regs.sector_count, Fifo{1, 0});
        const bool there = address(false);
        regs.sector_count = count;
        remaining_ = 0;
        if (there) complete();
        return true;
    }
    switch (code) {
    case 0x27: native_max(true); return true;
    case 0xF8: native_max(false); return true;
    case 0x91: initialize_parameters(); return true;
    case 0xB0: smart(); return true;
    case 0xC6: set_multiple(); return true;
    case 0xE7: // FLUSH CACHE
    case 0xEA: flush(); return true;
    case 0xEC: identify(); return true;
    case 0xEF: set_features(); return true;
    case 0xF5: complete(); return true; // SECURITY FREEZE LOCK: frozen already
    case 0x94:
    case 0x95:
    case 0x96:
    case 0x97:
    case 0x98:
    case 0x99:
    case 0xE0:
    case 0xE1:
    case 0xE2:
    case 0xE3:
    case 0xE5:
    case 0xE6: execute_power(); return true;
    default: return false; // NOP fails too
    }
}

void AtaDisk::execute_power() {
    switch (command_) {
    case 0x94:
    case 0x96:
    case 0xE0:
    case 0xE2: // STANDBY (IMMEDIATE)
        power_ = Power::standby;
        return flush();
    case 0x99:
    case 0xE6: // SLEEP
        flush();
        power_ = Power::sleep;
        return;
    case 0x98:
    case 0xE5: // CHECK POWER MODE
        regs.sector_count.now = power_ == Power::active ? 0xFF : 0x00;
        return complete();
    default: // IDLE (IMMEDIATE)
        power_ = Power::active;
        return complete();
    }
}

Expected<> AtaDisk::flush_image() {
    write_behind_.cancel();
    auto result = image_->flush();
    if (!result) host_error_ = result.error().message;
    return result;
}

void AtaDisk::flush() {
    if (!flush_image()) return fail(error::abrt, status::df);
    complete();
}

void AtaDisk::set_features() {
    switch (regs.features.now) {
    case 0x02: write_cache_ = true; return complete();
    case 0x82: write_cache_ = false; return flush();
    case 0x03: return set_transfer_mode() ? complete() : fail(error::abrt);
    case 0x55: look_ahead_ = false; return complete();
    case 0xAA: look_ahead_ = true; return complete();
    case 0x66:
    case 0xCC: return complete(); // keep or restore settings at a software reset
    default: return fail(error::abrt);
    }
}

void AtaDisk::initialize_parameters() {
    const u16 heads = (regs.device & 15) + 1, sectors = regs.sector_count.now;
    if (sectors == 0) return fail(error::abrt);
    current_heads_ = heads;
    current_sectors_ = sectors;
    current_cylinders_ = static_cast<u16>(std::clamp<u64>(total_ / (u32{heads} * sectors), 1, 65535));
    complete();
}

void AtaDisk::set_multiple() {
    const u8 count = regs.sector_count.now;
    if (count > 16 || (count & (count - 1))) return fail(error::abrt);
    multiple_ = count; // 0: READ and WRITE MULTIPLE fail
    complete();
}

void AtaDisk::native_max(bool ext) {
    ext_ = ext;
    regs.device |= 0x40;
    show_address(ext ? total_ - 1 : std::min<u64>(total_, 0x0FFF'FFFF) - 1);
    complete();
}

void AtaDisk::identify() {
    std::array<u16, 256> w{};
    w[0] = 0x0040; // fixed
    w[1] = cylinders_;
    w[3] = 16;
    w[4] = 63 * 512;
    w[5] = 512;
    w[6] = 63;
    put_text(w, 10, 10, "GB000000-" + name());
    w[20] = 3;
    w[21] = 512;
    w[22] = 4;
    put_text(w, 23, 4, "1.0");
    put_text(w, 27, 20, "GLASSBOX HARDDISK");
    w[47] = 0x8010;
    w[48] = 1;      // 32-bit data port
    w[49] = 0x2F00; // standby timer, IORDY, LBA, DMA
    w[50] = 0x4000;
    w[51] = w[52] = 0x0200;
    w[53] = 7;
    w[54] = current_cylinders_;
    w[55] = current_heads_;
    w[56] = current_sectors_;
    const u32 chs = static_cast<u32>(u64{current_cylinders_} * current_heads_ * current_sectors_);
    w[57] = static_cast<u16>(chs);
    w[58] = static_cast<u16>(chs >> 16);
    w[59] = multiple_ ? static_cast<u16>(0x100 | multiple_) : 0;
    const u32 lba28 = static_cast<u32>(std::min<u64>(total_, 0x0FFF'FFFF));
    w[60] = static_cast<u16>(lba28);
    w[61] = static_cast<u16>(lba28 >> 16);
    identify_features(w);
    put_transfer_modes(w);
    for (unsigned i = 0; i < 4; ++i) w[100 + i] = static_cast<u16>(total_ >> (16 * i));
    w[128] = 0x0009; // security: supported and frozen
    w[255] = 0x00A5;
    u8 sum = 0;
    for (u16 word : w) sum = static_cast<u8>(sum + word + (word >> 8));
    w[255] = static_cast<u16>(w[255] | static_cast<u8>(-sum) << 8);
    send_words(w);
}

void AtaDisk::identify_features(std::array<u16, 256>& w) const {
    w[80] = 0x007E; // ATA-1 to ATA/ATAPI-6
    w[82] = 0x706B; // NOP, READ and WRITE BUFFER, look-ahead, write cache, power management, security, SMART
    w[83] = 0x7400; // FLUSH CACHE (EXT), 48-bit addresses
    w[84] = 0x4000;
    w[85] = static_cast<u16>(0x7008 | (smart_enabled_ ? 1 : 0) | (write_cache_ ? 0x20 : 0) | (look_ahead_ ? 0x40 : 0));
    w[86] = 0x3400;
    w[87] = 0x4000;
}

void AtaDisk::persist(Archive& archive) {
    archive.chunk("ata disk " + name(), 1, [&](u32) {
        persist_drive(archive);
        archive(current_cylinders_, current_heads_, current_sectors_, multiple_, write_cache_, look_ahead_,
                smart_enabled_, power_, kind_, ext_, lba_, remaining_, block_sectors_, sector_buffer_, smart_log_);
        archive.require(power_ <= Power::sleep && kind_ <= Kind::smart_log, "a disk is in a mode that does not exist");
        archive.require(current_heads_ >= 1 && current_heads_ <= 16 && current_sectors_ >= 1 && current_sectors_ <= 255,
                        "a disk's geometry is out of range");
        archive.require(multiple_ <= 16 && (multiple_ & (multiple_ - 1)) == 0, "a disk's block size is out of range");
        archive.require(block_sectors_ >= 1 && block_sectors_ <= 128, "a disk's block size is out of range");
        archive.require(remaining_ <= 65536 && lba_ <= total_ && remaining_ <= total_ - lba_,
                        "a disk's transfer is out of range");
        archive.require(phase_ < Phase::dma_in || kind_ == (phase_ == Phase::dma_in ? Kind::read : Kind::write),
                        "a disk's DMA has no transfer");
        archive.require((kind_ != Kind::read && kind_ != Kind::write) || phase_ == Phase::idle ||
                            (phase_ == Phase::busy && stage_ == Stage::start) || buffer_.size() % 512 == 0,
                        "a disk's buffer holds no whole sectors");
        archive.require(kind_ != Kind::write || phase_ == Phase::idle || buffer_.size() / 512 <= remaining_ ||
                            (phase_ == Phase::busy && stage_ == Stage::start),
                        "a disk's buffer is longer than its transfer");
        archive.require((kind_ != Kind::buffer && kind_ != Kind::smart_log) || phase_ == Phase::idle ||
                            buffer_.size() == 512 || (phase_ == Phase::busy && stage_ == Stage::start),
                        "a disk's buffer has the wrong size");
    });
    if (!archive.ok()) return power_on_reset(); // refused: a state that is safe
    image_->persist(archive);
}

} // namespace glassbox::ide
