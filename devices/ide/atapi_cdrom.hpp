// An ATAPI CD-ROM drive: the PACKET protocol (ATA/ATAPI-6 section 9.8, SFF-8020i) and the multimedia commands of
// MMC-3 that drivers of DOS, Windows and Linux send. Discs are images of 2048-byte sectors: one data track in one
// session. There is no audio.
//
// Deviations: no spin-up or seek takes time, and the tray moves at once. There is no unit attention after a reset: many
// small systems read without looking at sense data, and a drive that was powered on long ago has nothing to tell.
#pragma once

#include "devices/ide/drive.hpp"
#include "devices/image/image.hpp"

#include <memory>

namespace glassbox::ide {

/// Sense key, additional sense code and qualifier (MMC-3 annex F).
struct Sense {
    u8 key = 0, code = 0, qualifier = 0;
    void persist(Archive& archive) { archive(key, code, qualifier); }
};

namespace sense {
inline constexpr Sense none{0, 0, 0}, not_ready_no_disc{2, 0x3A, 0}, not_ready_tray_open{2, 0x3A, 2},
    read_error{3, 0x11, 0}, invalid_command{5, 0x20, 0}, out_of_range{5, 0x21, 0}, invalid_field{5, 0x24, 0},
    invalid_parameter{5, 0x26, 0}, parameter_length{5, 0x1A, 0}, sequence_error{5, 0x2C, 0},
    incompatible_format{5, 0x30, 2}, saving_not_supported{5, 0x39, 0}, removal_prevented{5, 0x53, 2},
    illegal_mode_for_track{5, 0x64, 0}, disc_changed{6, 0x28, 0};
} // namespace sense

class AtapiCdrom final : public Drive {
  public:
    /// `medium` may be null: an empty drive.
    AtapiCdrom(Scheduler& scheduler, std::string name, unsigned unit, DriveLink& link, std::unique_ptr<Image> medium);

    /// The user puts another disc in, or takes the one there out (null). Refused while the guest has locked the tray:
    /// it then hears of an eject request, as from the drive's button.
    Expected<> set_medium(std::unique_ptr<Image> medium);
    /// Puts a disc back that was in the drive when the state that is restored next was taken: no event tells of it.
    void put_back(std::unique_ptr<Image> medium) { medium_ = std::move(medium); }
    /// An error if the image cannot be a disc: it has a sector, and READ CAPACITY has 32 bits.
    static Expected<> check_medium(const Image* medium);
    Image* medium() { return medium_.get(); }
    bool locked() const { return locked_; }
    bool tray_open() const { return tray_open_; }
    // For a debugger: looking changes nothing.
    const Image* disc() const { return medium_.get(); }
    Sense sense_data() const { return sense_; }
    const std::array<u8, 12>& packet() const { return packet_; }
    u32 next_sector() const { return lba_; }
    u32 sectors_left() const { return remaining_; }

    void power_on_reset() override;
    void persist(Archive& archive) override;

  private:
    /// What the guest is told of a change of discs, one step for each command that asks.
    enum class Change : u8 { none, removed, inserted };
    enum class MediaEvent : u8 { none, eject_request, new_media, removal };
    enum class Transfer : u8 {
        none,
        packet,
        reply,
        sectors,
        parameters,
        lost
    }; ///< lost: the disc has gone during a read

    void execute() override;
    void block_read() override;
    void block_written() override;
    void dma_moved() override;
    void put_signature() override;
    u8 reset_status() const override { return 0; } // not ready for ATA commands: a packet device
    void reset_protocol() override;

    void identify();
    void set_features();

    // Protocol
    void start_packet();
    void run_packet();
    void check(Sense why);
    void good();
    /// Sends `buffer_`, at most `allocated` bytes of it.
    void reply(u32 allocated);
    void begin_data();
    void next_block();
    bool fill();
    void read(u32 lba, u32 count, u8 parts);

    // Commands
    bool attention();
    bool needs_disc(u8 operation) const;
    bool dispatch_disc(const u8* p);
    bool dispatch_drive(const u8* p);
    void request_sense(const u8* p);
    void inquiry(const u8* p);
    void start_stop(const u8* p);
    void read_cd(const u8* p, bool msf);
    void read_range(const u8* p, bool ten);
    void read_capacity();
    void read_toc(const u8* p);
    void read_subchannel(const u8* p);
    void read_header(const u8* p);
    void read_disc_information(const u8* p);
    void read_track_information(const u8* p);
    void get_configuration(const u8* p);
    void get_event_status(const u8* p);
    void mechanism_status(const u8* p);
    void mode_sense(const u8* p, bool ten);
    void mode_select(const u8* p, bool ten);
    void mode_parameters();
    bool accept_page(std::span<const u8> page);

    u32 disc_sectors() const { return medium_ ? static_cast<u32>((medium_->size() + 2047) / 2048) : 0; }
    u8 medium_type() const;
    void put_mode_page(u8 page, u8 control);

    std::unique_ptr<Image> medium_;
    bool tray_open_ = false, locked_ = false;
    Change change_ = Change::none;
    MediaEvent event_to_report_ = MediaEvent::none;
    Sense sense_;

    std::array<u8, 12> packet_{};
    Transfer transfer_ = Transfer::none;
    bool dma_ = false;
    u32 byte_limit_ = 0;
    u32 lba_ = 0, remaining_ = 0;     ///< of a read: sectors not in the buffer yet
    u8 parts_ = 0x10;                 ///< what READ CD asks of each sector (its byte 9)
    std::array<u8, 6> error_page_{};  ///< 01h, from byte 2 on
    std::array<u8, 14> audio_page_{}; ///< 0Eh
    u8 inactivity_ = 0;               ///< 0Dh
};

} // namespace glassbox::ide
