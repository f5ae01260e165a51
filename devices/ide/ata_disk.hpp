// An ATA hard disk (ATA/ATAPI-6): 512-byte sectors, CHS, 28- and 48-bit addresses, PIO, multiple-sector and DMA
// transfers, power modes, SMART as far as drivers look at it; security is present and frozen.
//
// Deviations: a range that starts within the disk and ends beyond it fails at once, before any data.
#pragma once

#include "devices/ide/drive.hpp"
#include "devices/image/image.hpp"

#include <memory>

namespace glassbox::ide {

class AtaDisk final : public Drive {
  public:
    AtaDisk(Scheduler& scheduler, std::string name, unsigned unit, DriveLink& link, std::unique_ptr<Image> image);

    Image& image() { return *image_; }
    /// Everything written is on the host's disk afterwards.
    Expected<> flush_image();
    u64 sectors() const { return total_; }
    // For a debugger: looking changes nothing.
    struct Settings {
        u16 cylinders, current_cylinders, current_heads, current_sectors;
        u8 multiple; ///< sectors of a block of READ/WRITE MULTIPLE
        bool write_cache, look_ahead, smart_enabled;
        const char* power;
        u64 next_sector; ///< of the transfer
        u32 remaining;   ///< its sectors that have not been moved
    };
    Settings settings() const {
        constexpr std::array power_names{"active", "standby", "sleep"};
        return {cylinders_,
                current_cylinders_,
                current_heads_,
                current_sectors_,
                multiple_,
                write_cache_,
                look_ahead_,
                smart_enabled_,
                power_names[static_cast<std::size_t>(power_)],
                lba_,
                remaining_};
    }
    void power_on_reset() override;
    void persist(Archive& archive) override;

  private:
    enum class Power : u8 { active, standby, sleep };
    enum class Kind : u8 { none, read, write, buffer, smart_log }; ///< what a transfer does with its data

    void execute() override;
    void block_read() override;
    void block_written() override;
    void dma_moved() override;
    void put_signature() override;
    void reset_protocol() override;

    bool execute_transfer();
    bool execute_simple();
    void execute_power();
    void read_sectors(bool ext, u32 block);
    void write_sectors(bool ext, u32 block);
    void start_dma(bool ext, bool to_host);
    void verify(bool ext);
    void flush();
    void set_features();
    void initialize_parameters();
    void set_multiple();
    void native_max(bool ext);
    void identify();
    void identify_features(std::array<u16, 256>& words) const;

    // ata_smart.cpp
    void smart();
    void smart_read_log();

    bool address(bool ext);
    void show_address(u64 lba);
    void fail_at(u64 lba, u8 error_bits, u8 extra_status = 0);
    bool fill();
    bool store();
    void open_read_block();
    void open_write_block(bool interrupt);
    void finish_transfer();
    u32 next_chunk() const;

    /// A drive does not keep written data in its cache for long: neither does the image keep its tables in memory.
    static constexpr Time write_behind_time = 2 * second;

    std::unique_ptr<Image> image_;
    Scheduler::Event write_behind_;
    u64 total_;
    u16 cylinders_, current_cylinders_ = 0;
    u16 current_heads_ = 16, current_sectors_ = 63;
    u8 multiple_ = 16;
    bool write_cache_ = true, look_ahead_ = true, smart_enabled_ = true;
    Power power_ = Power::active;

    Kind kind_ = Kind::none;
    bool ext_ = false;
    u64 lba_ = 0;                         ///< next sector to move between buffer and image
    u32 remaining_ = 0;                   ///< sectors not moved yet
    u32 block_sectors_ = 1;               ///< per DRQ block
    std::array<u8, 512> sector_buffer_{}; ///< READ BUFFER, WRITE BUFFER
    std::array<u8, 512> smart_log_{};     ///< host vendor log 80h
};

} // namespace glassbox::ide
