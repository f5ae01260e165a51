#include "devices/ps2/keyboard.hpp"

#include <algorithm>

namespace glassbox {

namespace {
constexpr u8 ack = 0xFA, resend = 0xFE, self_test_passed = 0xAA;
constexpr u8 set_leds = 0xED, echo = 0xEE, select_set = 0xF0, read_id = 0xF2, set_rate = 0xF3, enable = 0xF4,
             default_disable = 0xF5, set_default = 0xF6, all_typematic = 0xF7, all_make_break = 0xF8, all_make = 0xF9,
             all_typematic_make_break = 0xFA, key_typematic = 0xFB, key_make_break = 0xFC, key_make = 0xFD,
             resend_last = 0xFE, reset_command = 0xFF;
constexpr u8 default_rate = 0x2B; // 10.9 characters a second after 500 ms
} // namespace

Ps2Keyboard::Ps2Keyboard(Scheduler& scheduler)
    : repeat_event_(scheduler, "keyboard.repeat", [this] { repeat(); }),
      self_test_(scheduler, "keyboard.self-test", [this] { self_test_done(); }) {
    reset();
}

void Ps2Keyboard::reset() {
    set_defaults();
    replies_.clear();
    self_test_.cancel();
    scanning_ = true;
    leds_ = 0;
    awaited_by_ = nothing;
    last_sent_ = 0;
}

void Ps2Keyboard::set_defaults() {
    set_ = 2;
    typematic_ = default_rate;
    for (unsigned code = 0; code < types_.size(); ++code) types_[code] = default_key_type(static_cast<u8>(code));
    buffer_.clear();
    overrun_ = false;
    repeating_ = nothing;
    repeat_event_.cancel();
}

void Ps2Keyboard::set_all_types(KeyType type) {
    types_.fill(type);
    buffer_.clear();
    overrun_ = false;
}

u8 Ps2Keyboard::take() {
    std::deque<u8>& from = replies_.empty() ? buffer_ : replies_;
    const u8 byte = from.front();
    from.pop_front();
    if (buffer_.empty()) overrun_ = false;
    last_sent_ = byte;
    return byte;
}

void Ps2Keyboard::command(u8 byte) {
    const u8 waiting = awaited_by_;
    awaited_by_ = nothing;
    replies_.clear(); // the host's clock cut the answer to an earlier command off
    if (waiting != nothing && byte < set_leds) {
        argument(waiting, byte);
        offer();
        return;
    }
    if (self_test_.pending()) { // a command ends the test, and its result never comes
        self_test_.cancel();
        scanning_ = true;
    }
    execute(byte);
    offer();
}

void Ps2Keyboard::execute(u8 byte) {
    const bool known = byte >= set_leds && byte != 0xEF && byte != 0xF1;
    if (byte != echo && byte != resend_last) reply(known ? ack : resend);
    switch (byte) {
    case set_leds:
    case select_set:
    case set_rate:
    case key_typematic:
    case key_make_break:
    case key_make: awaited_by_ = byte; break;
    case echo: reply(echo); break;
    case read_id: reply(0xAB), reply(0x83); break;
    case enable: start_scanning(); break;
    case default_disable: set_defaults(), scanning_ = false; break;
    case set_default: set_defaults(); break;
    case all_typematic: set_all_types(KeyType::typematic); break;
    case all_make_break: set_all_types(KeyType::make_break); break;
    case all_make: set_all_types(KeyType::make); break;
    case all_typematic_make_break: set_all_types(KeyType::typematic_make_break); break;
    case resend_last: reply(last_sent_); break;
    case reset_command:
        set_defaults();
        scanning_ = false;
        leds_ = 0;
        self_test_.after(self_test_time);
        break;
    default: break;
    }
}

void Ps2Keyboard::start_scanning() {
    buffer_.clear();
    overrun_ = false;
    repeating_ = nothing;
    scanning_ = true;
}

void Ps2Keyboard::argument(u8 command, u8 byte) {
    const auto set_type = [&](KeyType type) {
        types_[byte] = type;
        awaited_by_ = command; // a list of keys, until the next command
    };
    switch (command) {
    case set_leds: leds_ = byte & 7; break;
    case set_rate: typematic_ = byte & 0x7F; break;
    case key_typematic: set_type(KeyType::typematic); break;
    case key_make_break: set_type(KeyType::make_break); break;
    case key_make: set_type(KeyType::make); break;
    default: // select_set
        if (byte > 3) {
            reply(resend);
            return;
        }
        if (byte == 0) {
            reply(ack), reply(set_);
            return;
        }
        set_ = byte;
        buffer_.clear();
        overrun_ = false;
        break;
    }
    reply(ack);
}

void Ps2Keyboard::self_test_done() {
    scanning_ = true;
    reply(self_test_passed);
    offer();
}

KeyModifiers Ps2Keyboard::modifiers() const {
    return {.left_shift = down_[0x2A],
            .right_shift = down_[0x36],
            .control = down_[0x1D] || down_[0x9D],
            .alt = down_[0x38] || down_[0xB8],
            .num_lock = (leds_ & 2) != 0};
}

bool Ps2Keyboard::sends(KeyId key, bool pressed) const {
    if (set_ != 3 || pressed) return true;
    const KeyType type = types_[set3_code(key)];
    return type == KeyType::make_break || type == KeyType::typematic_make_break;
}

bool Ps2Keyboard::repeats(KeyId key) const {
    if (set_ != 3) return key.index() != pause_key.index();
    const KeyType type = types_[set3_code(key)];
    return type == KeyType::typematic || type == KeyType::typematic_make_break;
}

void Ps2Keyboard::key(KeyId key, bool pressed) {
    if (key.code == 0 || key.code > 0x7F) return;
    const u8 index = key.index();
    if (down_[index] == pressed) return;
    const KeyModifiers before = modifiers();
    down_[index] = pressed;
    if (pressed) {
        repeating_ = scanning_ && repeats(key) ? index : nothing;
        if (repeating_ != nothing) repeat_event_.after(repeat_delay());
    } else if (repeating_ == index) {
        repeating_ = nothing;
    }
    if (repeating_ == nothing) repeat_event_.cancel();
    if (scanning_ && sends(key, pressed)) put(scan_codes(key, pressed, set_, before));
}

// A sequence that does not fit is lost as a whole; an overrun code behind the buffer's last byte says so.
void Ps2Keyboard::put(const std::vector<u8>& codes) {
    if (codes.empty() || overrun_) return;
    if (buffer_.size() + codes.size() > buffer_size) {
        overrun_ = true;
        buffer_.push_back(set_ == 1 ? 0xFF : 0x00);
    } else {
        buffer_.insert(buffer_.end(), codes.begin(), codes.end());
    }
    offer();
}

// Repetition waits for room instead of overrunning: a slow guest would otherwise lose the break code.
void Ps2Keyboard::repeat() {
    if (repeating_ == nothing) return;
    if (scanning_ && buffer_.empty()) put(scan_codes(KeyId::from(repeating_), true, set_, modifiers()));
    repeat_event_.after(repeat_period());
}

Time Ps2Keyboard::repeat_delay() const { return ((typematic_ >> 5 & 3) + 1u) * 250 * millisecond; }

// (8 + A) * 2^B * 4.17 ms, with A in bits 2-0 and B in bits 4-3.
Time Ps2Keyboard::repeat_period() const {
    return (8u + (typematic_ & 7)) * (u64{1} << (typematic_ >> 3 & 3)) * 4170 * microsecond;
}

void Ps2Keyboard::persist(Archive& archive) {
    archive.chunk("keyboard", 1, [&](u32) {
        archive(replies_, buffer_, overrun_, scanning_, set_, leds_, typematic_, awaited_by_, last_sent_, repeating_,
                down_, types_);
        archive.require(set_ >= 1 && set_ <= 3, "the keyboard has no such scan code set");
        archive.require(replies_.size() <= 8 && buffer_.size() <= buffer_size + 1, "the keyboard's buffer is too long");
        for (KeyType type : types_) archive.require(type <= KeyType::make, "a key has no such type");
    });
}

} // namespace glassbox
