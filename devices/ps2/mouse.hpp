// The PS/2 mouse (IBM PS/2 Hardware Interface Technical Reference, "Auxiliary Device"), with Microsoft's wheel
// (IntelliMouse, identity 3) and five-button (Explorer, identity 4) extensions that the well-known sequences of sample
// rates switch on.
//
// Movement that does not fit into a packet goes into the next one; the overflow bits show when even that is too much.
#pragma once

#include "bus/scheduler.hpp"
#include "devices/ps2/ps2_device.hpp"

#include <array>
#include <deque>
#include <vector>

namespace glassbox {

class Ps2Mouse : public Ps2Device {
  public:
    explicit Ps2Mouse(Scheduler& scheduler);
    void reset();

    /// Right, down and towards the user are positive; buttons: bit 0 left, 1 right, 2 middle, 3 and 4 the side ones.
    void move(int dx, int dy, int wheel, u8 buttons);

    /// The mouse as a debugger shows it: looking changes nothing.
    struct Registers {
        std::vector<u8> replies, packet;
        const char* mode;
        bool enabled, scaling;
        u8 resolution, rate, identity, buttons, awaited_by;
        int dx, dy, wheel; ///< gathered for the next packet
    };
    Registers registers() const {
        constexpr std::array modes{"stream", "remote", "wrap"};
        return {{replies_.begin(), replies_.end()},
                {packet_.begin(), packet_.end()},
                modes[static_cast<std::size_t>(mode_)],
                enabled_,
                scaling_,
                resolution_,
                rate_,
                identity_,
                buttons_,
                awaited_by_,
                dx_,
                dy_,
                wheel_};
    }

    bool has_output() const override { return !replies_.empty() || !packet_.empty(); }
    u8 take() override;
    void command(u8 byte) override;

    void persist(Archive& archive);

    static constexpr Time self_test_time = 10 * millisecond;
    static constexpr int counter_limit = 4095; // per axis, between packets

  private:
    enum class Mode : u8 { stream, remote, wrap };

    void set_defaults();
    void clear_counters();
    void execute(u8 byte);
    void argument(u8 command, u8 byte);
    void switch_identity();
    void reply(u8 byte);
    void reply_status();
    void append_packet(std::deque<u8>& out, bool scale);
    bool moved() const { return dx_ || dy_ || wheel_ || buttons_ != sent_buttons_; }
    bool reporting() const { return mode_ == Mode::stream && enabled_; }
    void plan_sample();
    void sample();
    void self_test_done();

    Scheduler& scheduler_;
    Scheduler::Event sample_event_, self_test_;

    std::deque<u8> replies_, packet_;
    Mode mode_ = Mode::stream;
    Mode before_wrap_ = Mode::stream;
    bool enabled_ = false;
    bool scaling_ = false;
    bool overflow_x_ = false, overflow_y_ = false;
    u8 resolution_ = 2, rate_ = 100, identity_ = 0;
    u8 awaited_by_ = 0;
    u8 last_sent_ = 0;
    std::array<u8, 3> last_rates_{};
    i32 dx_ = 0, dy_ = 0, wheel_ = 0; // up and right are positive here
    u8 buttons_ = 0, sent_buttons_ = 0;
    Time last_sample_ = 0;
};

} // namespace glassbox
