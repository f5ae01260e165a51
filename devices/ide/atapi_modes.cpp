// ATAPI CD-ROM: mode pages, features and events (MMC-3 sections 5.3, 5.5, 6.6).
#include "devices/ide/atapi_cdrom.hpp"

#include "devices/ide/cd_sector.hpp"

#include <initializer_list>

namespace glassbox::ide {

namespace {
u32 be16(const u8* p) { return u32{p[0]} << 8 | p[1]; }
constexpr u8 page_error = 0x01, page_cd = 0x0D, page_audio = 0x0E, page_power = 0x1A, page_capabilities = 0x2A;
constexpr u8 all_pages[] = {page_error, page_cd, page_audio, page_power, page_capabilities};
constexpr std::array<u8, 14> audio_default{4, 0, 0, 0, 0, 75, 1, 0xFF, 2, 0xFF, 0, 0, 0, 0};
constexpr std::array<u8, 14> audio_changeable{4, 0, 0, 0, 0, 0, 15, 0xFF, 15, 0xFF, 15, 0xFF, 15, 0xFF};
constexpr u16 speed = 7056; // KB/s, 40 x
} // namespace

u8 AtapiCdrom::medium_type() const { return tray_open_ ? 0x71 : medium_ ? 0x01 : 0x70; }

/// `control`: 0 current, 1 changeable, 2 default values.
void AtapiCdrom::put_mode_page(u8 page, u8 control) {
    const auto put = [&](std::initializer_list<u8> bytes) { buffer_.insert(buffer_.end(), bytes); };
    const bool values = control != 1;
    switch (page) {
    case page_error:
        put({page, 6});
        for (u8 byte : error_page_) put({control == 0 ? byte : control == 1 ? u8{0xFF} : u8{0}});
        break;
    case page_cd:
        put({page, 6, 0, control == 0 ? inactivity_ : control == 1 ? u8{15} : u8{0}});
        put({0, values ? u8{60} : u8{0}, 0, values ? u8{75} : u8{0}}); // seconds and frames of MSF
        break;
    case page_audio: {
        put({page, 14});
        const auto& bytes = control == 0 ? audio_page_ : control == 1 ? audio_changeable : audio_default;
        buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
        break;
    }
    case page_power: put({page, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}); break;
    case page_capabilities:
        put({page, 20});
        if (!values) {
            buffer_.insert(buffer_.end(), 20, u8{0});
            break;
        }
        put({0x03, 0x00, 0x70, 0x00}); // reads CD-R, CD-RW, mode 2, multi-session; writes nothing; plays nothing
        put({static_cast<u8>(0x29 | (locked_ ? 2 : 0)), 0x00}); // tray that locks and ejects
        put({speed >> 8, speed & 0xFF, 0, 2, 2, 0, speed >> 8, speed & 0xFF, 0, 0, 0, 0, 0, 0});
        break;
    default: break;
    }
}

void AtapiCdrom::mode_sense(const u8* p, bool ten) {
    const u8 page = p[2] & 0x3F, control = p[2] >> 6;
    if (control == 3) return check(sense::saving_not_supported);
    buffer_.assign(ten ? 8 : 4, 0);
    if (page == 0x3F) {
        for (u8 each : all_pages) put_mode_page(each, control);
    } else if (std::find(std::begin(all_pages), std::end(all_pages), page) != std::end(all_pages)) {
        put_mode_page(page, control);
    } else {
        buffer_.clear();
        return check(sense::invalid_field);
    }
    if (ten) {
        buffer_[0] = static_cast<u8>((buffer_.size() - 2) >> 8);
        buffer_[1] = static_cast<u8>(buffer_.size() - 2);
        buffer_[2] = medium_type();
    } else {
        buffer_[0] = static_cast<u8>(buffer_.size() - 1);
        buffer_[1] = medium_type();
    }
    reply(ten ? be16(p + 7) : p[4]);
}

void AtapiCdrom::mode_select(const u8* p, bool ten) {
    if (p[1] & 1) return check(sense::invalid_field); // nothing is saved
    const u32 length = ten ? be16(p + 7) : p[4];
    if (length == 0) return good();
    if (length > 4096) return check(sense::parameter_length);
    transfer_ = Transfer::parameters;
    buffer_.assign(length, 0);
    position_ = 0;
    regs.sector_count.now = 0; // data from the host
    if (dma_) return request_dma(Phase::dma_out);
    regs.lba_mid.now = static_cast<u8>(length);
    regs.lba_high.now = static_cast<u8>(length >> 8);
    open_block(Phase::data_out, length, true);
}

void AtapiCdrom::mode_parameters() {
    const bool ten = packet_[0] == 0x55;
    const std::vector<u8> data = std::move(buffer_);
    buffer_.clear();
    position_ = block_end_ = 0;
    const std::size_t header = ten ? 8 : 4;
    if (data.size() < header) return check(sense::parameter_length);
    std::size_t at = header + (ten ? be16(&data[6]) : data[3]);
    if (at > data.size()) return check(sense::parameter_length);
    while (at < data.size()) {
        if (data.size() - at < 2 || data.size() - at - 2 < data[at + 1]) return check(sense::parameter_length);
        const auto page = std::span(data).subspan(at, std::size_t{2} + data[at + 1]);
        if (!accept_page(page)) return check(sense::invalid_parameter);
        at += page.size();
    }
    good();
}

bool AtapiCdrom::accept_page(std::span<const u8> page) {
    const auto body = page.subspan(2);
    switch (page[0] & 0x3F) {
    case page_error:
        if (body.size() < 6) return false;
        std::copy_n(body.begin(), 6, error_page_.begin());
        return true;
    case page_cd:
        if (body.size() < 6) return false;
        inactivity_ = body[1] & 15;
        return true;
    case page_audio:
        if (body.size() != 14) return false;
        for (unsigned i = 0; i < 14; ++i) {
            const u8 mask = audio_changeable[i];
            audio_page_[i] = static_cast<u8>((audio_page_[i] & ~mask) | (body[i] & mask));
        }
        return true;
    case page_power: return body.size() == 10;
    case page_capabilities: return true; // nothing in it can be changed
    default: return false;
    }
}

void AtapiCdrom::get_configuration(const u8* p) {
    const u8 kind = p[1] & 3;
    const u32 first = be16(p + 2);
    if (kind == 3) return check(sense::invalid_field);
    const bool disc = medium_ && !tray_open_;
    buffer_.assign(8, 0);
    buffer_[7] = disc ? 8 : 0; // current profile: CD-ROM
    const auto feature = [&](u16 code, u8 version, bool persistent, bool current, std::initializer_list<u8> data) {
        if (kind == 2 ? code != first : code < first || (kind == 1 && !current)) return;
        const u8 flags = static_cast<u8>(version << 2 | (persistent ? 2 : 0) | (current ? 1 : 0));
        const u8 head[] = {static_cast<u8>(code >> 8), static_cast<u8>(code), flags, static_cast<u8>(data.size())};
        buffer_.insert(buffer_.end(), std::begin(head), std::end(head));
        buffer_.insert(buffer_.end(), data);
    };
    const u8 present = disc ? 1 : 0;
    feature(0x0000, 0, true, true, {0x00, 0x08, present, 0});     // profiles: CD-ROM
    feature(0x0001, 0, true, true, {0, 0, 0, 2});                 // core: ATAPI
    feature(0x0002, 0, true, true, {0, 0, 0, 0});                 // morphing: polled events
    feature(0x0003, 0, true, true, {0x29, 0, 0, 0});              // removable medium: tray, eject, lock
    feature(0x0010, 0, false, disc, {0, 0, 0x08, 0, 0, 1, 0, 0}); // random readable: 2048 bytes
    feature(0x001E, 1, false, disc, {0, 0, 0, 0});                // CD read
    feature(0x0100, 0, true, true, {});                           // power management
    feature(0x0105, 0, true, true, {});                           // timeout
    const u32 length = static_cast<u32>(buffer_.size()) - 4;
    for (unsigned i = 0; i < 4; ++i) buffer_[i] = static_cast<u8>(length >> (24 - 8 * i));
    reply(be16(p + 7));
}

void AtapiCdrom::get_event_status(const u8* p) {
    if ((p[1] & 1) == 0) return check(sense::invalid_field); // only polled
    if ((p[4] & 0x10) == 0) {                                // none of the classes asked for: no event available
        buffer_ = {0, 2, 0x80, 0x10};
        return reply(be16(p + 7));
    }
    const u8 state = static_cast<u8>((tray_open_ ? 1 : 0) | (medium_ && !tray_open_ ? 2 : 0));
    buffer_ = {0, 6, 4, 0x10, static_cast<u8>(event_to_report_), state, 0, 0};
    event_to_report_ = MediaEvent::none;
    reply(be16(p + 7));
}

void AtapiCdrom::mechanism_status(const u8* p) {
    buffer_.assign(8, 0);
    buffer_[1] = tray_open_ ? 0x10 : 0;
    const Msf place = to_msf(lba_);
    buffer_[2] = place.minute;
    buffer_[3] = place.second;
    buffer_[4] = place.frame;
    reply(be16(p + 8));
}

} // namespace glassbox::ide
