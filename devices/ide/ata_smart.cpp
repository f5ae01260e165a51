// ATA disk: SMART (ATA/ATAPI-6 section 8.41; the layout of data and thresholds: ATA-3 section 7.27 and SFF-8035i).
#include "devices/ide/ata_disk.hpp"

namespace glassbox::ide {

namespace {

struct Attribute {
    u8 id;
    u16 flags;
    u8 value, threshold;
};
constexpr Attribute attributes[] = {
    {1, 0x000B, 100, 50}, // read error rate
    {3, 0x0007, 100, 20}, // spin-up time
    {5, 0x0033, 100, 36}, // reallocated sectors
    {9, 0x0032, 100, 0},  // power-on hours
    {12, 0x0032, 100, 0}, // power cycles
    {194, 0x0022, 69, 0}, // temperature
    {197, 0x0012, 100, 0} // pending sectors
};

void add_checksum(std::vector<u8>& sector) {
    u8 sum = 0;
    for (unsigned i = 0; i < 511; ++i) sum = static_cast<u8>(sum + sector[i]);
    sector[511] = static_cast<u8>(-sum);
}

} // namespace

void AtaDisk::smart() {
    if (regs.lba_mid.now != 0x4F || regs.lba_high.now != 0xC2) return fail(error::abrt);
    const u8 function = regs.features.now;
    if (!smart_enabled_ && function != 0xD8) return fail(error::abrt);
    buffer_.assign(512, 0);
    position_ = block_end_ = 0;
    switch (function) {
    case 0xD8: smart_enabled_ = true; return complete();
    case 0xD9: smart_enabled_ = false; return complete();
    case 0xD2:
    case 0xD3:
    case 0xD4: return complete(); // autosave, save, off-line tests: nothing to do, at once
    case 0xDA: return complete(); // the registers say already that all is well
    case 0xD0:                    // read data
        buffer_[0] = 16;
        for (unsigned i = 0; i < std::size(attributes); ++i) {
            u8* entry = &buffer_[2 + 12 * i];
            entry[0] = attributes[i].id;
            entry[1] = static_cast<u8>(attributes[i].flags);
            entry[2] = static_cast<u8>(attributes[i].flags >> 8);
            entry[3] = entry[4] = attributes[i].value;
            if (attributes[i].id == 194) entry[5] = 31;
        }
        buffer_[362] = 0x82; // off-line collection done
        buffer_[367] = 0x1B;
        buffer_[368] = 3;
        buffer_[370] = 1;
        buffer_[372] = 1;
        break;
    case 0xD1: // read thresholds
        buffer_[0] = 16;
        for (unsigned i = 0; i < std::size(attributes); ++i) {
            buffer_[2 + 12 * i] = attributes[i].id;
            buffer_[3 + 12 * i] = attributes[i].threshold;
        }
        break;
    case 0xD5: return smart_read_log();
    case 0xD6: // write log: only the host's own
        if (regs.lba_low.now != 0x80 || regs.sector_count.now != 1) return fail(error::abrt);
        kind_ = Kind::smart_log;
        return open_block(Phase::data_out, 512, false);
    default: return fail(error::abrt);
    }
    add_checksum(buffer_);
    open_block(Phase::data_in, 512, true);
}

void AtaDisk::smart_read_log() {
    if (regs.sector_count.now != 1) return fail(error::abrt);
    switch (regs.lba_low.now) {
    case 0x00: // directory: one sector of each log
        buffer_[0] = 1;
        buffer_[2 * 1] = buffer_[2 * 6] = buffer_[2 * 0x80] = 1;
        break;
    case 0x01: // summary error log: no errors
        buffer_[0] = 1;
        add_checksum(buffer_);
        break;
    case 0x06: // self-test log: no tests
        buffer_[0] = 1;
        add_checksum(buffer_);
        break;
    case 0x80: std::copy(smart_log_.begin(), smart_log_.end(), buffer_.begin()); break;
    default: return fail(error::abrt);
    }
    open_block(Phase::data_in, 512, true);
}

} // namespace glassbox::ide
