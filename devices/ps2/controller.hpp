// The 8042 keyboard and auxiliary device controller at ports 60h and 64h (IBM PS/2 Hardware Interface Technical
// Reference, "Keyboard and Auxiliary Device Controller"), with a keyboard and a mouse plugged in.
//
// A byte takes a while on its way into the output buffer, so that interrupts are edges and a slow reader finds what
// real hardware shows. Deviations: a device's byte takes 0.25 ms instead of about 1 ms; commands take effect at once
// (the input buffer only looks busy for a moment); the password and diagnostic dump commands do nothing.
#pragma once

#include "bus/irq_line.hpp"
#include "bus/port_bus.hpp"
#include "bus/scheduler.hpp"
#include "devices/ps2/keyboard.hpp"
#include "devices/ps2/mouse.hpp"

#include <array>
#include <deque>
#include <functional>
#include <vector>

namespace glassbox {

class Ps2Controller : public IoDevice {
  public:
    struct Callbacks {
        std::function<void(bool open)> set_a20;
        std::function<bool()> a20;             ///< as the output port reads it back
        std::function<void()> reset_processor; ///< output port bit 0 goes low
    };

    Ps2Controller(Scheduler& scheduler, IrqLine irq1, IrqLine irq12, Callbacks callbacks);
    void map(PortBus& ports);
    /// Power-on, of the two devices as well.
    void reset();

    /// A key by its set-1 code and E0 prefix; Pause is 45h extended.
    void key(u8 set1_code, bool extended, bool pressed) { keyboard_.key({set1_code, extended}, pressed); }
    /// Right, down and towards the user are positive; buttons: bit 0 left, 1 right, 2 middle.
    void mouse(int dx, int dy, int wheel, u8 buttons) { mouse_.move(dx, dy, wheel, buttons); }
    /// The guest has read all keys: whoever types faster than the guest reads waits for it between two keys.
    bool keys_taken() const { return keyboard_.drained() && !full_; }
    u8 leds() const { return keyboard_.leds(); } ///< bit 0 scroll, 1 num, 2 caps

    /// The controller as a debugger shows it: looking changes nothing.
    struct Registers {
        u8 status, configuration, output_buffer, output_port;
        u8 awaited_by; ///< the command whose data byte comes next, or 0
        bool full, from_mouse;
        std::vector<u8> replies; ///< of the controller, that wait for the output buffer
    };
    Registers registers() const {
        Registers r{read_status(), ram_[0], output_, output_port(), awaited_by_, full_, from_aux_, {}};
        for (const Reply& reply : replies_) r.replies.push_back(reply.byte);
        return r;
    }
    const Ps2Keyboard& keyboard() const { return keyboard_; }
    const Ps2Mouse& mouse() const { return mouse_; }

    u64 read(u64 offset, unsigned width) override;
    std::optional<u64> peek(u64 offset, unsigned width) const override;
    void write(u64 offset, unsigned width, u64 value) override;

    void persist(Archive& archive);

    static constexpr Time device_byte_time = 250 * microsecond;
    static constexpr Time reply_time = 20 * microsecond;
    static constexpr Time command_time = 2 * microsecond;

  private:
    enum Register : u64 { data_port, command_port };
    struct Reply {
        u8 byte = 0;
        bool aux = false;
        void persist(Archive& archive) { archive(byte, aux); }
    };

    u8 read_data();
    u8 read_status() const;
    void write_data(u8 value);
    void write_command(u8 value);
    void two_byte_command(u8 command, u8 value);
    void write_config(u8 value);
    void write_output_port(u8 value);
    u8 output_port() const;
    void reply(u8 byte, bool aux = false);
    void plan_transfer();
    void transfer();
    void keyboard_byte(u8 byte);
    void fill(u8 byte, bool aux);
    void update_irqs();

    u8& config() { return ram_[0]; }
    bool keyboard_ready() const;
    bool mouse_ready() const;

    Scheduler& scheduler_;
    IrqLine irq1_, irq12_;
    Callbacks callbacks_;
    Ps2Keyboard keyboard_;
    Ps2Mouse mouse_;
    Scheduler::Event transfer_;

    std::array<u8, 32> ram_{}; // byte 0 is the controller's configuration
    u8 output_ = 0;            // the output buffer
    bool full_ = false, from_aux_ = false;
    bool last_was_command_ = false;
    bool break_prefix_ = false; // the translator swallowed F0
    u8 awaited_by_ = 0;         // the command whose data byte comes next
    Time busy_until_ = 0;
    std::deque<Reply> replies_;
};

} // namespace glassbox
