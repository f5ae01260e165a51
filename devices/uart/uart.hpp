// The NS16550A asynchronous receiver/transmitter (National Semiconductor PC16550D data sheet) as a PC wires it: OUT2
// gates the interrupt, the clock is 1.8432 MHz, and CTS, DSR and DCD are held active by the peer.
//
// Bytes take their bit times in guest time. A received byte waits at the host's side while the FIFO is full, as a peer
// with flow control would, so nothing the user types is lost; overruns happen in loopback only.
// Deviations: the peer never sends parity or framing errors; the DMA mode pins are not connected.
#pragma once

#include "bus/archive.hpp"
#include "bus/byte_sink.hpp"
#include "bus/irq_line.hpp"
#include "bus/port_bus.hpp"
#include "bus/scheduler.hpp"

#include <deque>
#include <span>
#include <string>
#include <vector>

namespace glassbox {

class Uart16550 : public IoDevice {
  public:
    /// `name` is unique on the board. `sink` may be null. A byte never takes longer than `slowest_byte`, whatever rate
    /// the guest programs: a way to speed up consoles; `never` keeps to the line's rate.
    Uart16550(Scheduler& scheduler, IrqLine irq, ByteSink* sink, std::string name, Time slowest_byte = never);

    /// At the ports of COM1-COM4 (`index` 0-3).
    void map(PortBus& ports, unsigned index);
    /// The ISA interrupt of COM1-COM4.
    static unsigned standard_irq(unsigned index) { return index % 2 ? 3 : 4; }
    void reset();

    u64 read(u64 offset, unsigned width) override;
    std::optional<u64> peek(u64 offset, unsigned width) const override;
    void write(u64 offset, unsigned width, u64 value) override;

    /// Bytes from the outside. False, and nothing is taken, if more than `queue_limit` would wait.
    bool receive(std::span<const u8> data);
    /// The line's break condition: one null character with the break flag.
    void receive_break();
    /// The machine stops here: what waits behind the shift register still leaves, so that no last word is lost.
    void finish_sending();
    static constexpr std::size_t queue_limit = 1u << 20;

    void persist(Archive& archive);

    /// The chip as a debugger shows it: looking changes nothing.
    struct Registers {
        u8 ier, iir, lcr, mcr, lsr, msr, scr;
        u16 divisor;
        bool fifo_enabled, shifting, interrupt;
        unsigned trigger;                  ///< of the receiver's FIFO, in bytes
        u8 shift;                          ///< in the transmitter's shift register
        std::vector<u8> transmit, receive; ///< the FIFOs
        std::size_t line;                  ///< bytes on their way in
        Time character_time;
    };
    Registers registers() const {
        const u8 id = interrupt_id();
        Registers r{ier_,
                    static_cast<u8>(id | (fifo_enabled_ ? 0xC0 : 0)),
                    lcr_,
                    mcr_,
                    line_status(),
                    msr_,
                    scr_,
                    static_cast<u16>(dlm_ << 8 | dll_),
                    fifo_enabled_,
                    shifting_,
                    (id & 1) == 0 && (mcr_ & 0x18) == 0x08,
                    trigger_level(),
                    shift_,
                    {transmit_fifo_.begin(), transmit_fifo_.end()},
                    {},
                    line_.size(),
                    character_time()};
        for (const Character& c : receive_fifo_) r.receive.push_back(c.data);
        return r;
    }
    const std::string& name() const { return name_; }

  private:
    struct Character {
        u8 data = 0;
        u8 errors = 0; // as in the LSR
        void persist(Archive& archive) { archive(data, errors); }
    };

    Time character_time() const;
    unsigned fifo_depth() const { return fifo_enabled_ ? 16 : 1; }
    unsigned trigger_level() const;
    bool loopback() const { return (mcr_ & 0x10) != 0; }

    void take_data();
    void write_data(u8 value);
    void write_ier(u8 value);
    void write_fcr(u8 value);
    void write_lcr(u8 value);
    void write_mcr(u8 value);

    void start_transmitter();
    void character_sent();
    void character_arrives();
    void enter(Character character);
    void expect_character();
    void watch_for_timeout();
    void clear_receiver();
    u8 modem_inputs() const;
    void modem_changed();
    u8 line_status() const;
    u8 interrupt_id() const;
    void update_interrupt();

    IrqLine irq_;
    ByteSink* sink_;
    std::string name_;
    Time slowest_byte_;
    Scheduler::Event transmit_, receive_, timeout_;

    u8 ier_ = 0, lcr_ = 0, mcr_ = 0, scr_ = 0, dll_ = 0, dlm_ = 0;
    u8 msr_ = 0;
    u8 errors_ = 0; // OE, and PE FE BI of the character at the top of the FIFO
    bool fifo_enabled_ = false;
    u8 trigger_ = 0;            // FCR bits 7-6
    bool thre_pending_ = false; // the THRE interrupt, reset by reading IIR
    bool timed_out_ = false;
    bool shifting_ = false; // the transmitter's shift register is busy
    u8 shift_ = 0;
    std::deque<u8> transmit_fifo_;
    std::deque<Character> receive_fifo_;
    std::deque<Character> line_; // on its way in
};

} // namespace glassbox
