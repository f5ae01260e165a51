#include "devices/ide/drive.hpp"

#include <utility>

namespace glassbox::ide {

Drive::Drive(Scheduler& scheduler, std::string name, unsigned unit, DriveLink& link)
    : unit_(unit), name_(std::move(name)), link_(link), event_(scheduler, name_, [this] { step(); }) {}

void Drive::set_intrq(bool level) {
    if (intrq_ == level) return;
    intrq_ = level;
    link_.interrupt_changed();
}

void Drive::command(u8 code) {
    command_ = code;
    diagnosing_ = false;
    regs.error = 0;
    set_intrq(false);
    become_busy(Stage::start, command_time);
}

void Drive::diagnose(bool interrupt) {
    set_intrq(false);
    reset_protocol();
    command_ = 0x90;
    diagnosing_ = interrupt;
    become_busy(Stage::start, command_time);
}

void Drive::hold_reset() {
    event_.cancel();
    set_intrq(false);
    phase_ = Phase::busy;
    regs.status = status::bsy;
}

void Drive::release_reset() {
    reset_protocol();
    command_ = 0x90;
    diagnosing_ = false;
    become_busy(Stage::start, command_time);
}

void Drive::power_on_reset() {
    event_.cancel();
    set_intrq(false);
    reset_protocol();
    regs = TaskFile{};
    transfer_mode_ = 0x0C;
    phase_ = Phase::idle;
    put_signature();
    regs.error = 1;
    regs.status = reset_status();
}

void Drive::become_busy(Stage stage, Time time) {
    phase_ = Phase::busy;
    stage_ = stage;
    regs.status = static_cast<u8>((regs.status & ~(status::drq | status::err | status::df)) | status::bsy);
    event_.after(time);
}

void Drive::step() {
    if (stage_ == Stage::block_done) return block_written();
    if (command_ != 0x90) return execute();
    put_signature(); // a reset or the diagnostic is over: passed
    regs.error = 1;
    regs.status = reset_status();
    phase_ = Phase::idle;
    if (std::exchange(diagnosing_, false)) set_intrq(true);
}

void Drive::open_block(Phase phase, u32 bytes, bool interrupt) {
    phase_ = phase;
    block_end_ = position_ + bytes;
    regs.status = static_cast<u8>(ready_status() | status::drq);
    ++activity_;
    if (interrupt) set_intrq(true);
}

void Drive::finish_block() {
    if (phase_ == Phase::data_in) return block_read();
    become_busy(Stage::block_done, block_time);
}

void Drive::request_dma(Phase phase) {
    phase_ = phase;
    position_ = 0;
    block_end_ = static_cast<u32>(buffer_.size());
    regs.status = static_cast<u8>(ready_status() | status::drq);
    ++activity_;
    link_.dma_requested();
}

void Drive::dma_advance(std::size_t bytes) {
    position_ += static_cast<u32>(bytes);
    if (position_ >= buffer_.size()) dma_moved();
}

void Drive::complete(bool interrupt) {
    phase_ = Phase::idle;
    regs.status = ready_status();
    if (interrupt) set_intrq(true);
}

void Drive::fail(u8 error_bits, u8 extra_status) {
    regs.error = error_bits;
    phase_ = Phase::idle;
    regs.status = static_cast<u8>(ready_status() | status::err | extra_status);
    set_intrq(true);
}

bool Drive::set_transfer_mode() {
    const u8 mode = regs.sector_count.now, kind = mode >> 3, number = mode & 7;
    const bool known = (kind == 0 && number < 2) || (kind == 1 && number < 5) || (kind == 4 && number < 3) ||
                       (kind == 8 && number < 6) || (kind == 2 && number < 3);
    if (known && kind >= 2) transfer_mode_ = mode;
    return known;
}

void Drive::put_transfer_modes(std::array<u16, 256>& words) const {
    const u8 kind = transfer_mode_ >> 3;
    const u16 chosen = static_cast<u16>(0x100 << (transfer_mode_ & 7));
    words[62] = static_cast<u16>(0x07 | (kind == 2 ? chosen : 0));
    words[63] = static_cast<u16>(0x07 | (kind == 4 ? chosen : 0));
    words[88] = static_cast<u16>(0x3F | (kind == 8 ? chosen : 0));
    words[64] = 3; // PIO 3 and 4
    words[65] = words[66] = words[67] = words[68] = 120;
    words[93] = unit_ == 0 ? 0x400B : 0x4B00; // numbered by jumper; device 1 asserted PDIAG-
}

void Drive::put_text(std::array<u16, 256>& words, unsigned at, unsigned count, const std::string& text) {
    for (unsigned i = 0; i < count * 2; ++i) {
        const u8 c = i < text.size() ? static_cast<u8>(text[i]) : u8{' '};
        words[at + i / 2] = static_cast<u16>(i % 2 ? words[at + i / 2] | c : c << 8);
    }
}

void Drive::send_words(const std::array<u16, 256>& words) {
    buffer_.assign(512, 0);
    for (unsigned i = 0; i < 256; ++i) {
        buffer_[2 * i] = static_cast<u8>(words[i]);
        buffer_[2 * i + 1] = static_cast<u8>(words[i] >> 8);
    }
    position_ = 0;
    open_block(Phase::data_in, 512, true);
}

void Drive::persist_drive(Archive& archive) {
    archive(regs, command_, phase_, stage_, position_, block_end_, intrq_, diagnosing_, transfer_mode_);
    archive.bounded(buffer_, most_buffer);
    archive.require(phase_ <= Phase::dma_out, "a drive is in a phase that does not exist");
    archive.require(stage_ <= Stage::block_done, "a drive is in a stage that does not exist");
    archive.require(position_ <= block_end_ && block_end_ <= buffer_.size(), "a drive's position is out of its buffer");
    const bool moving = phase_ != Phase::idle && phase_ != Phase::busy;
    const bool dma = phase_ == Phase::dma_in || phase_ == Phase::dma_out;
    archive.require(!moving || position_ < (dma ? buffer_.size() : block_end_), "a drive moves no data");
    archive.require(busy() == (phase_ == Phase::busy), "a drive's status contradicts its phase");
}

} // namespace glassbox::ide
