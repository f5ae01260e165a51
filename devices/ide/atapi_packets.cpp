// ATAPI CD-ROM: the packets of drive and disc (MMC-3 section 6, SPC-2 section 7).
#include "devices/ide/atapi_cdrom.hpp"

#include "devices/ide/cd_sector.hpp"

#include <string_view>

namespace glassbox::ide {

namespace {

u32 be16(const u8* p) { return u32{p[0]} << 8 | p[1]; }
u32 be24(const u8* p) { return u32{p[0]} << 16 | be16(p + 1); }
u32 be32(const u8* p) { return be16(p) << 16 | be16(p + 2); }
void put_be32(u8* p, u32 value) {
    for (unsigned i = 0; i < 4; ++i) p[i] = static_cast<u8>(value >> (24 - 8 * i));
}
/// An address as four bytes: 0, minute, second, frame or a block number.
void put_address(u8* p, u32 lba, bool msf) {
    if (!msf) return put_be32(p, lba);
    const Msf m = to_msf(lba);
    p[0] = 0;
    p[1] = m.minute;
    p[2] = m.second;
    p[3] = m.frame;
}
void write_text(u8* p, std::string_view text) { std::copy(text.begin(), text.end(), p); }

} // namespace

void AtapiCdrom::run_packet() {
    std::copy_n(buffer_.begin(), 12, packet_.begin());
    buffer_.clear();
    position_ = block_end_ = 0;
    transfer_ = Transfer::none;
    const u8* p = packet_.data();
    if (p[0] != 0x03) {
        if (attention()) return;
        sense_ = sense::none;
    }
    if (needs_disc(p[0]) && (!medium_ || tray_open_)) {
        return check(tray_open_ ? sense::not_ready_tray_open : sense::not_ready_no_disc);
    }
    if (!dispatch_disc(p) && !dispatch_drive(p)) check(sense::invalid_command);
}

/// True if the packet has been answered with the news of a changed disc instead.
bool AtapiCdrom::attention() {
    const u8 operation = packet_[0];
    if (change_ == Change::none || operation == 0x12 || operation == 0x46 || operation == 0x4A) return false;
    if (change_ == Change::removed) {
        if (!needs_disc(operation)) return false;
        change_ = Change::inserted;
        check(sense::not_ready_no_disc);
    } else {
        change_ = Change::none;
        check(sense::disc_changed);
    }
    return true;
}

bool AtapiCdrom::needs_disc(u8 operation) const {
    constexpr u8 operations[] = {0x00, 0x0B, 0x25, 0x28, 0x2B, 0x2F, 0x42, 0x43, 0x44, 0x45, 0x47, 0x48,
                                 0x4B, 0x4E, 0x51, 0x52, 0xA5, 0xA8, 0xA9, 0xAD, 0xB9, 0xBA, 0xBC, 0xBE};
    return std::find(std::begin(operations), std::end(operations), operation) != std::end(operations);
}

bool AtapiCdrom::dispatch_disc(const u8* p) {
    switch (p[0]) {
    case 0x00: good(); return true;                               // TEST UNIT READY
    case 0x28: read(be32(p + 2), be16(p + 7), 0x10); return true; // READ (10)
    case 0xA8: read(be32(p + 2), be32(p + 6), 0x10); return true; // READ (12)
    case 0x0B: read_range(p, false); return true;                 // SEEK (6)
    case 0x2B:
    case 0x2F: read_range(p, true); return true; // SEEK, VERIFY
    case 0xBE: read_cd(p, false); return true;
    case 0xB9: read_cd(p, true); return true;
    case 0x25: read_capacity(); return true;
    case 0x42: read_subchannel(p); return true;
    case 0x43: read_toc(p); return true;
    case 0x44: read_header(p); return true;
    case 0x51: read_disc_information(p); return true;
    case 0x52: read_track_information(p); return true;
    case 0x45:
    case 0x47:
    case 0x48:
    case 0xA5:
    case 0xA9:
    case 0xBA:
    case 0xBC: // PLAY AUDIO, SCAN: a data track
        check(sense::illegal_mode_for_track);
        return true;
    case 0x4B: check(sense::sequence_error); return true;      // PAUSE/RESUME: nothing plays
    case 0x4E: good(); return true;                            // STOP PLAY/SCAN
    case 0xAD: check(sense::incompatible_format); return true; // READ DVD STRUCTURE
    default: return false;
    }
}

bool AtapiCdrom::dispatch_drive(const u8* p) {
    switch (p[0]) {
    case 0x01:
    case 0xBB: good(); return true; // REZERO UNIT, SET CD SPEED
    case 0x03: request_sense(p); return true;
    case 0x12: inquiry(p); return true;
    case 0x15: mode_select(p, false); return true;
    case 0x55: mode_select(p, true); return true;
    case 0x1A: mode_sense(p, false); return true;
    case 0x5A: mode_sense(p, true); return true;
    case 0x1B: start_stop(p); return true;
    case 0x1E: // PREVENT ALLOW MEDIUM REMOVAL
        locked_ = (p[4] & 1) != 0;
        good();
        return true;
    case 0x46: get_configuration(p); return true;
    case 0x4A: get_event_status(p); return true;
    case 0xBD: mechanism_status(p); return true;
    default: return false;
    }
}

void AtapiCdrom::request_sense(const u8* p) {
    buffer_.assign(18, 0);
    buffer_[0] = 0x70;
    buffer_[2] = sense_.key;
    buffer_[7] = 10;
    buffer_[12] = sense_.code;
    buffer_[13] = sense_.qualifier;
    sense_ = sense::none;
    reply(p[4]);
}

void AtapiCdrom::inquiry(const u8* p) {
    if (p[1] & 3) return check(sense::invalid_field); // no vital product data
    buffer_.assign(36, ' ');
    constexpr u8 head[] = {0x05, 0x80, 0x00, 0x21, 31, 0, 0, 0};
    std::copy(std::begin(head), std::end(head), buffer_.begin());
    write_text(&buffer_[8], "GLASSBOX");
    write_text(&buffer_[16], "CD-ROM");
    write_text(&buffer_[32], "1.0");
    reply(p[4]);
}

void AtapiCdrom::start_stop(const u8* p) {
    if ((p[4] & 2) == 0) return good(); // the motor alone
    if (p[4] & 1) {
        if (tray_open_ && medium_) {
            change_ = Change::inserted;
            event_to_report_ = MediaEvent::new_media;
        }
        tray_open_ = false;
        return good();
    }
    if (locked_) return check(sense::removal_prevented);
    if (!tray_open_ && medium_) event_to_report_ = MediaEvent::removal;
    tray_open_ = true;
    good();
}

void AtapiCdrom::read_cd(const u8* p, bool msf) {
    u32 start = be32(p + 2), count = be24(p + 6);
    if (msf) {
        const u32 first = (u32{p[3]} * 60 + p[4]) * 75 + p[5], end = (u32{p[6]} * 60 + p[7]) * 75 + p[8];
        if (first < 150 || end < first || p[4] > 59 || p[5] > 74 || p[7] > 59 || p[8] > 74) {
            return check(sense::invalid_field);
        }
        start = first - 150;
        count = end - first;
    }
    const u8 expected = p[1] >> 2 & 7;
    if (expected != 0 && expected != 2) return check(sense::illegal_mode_for_track); // all sectors are mode 1
    if ((p[9] & 6) == 6 || (p[10] & 7) != 0) return check(sense::invalid_field);     // no sub-channel data
    u8 parts = p[9] & 0xFE;
    if ((parts & 0x60) == 0x40) parts &= static_cast<u8>(~0x40); // mode 1 has no subheader
    if (parts & 0x60) parts = static_cast<u8>((parts & ~0x40) | 0x20);
    read(start, count, parts);
}

/// SEEK and VERIFY: is the place on the disc?
void AtapiCdrom::read_range(const u8* p, bool ten) {
    const u32 lba = ten ? be32(p + 2) : be24(p + 1) & 0x1F'FFFF;
    const u32 count = p[0] == 0x2F ? be16(p + 7) : 0;
    if (lba >= disc_sectors() || count > disc_sectors() - lba) return check(sense::out_of_range);
    lba_ = lba;
    good();
}

void AtapiCdrom::read_capacity() {
    buffer_.assign(8, 0);
    put_be32(&buffer_[0], disc_sectors() - 1);
    put_be32(&buffer_[4], 2048);
    reply(8);
}

void AtapiCdrom::read_toc(const u8* p) {
    const bool msf = (p[1] & 2) != 0;
    const u8 format = p[2] & 15 ? p[2] & 15 : p[9] >> 6; // SFF-8020i has it in the control byte
    const u8 first = p[6];
    buffer_ = {0, 0, 1, 1}; // length, first and last track (or session)
    const auto entry = [&](u8 control, u8 track, u32 lba) {
        const u8 head[] = {0, control, track, 0, 0, 0, 0, 0};
        buffer_.insert(buffer_.end(), std::begin(head), std::end(head));
        put_address(&buffer_[buffer_.size() - 4], lba, msf);
    };
    if (format == 0) {
        if (first > 1 && first != 0xAA) return check(sense::invalid_field);
        if (first <= 1) entry(0x14, 1, 0);
        entry(0x14, 0xAA, disc_sectors());
    } else if (format == 1) {
        entry(0x14, 1, 0);
    } else if (format == 2) {
        const Msf end = to_msf(disc_sectors());
        const u8 points[4][4] = {
            {0xA0, 1, 0, 0}, {0xA1, 1, 0, 0}, {0xA2, end.minute, end.second, end.frame}, {1, 0, 2, 0}};
        for (const auto& point : points) {
            const u8 raw[] = {1, 0x14, 0, point[0], 0, 0, 0, 0, point[1], point[2], point[3]};
            buffer_.insert(buffer_.end(), std::begin(raw), std::end(raw));
        }
    } else {
        return check(sense::invalid_field);
    }
    buffer_[0] = static_cast<u8>((buffer_.size() - 2) >> 8);
    buffer_[1] = static_cast<u8>(buffer_.size() - 2);
    reply(be16(p + 7));
}

void AtapiCdrom::read_subchannel(const u8* p) {
    const bool msf = (p[1] & 2) != 0;
    buffer_ = {0, 0x15, 0, 0}; // no audio status
    if (p[2] & 0x40) {
        const u8 format = p[3];
        if (format < 1 || format > 3) return check(sense::invalid_field);
        buffer_.resize(format == 1 ? 16 : 24);
        buffer_[3] = static_cast<u8>(buffer_.size() - 4);
        buffer_[4] = format;
        if (format == 1) {
            buffer_[5] = 0x14;
            buffer_[6] = buffer_[7] = 1;
            put_address(&buffer_[8], lba_, msf);
            if (msf) { // relative to the track: without the two seconds
                buffer_[13] = static_cast<u8>(lba_ / 4500);
                buffer_[14] = static_cast<u8>(lba_ / 75 % 60);
                buffer_[15] = static_cast<u8>(lba_ % 75);
            } else {
                put_be32(&buffer_[12], lba_);
            }
        } else if (format == 3) {
            buffer_[5] = 0x14;
            buffer_[6] = 1;
        }
    }
    reply(be16(p + 7));
}

void AtapiCdrom::read_header(const u8* p) {
    const u32 lba = be32(p + 2);
    if (lba >= disc_sectors()) return check(sense::out_of_range);
    buffer_.assign(8, 0);
    buffer_[0] = 1; // mode 1
    put_address(&buffer_[4], lba, (p[1] & 2) != 0);
    reply(be16(p + 7));
}

void AtapiCdrom::read_disc_information(const u8* p) {
    if (p[1] & 7) return check(sense::invalid_field);
    buffer_.assign(34, 0);
    buffer_[1] = 32;
    buffer_[2] = 0x0E; // disc and last session complete
    buffer_[3] = buffer_[4] = buffer_[5] = buffer_[6] = 1;
    buffer_[7] = 0x20;                                               // unrestricted use
    std::fill(buffer_.begin() + 16, buffer_.begin() + 24, u8{0xFF}); // no further lead-in or lead-out
    reply(be16(p + 7));
}

void AtapiCdrom::read_track_information(const u8* p) {
    const u32 which = be32(p + 2);
    const u8 kind = p[1] & 3;
    const bool valid = kind == 0 ? which < disc_sectors() : kind < 3 && which == 1;
    if (!valid) return check(sense::invalid_field);
    buffer_.assign(36, 0);
    buffer_[1] = 34;
    buffer_[2] = buffer_[3] = 1;
    buffer_[5] = 4; // data, uninterrupted
    buffer_[6] = 1; // mode 1
    put_be32(&buffer_[24], disc_sectors());
    reply(be16(p + 7));
}

} // namespace glassbox::ide
