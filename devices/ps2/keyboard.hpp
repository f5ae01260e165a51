// The 101/102-key PS/2 keyboard (IBM PS/2 Hardware Interface Technical Reference, "Keyboards (101- and 102-Key)"):
// scan code sets 1-3, its commands, typematic repetition in guest time, and the 16-byte buffer with its overrun code.
//
// Deviations: the basic assurance test takes 10 ms instead of half a second, and nothing is sent at power-on.
#pragma once

#include "bus/scheduler.hpp"
#include "devices/ps2/ps2_device.hpp"
#include "devices/ps2/scan_codes.hpp"

#include <array>
#include <deque>
#include <vector>

namespace glassbox {

class Ps2Keyboard : public Ps2Device {
  public:
    explicit Ps2Keyboard(Scheduler& scheduler);
    void reset();

    /// A key moves. What is pressed already cannot be pressed again: the host's repetition is not the guest's.
    void key(KeyId key, bool pressed);
    u8 leds() const { return leds_; } ///< bit 0 scroll, 1 num, 2 caps

    /// Everything typed has been taken: for whoever types faster than the guest reads.
    bool drained() const { return buffer_.empty(); }

    /// The keyboard as a debugger shows it: looking changes nothing.
    struct Registers {
        std::vector<u8> replies, buffer;
        bool scanning, overrun;
        u8 set, typematic, awaited_by;
        std::vector<KeyId> down; ///< the keys that are held
    };
    Registers registers() const {
        Registers r{{replies_.begin(), replies_.end()},
                    {buffer_.begin(), buffer_.end()},
                    scanning_,
                    overrun_,
                    set_,
                    typematic_,
                    awaited_by_,
                    {}};
        for (unsigned key = 0; key < 256; ++key) {
            if (down_[key]) r.down.push_back(KeyId::from(static_cast<u8>(key)));
        }
        return r;
    }

    bool has_output() const override { return !replies_.empty() || !buffer_.empty(); }
    u8 take() override;
    void command(u8 byte) override;

    void persist(Archive& archive);

    static constexpr std::size_t buffer_size = 16;
    static constexpr Time self_test_time = 10 * millisecond;

  private:
    static constexpr u8 nothing = 0; // no argument awaited, no key repeating

    void set_defaults();
    void set_all_types(KeyType type);
    void execute(u8 byte);
    void start_scanning();
    void argument(u8 command, u8 byte);
    void reply(u8 byte) { replies_.push_back(byte); }
    void self_test_done();
    KeyModifiers modifiers() const;
    bool sends(KeyId key, bool pressed) const;
    bool repeats(KeyId key) const;
    void put(const std::vector<u8>& codes);
    void repeat();
    Time repeat_delay() const;
    Time repeat_period() const;

    Scheduler::Event repeat_event_, self_test_;

    std::deque<u8> replies_; // to commands; go before scan codes
    std::deque<u8> buffer_;
    bool overrun_ = false; // the overrun code is in the buffer
    bool scanning_ = true;
    u8 set_ = 2;
    u8 leds_ = 0;
    u8 typematic_ = 0;
    u8 awaited_by_ = nothing; // the command whose argument comes next
    u8 last_sent_ = 0;
    u8 repeating_ = nothing;
    std::array<bool, 256> down_{};
    std::array<KeyType, 256> types_{}; // by set-3 code
};

} // namespace glassbox
