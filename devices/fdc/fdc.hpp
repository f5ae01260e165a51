// The Intel 82077AA floppy controller in its PC AT mode (data sheet 290166, chapters 2, 5 and 6) with two drives.
// Mechanical times (rotation, steps) are a tenth of the real ones by default (`speedup`), in the right order and
// proportion. Deviations: a disk that is missing or does not turn fails the command (missing address mark) where the
// chip waits for an index pulse for ever; drives are addressed by the command's unit number, the DOR giving motors and
// the drive of the disk change line; write precompensation, gap lengths, head load times and tape drives have no
// effect; FORMAT can only lay out what an image can hold (512-byte sectors numbered from 1): anything else fails with
// "no data".
#pragma once

#include "bus/archive.hpp"
#include "bus/dma_port.hpp"
#include "bus/error.hpp"
#include "bus/io_device.hpp"
#include "bus/irq_line.hpp"
#include "bus/port_bus.hpp"
#include "bus/scheduler.hpp"
#include "devices/fdc/drive.hpp"

#include <array>
#include <deque>
#include <memory>
#include <span>
#include <vector>

namespace glassbox {

class Fdc : public IoDevice {
  public:
    static constexpr unsigned drive_count = 2, dma_channel = 2;

    /// Maps itself at 3F0h-3F5h and 3F7h. Drive 0 is attached; drive 1 is once it gets a disk.
    Fdc(Scheduler& scheduler, PortBus& ports, IrqLine irq6, DmaPort& dma, unsigned speedup = 10);

    /// The error names the file and the sizes known. Replaces the disk that is in the drive.
    Expected<> insert(unsigned drive, std::unique_ptr<Image> image);
    void eject(unsigned drive);
    Image* image(unsigned drive) const;
    /// The drive's type for a nibble of CMOS 10h; 0: no drive.
    u8 cmos_type(unsigned drive) const;
    /// The motors of drives 0 and 1, for an activity light.
    u8 motors() const { return static_cast<u8>((dor_ >> 4) & 3); }

    /// The chip as a debugger shows it: looking changes nothing.
    struct Registers {
        u8 dor, tdr, dsr, msr;
        const char* phase;
        std::span<const u8> command; ///< the command byte and the parameters that have come
        std::span<const u8> specify; ///< SRT/HUT, HLT/ND
        std::span<const u8> pcn;     ///< present cylinder numbers
        u8 configure, pretrack, perpendicular, st0, st1, st2, c, h, r, n, eot;
        std::size_t result_bytes; ///< that wait to be read
        bool irq, locked;
    };
    Registers registers() const {
        constexpr std::array phases{"command", "execution", "result"};
        return {dor_,
                tdr_,
                dsr_,
                main_status(),
                phases[static_cast<std::size_t>(phase_)],
                command_,
                specify_,
                pcn_,
                configure_,
                pretrack_,
                perpendicular_,
                st0_,
                st1_,
                st2_,
                c_,
                h_,
                r_,
                n_,
                eot_,
                result_.size(),
                irq_level_,
                locked_};
    }
    const FloppyDrive& floppy(unsigned number) const { return drives_.at(number); }

    void reset();
    void persist(Archive& archive);

    u64 read(u64 offset, unsigned width) override;
    std::optional<u64> peek(u64 offset, unsigned width) const override;
    void write(u64 offset, unsigned width, u64 value) override;

  private:
    enum class Phase : u8 { command, execution, result };
    /// What the controller's next event, or the host's next byte, is for.
    enum class Stage : u8 {
        idle,
        resetting,
        implied_seek,
        sector,
        failing,
        identify,
        host_reads,
        host_writes,
        formatting
    };
    enum class Operation : u8 {
        none,
        read,
        read_deleted,
        read_track,
        write,
        write_deleted,
        verify,
        scan_equal,
        scan_low,
        scan_high,
        format
    };

    struct Command {
        u8 code;  ///< without its flags
        u8 flags; ///< the bits that may be set besides: MT 80h, MFM 40h, SK 20h
        u8 parameters;
        void (Fdc::*execute)();
    };
    static const Command* find_command(u8 code);

    // fdc.cpp: registers
    u8 main_status() const;
    bool gives_data() const;
    u8 peek_fifo() const;
    void take_fifo();
    void write_fifo(u8 value);
    void write_dor(u8 value);
    void software_reset();
    void start_reset();
    void set_irq(bool level);
    void fire();

    // commands.cpp
    void start_command();
    void respond(std::initializer_list<u8> bytes);
    void invalid();
    void specify();
    void sense_drive();
    void sense_interrupt();
    void recalibrate();
    void seek();
    void seek_done(unsigned unit);
    void start_seek(unsigned unit, unsigned steps, u8 st0);
    void configure();
    void perpendicular();
    void lock();
    void dump_registers();
    void version();
    void read_id();
    void format_track();
    void transfer_command();

    // transfer.cpp
    void begin_sector();
    void sector_passes();
    void read_sector();
    void write_sector();
    void scan_sector();
    void deliver_to_host();
    void host_finished();
    void sector_done(bool terminal_count);
    bool advance();
    void identify();
    void format_sectors();
    bool locate(bool any_id);
    bool readable_media() const;
    void fail_later(u8 st1, u8 st2);
    void finish(bool normal);

    FloppyDrive* drive(unsigned unit);
    const FloppyDrive* drive(unsigned unit) const;
    FloppyDrive* selected() { return drive(unit_); }
    const FloppyDrive* selected() const { return drive(unit_); }
    Time rotation() const;
    Time scaled(Time real) const { return real / speedup_; }
    Time step_time() const;
    /// When the end of a sector next passes the head.
    Time sector_end(unsigned sector) const;
    bool dma_mode() const { return (specify_[1] & 1) == 0; }
    bool writing() const { return operation_ == Operation::write || operation_ == Operation::write_deleted; }
    bool scanning() const { return operation_ >= Operation::scan_equal && operation_ <= Operation::scan_high; }

    Scheduler& scheduler_;
    IrqLine irq_;
    DmaPort& dma_;
    u64 speedup_;
    std::array<FloppyDrive, drive_count> drives_;

    u8 dor_ = 0, tdr_ = 0, dsr_ = 2;
    bool irq_level_ = false;
    Phase phase_ = Phase::command;
    Stage stage_ = Stage::idle;
    Operation operation_ = Operation::none;
    std::vector<u8> command_; ///< the command byte and the parameters received
    std::deque<u8> result_;
    bool result_clears_irq_ = false;

    std::array<u8, 2> specify_{};          ///< SRT/HUT, HLT/ND
    std::array<u8, 4> pcn_{};              ///< present cylinder numbers
    std::array<u8, 4> pending_{};          ///< ST0 for SENSE INTERRUPT STATUS
    u8 pending_mask_ = 0, reset_mask_ = 0; ///< units with one; those that come from a reset
    u8 seeking_ = 0;                       ///< units whose head moves: the busy bits of the MSR
    std::array<u8, 4> seek_target_{}, seek_st0_{};
    u8 configure_ = 0x20, pretrack_ = 0, perpendicular_ = 0, last_eot_ = 0;
    bool locked_ = false;

    // The command in execution.
    u8 unit_ = 0, head_ = 0;
    u8 c_ = 0, h_ = 0, r_ = 0, n_ = 0, eot_ = 0, dtl_ = 0;
    u8 st0_ = 0, st1_ = 0, st2_ = 0;
    u8 track_sector_ = 0; ///< READ TRACK: physical sector
    u8 sectors_left_ = 0; ///< VERIFY with EC
    bool last_ = false;   ///< the sector in the buffer is the last one, by its data mark
    std::vector<u8> buffer_;
    u32 position_ = 0; ///< the host's place in the buffer

    Scheduler::Event event_;
    std::array<Scheduler::Event, 4> seek_events_;
};

} // namespace glassbox
