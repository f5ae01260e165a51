// The motherboard's small ports: system control port B at 61h (82371SB data sheet, 2.5.5.1 NMI status and control),
// system control port A at 92h (fast A20 and reset; IBM PS/2 technical reference) and the POST code at 80h.
//
// Deviation: nothing on this board asserts SERR# or IOCHK#, so their status bits stay clear.
#pragma once

#include "bus/port_bus.hpp"
#include "bus/scheduler.hpp"
#include "devices/chipset/a20_gate.hpp"

#include <functional>

namespace glassbox {

class SystemControl : public IoDevice {
  public:
    struct Callbacks {
        std::function<void(bool)> set_gate2;   ///< PIT channel 2's gate
        std::function<bool()> output2;         ///< PIT channel 2's output
        std::function<bool()> refresh_toggle;  ///< PIT channel 1, divided by two; null: derived from the time
        std::function<void(bool)> set_speaker; ///< the speaker's data enable
        std::function<void()> reset_processor; ///< port 92h, bit 0
    };

    SystemControl(Scheduler& scheduler, A20Gate& a20, Callbacks callbacks);
    void map(PortBus& ports);
    void reset();

    u64 read(u64 offset, unsigned width) override;
    std::optional<u64> peek(u64 offset, unsigned width) const override;
    void write(u64 offset, unsigned width, u64 value) override;

    u8 post_code() const { return post_code_; }
    u8 port_b() const { return read_nmi_status(); } ///< 61h as it reads now
    void persist(Archive& archive);

  private:
    enum Register : u64 { nmi_status, port_a, post };
    u8 read_nmi_status() const;

    Scheduler& scheduler_;
    A20Gate& a20_;
    Callbacks callbacks_;
    u8 control_ = 0; // port 61h, bits 3-0
    u8 port_a_ = 0;  // port 92h but for the A20 and reset bits
    u8 post_code_ = 0;
};

} // namespace glassbox
