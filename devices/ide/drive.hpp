// What an ATA disk and an ATAPI CD-ROM have in common: the command block registers (ATA/ATAPI-6, section 7), the data
// register's buffer, and the BSY/DRQ/INTRQ protocol (section 9).
//
// A command makes the drive busy and is carried out a few microseconds later, so that polling loops and interrupt
// handlers both see the order of a real drive. Deviation: no seek or rotation takes time.
#pragma once

#include "bus/archive.hpp"
#include "bus/scheduler.hpp"
#include "bus/types.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace glassbox::ide {

namespace status {
inline constexpr u8 err = 0x01, drq = 0x08, dsc = 0x10, df = 0x20, drdy = 0x40, bsy = 0x80;
} // namespace status
namespace error {
inline constexpr u8 abrt = 0x04, idnf = 0x10, unc = 0x40;
} // namespace error

/// Registers that take two bytes one after the other (the "previous content" is read with HOB set).
struct Fifo {
    u8 now = 0, before = 0;
    void put(u8 value) {
        before = now;
        now = value;
    }
    u16 both() const { return static_cast<u16>(before << 8 | now); }
    void persist(Archive& archive) { archive(now, before); }
};

struct TaskFile {
    Fifo features, sector_count, lba_low, lba_mid, lba_high;
    u8 device = 0;
    u8 status = 0;
    u8 error = 0;
    void persist(Archive& archive) {
        archive(features, sector_count, lba_low, lba_mid, lba_high, device, status, error);
    }
};

/// The channel, as its drives see it.
class DriveLink {
  public:
    virtual ~DriveLink() = default;
    virtual void interrupt_changed() = 0; ///< INTRQ of a drive
    virtual void dma_requested() = 0;     ///< DMARQ of a drive
};

class Drive {
  public:
    Drive(Scheduler& scheduler, std::string name, unsigned unit, DriveLink& link);
    virtual ~Drive() = default;
    Drive(const Drive&) = delete;
    Drive& operator=(const Drive&) = delete;

    TaskFile regs;
    bool intrq() const { return intrq_; }
    void set_intrq(bool level);
    bool busy() const { return (regs.status & status::bsy) != 0; }
    const std::string& name() const { return name_; }
    /// Grows with each block of data, for an activity light.
    u64 activity() const { return activity_; }
    // For a debugger: looking changes nothing.
    u8 last_command() const { return command_; }
    const char* phase_name() const {
        constexpr std::array names{"idle", "busy", "PIO data in", "PIO data out", "DMA data in", "DMA data out"};
        return names[static_cast<std::size_t>(phase_)];
    }
    u32 buffer_position() const { return position_; }
    u32 block_end() const { return block_end_; }
    u8 transfer_mode() const { return transfer_mode_; } ///< as SET FEATURES 03h takes it
    /// The host's message for the last error that the guest saw as a bad sector; empty if there was none.
    const std::string& host_error() const { return host_error_; }

    void command(u8 code);
    /// EXECUTE DEVICE DIAGNOSTIC, which both drives obey.
    void diagnose(bool interrupt);
    void hold_reset();    ///< SRST is set
    void release_reset(); ///< SRST is cleared
    virtual void power_on_reset();

    u32 peek_data(unsigned width) const {
        if (phase_ != Phase::data_in) return ~u32{0};
        u32 value = 0;
        std::memcpy(&value, buffer_.data() + position_, std::min<u32>(width, block_end_ - position_));
        return value;
    }
    void take_data(unsigned width) {
        if (phase_ != Phase::data_in) return;
        position_ += std::min<u32>(width, block_end_ - position_);
        if (position_ == block_end_) finish_block();
    }
    void write_data(unsigned width, u32 value) {
        if (phase_ != Phase::data_out) return;
        const u32 n = std::min<u32>(width, block_end_ - position_);
        std::memcpy(buffer_.data() + position_, &value, n);
        position_ += n;
        if (position_ == block_end_) finish_block();
    }

    /// DMA: DMARQ is asserted in this direction.
    bool wants_dma(bool to_memory) const { return phase_ == (to_memory ? Phase::dma_in : Phase::dma_out); }
    /// What can be moved now; at least one byte while DMARQ is asserted.
    std::span<u8> dma_span() { return std::span(buffer_).subspan(position_); }
    void dma_advance(std::size_t bytes);

    virtual void persist(Archive& archive) = 0;

  protected:
    enum class Phase : u8 { idle, busy, data_in, data_out, dma_in, dma_out };
    enum class Stage : u8 { start, block_done }; ///< why the drive is busy
    static constexpr Time command_time = 4 * microsecond;
    static constexpr Time block_time = 2 * microsecond;
    static constexpr u32 most_buffer = 256 * 1024;

    /// Carries out the command in `command_`.
    virtual void execute() = 0;
    /// A block of PIO data has been moved: at once for data to the host, after `block_time` for data from it.
    virtual void block_read() = 0;
    virtual void block_written() = 0;
    /// The buffer has been moved by DMA.
    virtual void dma_moved() = 0;
    virtual void put_signature() = 0;
    virtual u8 ready_status() const { return status::drdy | status::dsc; }
    virtual u8 reset_status() const { return ready_status(); }
    /// Power, command state: what any reset ends.
    virtual void reset_protocol() {}

    void become_busy(Stage stage, Time time);
    /// Offers [position, position + bytes) of the buffer to the host, or asks the host to fill it.
    void open_block(Phase phase, u32 bytes, bool interrupt);
    void request_dma(Phase phase);
    void complete(bool interrupt = true);
    void fail(u8 error_bits, u8 extra_status = 0);
    /// SET FEATURES 03h: false if the mode in the sector count register does not exist.
    bool set_transfer_mode();
    /// Words 62, 63 and 88 of the identify data, and 93 (cable and reset result).
    void put_transfer_modes(std::array<u16, 256>& words) const;
    void send_words(const std::array<u16, 256>& words);
    void persist_drive(Archive& archive);

    static void put_text(std::array<u16, 256>& words, unsigned at, unsigned count, const std::string& text);

    unsigned unit_;
    u8 command_ = 0;
    Phase phase_ = Phase::idle;
    Stage stage_ = Stage::start;
    std::vector<u8> buffer_;
    u32 position_ = 0, block_end_ = 0;
    u64 activity_ = 0;
    std::string host_error_;

  private:
    void step();
    void finish_block();

    std::string name_;
    DriveLink& link_;
    bool intrq_ = false;
    bool diagnosing_ = false;
    u8 transfer_mode_ = 0x0C; // PIO 4
    Scheduler::Event event_;
};

} // namespace glassbox::ide
