#include "devices/uart/uart.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace glassbox {

namespace {
enum Register : u64 { rbr_thr, ier, iir_fcr, lcr, mcr, lsr, msr, scr };
constexpr u8 dlab = 0x80, set_break = 0x40;
constexpr u8 ier_rx = 1, ier_thre = 2, ier_line = 4, ier_modem = 8;
constexpr u8 lsr_dr = 0x01, lsr_oe = 0x02, lsr_bi = 0x10, lsr_errors = 0x1E, lsr_thre = 0x20, lsr_temt = 0x40,
             lsr_fifo_error = 0x80;
constexpr u8 iir_none = 1, iir_modem = 0, iir_thre = 2, iir_data = 4, iir_line = 6, iir_timeout = 0xC;
constexpr u8 mcr_out2 = 8;
constexpr u8 msr_ri = 0x40;
} // namespace

Uart16550::Uart16550(Scheduler& scheduler, IrqLine irq, ByteSink* sink, std::string name, Time slowest_byte)
    : irq_(irq), sink_(sink), name_(std::move(name)), slowest_byte_(slowest_byte),
      transmit_(scheduler, name_ + ".transmit", [this] { character_sent(); }),
      receive_(scheduler, name_ + ".receive", [this] { character_arrives(); }),
      timeout_(scheduler, name_ + ".timeout", [this] {
          timed_out_ = true;
          update_interrupt();
      }) {
    reset();
}

void Uart16550::map(PortBus& ports, unsigned index) {
    constexpr std::array<u16, 4> bases{0x3F8, 0x2F8, 0x3E8, 0x2E8};
    ports.map(name_, {Port{bases.at(index)}, 8}, *this);
}

// Table III of the data sheet: the master reset leaves the scratch register and the divisor alone; they start as
// 0 and, as a usable line, 9600 baud.
void Uart16550::reset() {
    ier_ = lcr_ = mcr_ = scr_ = errors_ = trigger_ = 0;
    dll_ = 12, dlm_ = 0;
    fifo_enabled_ = thre_pending_ = shifting_ = false;
    transmit_fifo_.clear();
    transmit_.cancel();
    clear_receiver();
    msr_ = modem_inputs();
    update_interrupt();
    expect_character();
}

// Start bit, 5-8 data bits, parity, 1, 1.5 or 2 stop bits, counted in halves, at 115200 / divisor.
Time Uart16550::character_time() const {
    const unsigned data = 5 + (lcr_ & 3);
    const unsigned stop = (lcr_ & 4) == 0 ? 2 : data == 5 ? 3 : 4;
    const unsigned halves = 2 + 2 * data + ((lcr_ & 8) ? 2 : 0) + stop;
    const u64 divisor = std::max<u64>(1, dll_ | dlm_ << 8);
    return std::min(time_of(halves * divisor, 230'400), slowest_byte_);
}

unsigned Uart16550::trigger_level() const {
    constexpr std::array<u8, 4> levels{1, 4, 8, 14};
    return fifo_enabled_ ? levels[trigger_ >> 6] : 1;
}

std::optional<u64> Uart16550::peek(u64 offset, unsigned) const {
    switch (offset & 7) {
    case rbr_thr: return (lcr_ & dlab) ? dll_ : receive_fifo_.empty() ? u8{0} : receive_fifo_.front().data;
    case ier: return (lcr_ & dlab) ? dlm_ : ier_;
    case iir_fcr: return static_cast<u8>(interrupt_id() | (fifo_enabled_ ? 0xC0 : 0));
    case lcr: return lcr_;
    case mcr: return mcr_;
    case lsr: return line_status();
    case msr: return msr_;
    default: return scr_;
    }
}

u64 Uart16550::read(u64 offset, unsigned width) {
    const u64 value = *peek(offset, width);
    switch (offset & 7) {
    case rbr_thr:
        if (!(lcr_ & dlab)) take_data();
        return value;
    case iir_fcr:
        if (interrupt_id() == iir_thre) thre_pending_ = false;
        break;
    case lsr: errors_ = 0; break;
    case msr: msr_ &= 0xF0; break;
    default: return value;
    }
    update_interrupt();
    return value;
}

void Uart16550::write(u64 offset, unsigned, u64 value) {
    const auto byte = static_cast<u8>(value);
    switch (offset & 7) {
    case rbr_thr: (lcr_ & dlab) ? void(dll_ = byte) : write_data(byte); break;
    case ier: (lcr_ & dlab) ? void(dlm_ = byte) : write_ier(byte); break;
    case iir_fcr: write_fcr(byte); break;
    case lcr: write_lcr(byte); break;
    case mcr: write_mcr(byte); break;
    case scr: scr_ = byte; break;
    default: break; // LSR and MSR are read-only (writing them is for factory tests, 8.4)
    }
}

void Uart16550::take_data() {
    if (receive_fifo_.empty()) return;
    receive_fifo_.pop_front();
    // The error flags belong to the character at the top.
    if (!receive_fifo_.empty()) errors_ |= std::exchange(receive_fifo_.front().errors, u8{0});
    timed_out_ = false;
    watch_for_timeout();
    expect_character();
    update_interrupt();
}

u8 Uart16550::line_status() const {
    u8 status = errors_;
    if (!receive_fifo_.empty()) status |= lsr_dr;
    if (transmit_fifo_.empty()) status |= lsr_thre;
    if (transmit_fifo_.empty() && !shifting_) status |= lsr_temt;
    const auto broken = [](const Character& c) { return c.errors != 0; };
    const bool any = std::any_of(receive_fifo_.begin(), receive_fifo_.end(), broken);
    if (fifo_enabled_ && (any || (errors_ & (lsr_errors & ~lsr_oe)))) status |= lsr_fifo_error;
    return status;
}

void Uart16550::write_data(u8 value) {
    // A byte written to a full FIFO replaces nothing that waits: the data sheet leaves it open, the chip drops it.
    // Without FIFOs the holding register is overwritten.
    if (!fifo_enabled_) transmit_fifo_.clear();
    if (transmit_fifo_.size() < 16) transmit_fifo_.push_back(value);
    thre_pending_ = false;
    update_interrupt(); // low between two characters, so that an edge-triggered controller sees the next
    if (!shifting_) start_transmitter();
}

void Uart16550::start_transmitter() {
    shift_ = transmit_fifo_.front();
    transmit_fifo_.pop_front();
    shifting_ = true;
    if (!loopback() && sink_ && !(lcr_ & set_break)) sink_->put(shift_);
    transmit_.after(character_time());
    if (transmit_fifo_.empty()) thre_pending_ = true;
    update_interrupt();
}

void Uart16550::character_sent() {
    shifting_ = false;
    if (loopback()) enter((lcr_ & set_break) ? Character{0, lsr_bi} : Character{shift_, 0});
    if (!transmit_fifo_.empty()) start_transmitter();
}

void Uart16550::finish_sending() {
    while (!transmit_fifo_.empty()) {
        if (!loopback() && sink_ && !(lcr_ & set_break)) sink_->put(transmit_fifo_.front());
        transmit_fifo_.pop_front();
    }
}

void Uart16550::write_ier(u8 value) {
    // Enabling the interrupt while the holding register is empty makes one, even if IIR was read before.
    if (!(ier_ & ier_thre) && (value & ier_thre) && transmit_fifo_.empty()) thre_pending_ = true;
    ier_ = value & 0x0F;
    update_interrupt();
}

void Uart16550::write_fcr(u8 value) {
    const bool enable = (value & 1) != 0;
    if (enable != fifo_enabled_) value |= 6; // changing the mode clears both FIFOs (8.5)
    fifo_enabled_ = enable;
    if (enable) trigger_ = value & 0xC0;
    if (value & 2) clear_receiver();
    if ((value & 4) && !transmit_fifo_.empty()) {
        transmit_fifo_.clear();
        thre_pending_ = true;
    }
    watch_for_timeout();
    expect_character();
    update_interrupt();
}

void Uart16550::write_lcr(u8 value) {
    const bool breaks = (value & set_break) && !(lcr_ & set_break);
    lcr_ = value;
    if (breaks && loopback()) enter({0, lsr_bi});
}

// In loopback the four outputs feed the four inputs, and the pins are inactive (8.7).
void Uart16550::write_mcr(u8 value) {
    mcr_ = value & 0x1F;
    modem_changed();
    expect_character();
    update_interrupt();
}

u8 Uart16550::modem_inputs() const {
    if (!loopback()) return 0xB0; // DCD, DSR and CTS from the peer
    return static_cast<u8>((mcr_ & 0x0C) << 4 | (mcr_ & 2) << 3 | (mcr_ & 1) << 5);
}

void Uart16550::modem_changed() {
    const u8 levels = modem_inputs();
    u8 changed = (levels ^ msr_) & 0xF0;
    if (levels & msr_ri) changed &= static_cast<u8>(~msr_ri); // TERI: the trailing edge only
    msr_ = static_cast<u8>(levels | (msr_ & 0x0F) | changed >> 4);
}

bool Uart16550::receive(std::span<const u8> data) {
    if (data.size() > queue_limit - std::min(queue_limit, line_.size())) return false;
    for (u8 byte : data) line_.push_back({byte, 0});
    expect_character();
    return true;
}

void Uart16550::receive_break() {
    if (line_.size() >= queue_limit) return;
    line_.push_back({0, lsr_bi});
    expect_character();
}

void Uart16550::expect_character() {
    const bool room = !line_.empty() && receive_fifo_.size() < fifo_depth() && !loopback();
    if (room && !receive_.pending()) receive_.after(character_time());
    if (!room) receive_.cancel();
}

void Uart16550::character_arrives() {
    if (line_.empty()) return;
    const Character next = line_.front();
    line_.pop_front();
    enter(next);
    expect_character();
}

void Uart16550::enter(Character character) {
    if (receive_fifo_.size() >= fifo_depth()) {
        errors_ |= lsr_oe;
        // The shift register is lost; without FIFOs the unread character is.
        if (!fifo_enabled_) receive_fifo_.front() = character;
    } else {
        receive_fifo_.push_back(character);
    }
    if (receive_fifo_.size() == 1) errors_ |= std::exchange(receive_fifo_.front().errors, u8{0});
    timed_out_ = false;
    watch_for_timeout();
    update_interrupt();
}

// Four character times without traffic while the FIFO holds something (8.5).
void Uart16550::watch_for_timeout() {
    if (fifo_enabled_ && !receive_fifo_.empty()) {
        timeout_.after(4 * character_time());
    } else {
        timeout_.cancel();
    }
}

void Uart16550::clear_receiver() {
    receive_fifo_.clear();
    timed_out_ = false;
    timeout_.cancel();
}

// Table V: the highest priority first.
u8 Uart16550::interrupt_id() const {
    if ((ier_ & ier_line) && errors_) return iir_line;
    if (ier_ & ier_rx) {
        if (receive_fifo_.size() >= trigger_level()) return iir_data;
        if (timed_out_) return iir_timeout;
    }
    if ((ier_ & ier_thre) && thre_pending_) return iir_thre;
    if ((ier_ & ier_modem) && (msr_ & 0x0F)) return iir_modem;
    return iir_none;
}

// OUT2, which loopback forces inactive, enables the driver of the ISA wire.
void Uart16550::update_interrupt() { irq_.set(interrupt_id() != iir_none && (mcr_ & mcr_out2) && !loopback()); }

void Uart16550::persist(Archive& archive) {
    archive.chunk(name_, 1, [&](u32) {
        archive(ier_, lcr_, mcr_, scr_, dll_, dlm_, msr_, errors_, fifo_enabled_, trigger_, thre_pending_, timed_out_,
                shifting_, shift_, transmit_fifo_, receive_fifo_, line_);
        archive.require((ier_ & 0xF0) == 0 && (mcr_ & 0xE0) == 0, "a UART register has impossible bits");
        archive.require(transmit_fifo_.size() <= fifo_depth() && receive_fifo_.size() <= fifo_depth(),
                        "a UART's FIFO is too long");
        archive.require(line_.size() <= queue_limit, "a UART's input is too long");
    });
}

} // namespace glassbox
