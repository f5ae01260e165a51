#include "devices/ps2/mouse.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace glassbox {

namespace {
constexpr u8 ack = 0xFA, resend = 0xFE, self_test_passed = 0xAA;
constexpr u8 scaling_1 = 0xE6, scaling_2 = 0xE7, set_resolution = 0xE8, status_request = 0xE9, stream_mode = 0xEA,
             read_data = 0xEB, reset_wrap = 0xEC, wrap_mode = 0xEE, remote_mode = 0xF0, read_id = 0xF2, set_rate = 0xF3,
             enable = 0xF4, disable = 0xF5, set_default = 0xF6, resend_last = 0xFE, reset_command = 0xFF;

/// 2:1 scaling of a stream packet's counts.
int scaled(int count) {
    constexpr std::array<int, 6> table{0, 1, 1, 3, 6, 9};
    const int size = std::abs(count);
    const int result = size < 6 ? table[static_cast<std::size_t>(size)] : 2 * size;
    return std::clamp(count < 0 ? -result : result, -255, 255);
}

int take_part(i32& counter, int low, int high) {
    const int part = std::clamp<i32>(counter, low, high);
    counter -= part;
    return part;
}

bool add(i32& counter, int amount, int limit) {
    const i64 sum = i64{counter} + amount;
    counter = static_cast<i32>(std::clamp<i64>(sum, -limit, limit));
    return counter != sum;
}
} // namespace

Ps2Mouse::Ps2Mouse(Scheduler& scheduler)
    : scheduler_(scheduler), sample_event_(scheduler, "mouse.sample", [this] { sample(); }),
      self_test_(scheduler, "mouse.self-test", [this] { self_test_done(); }) {
    reset();
}

void Ps2Mouse::reset() {
    set_defaults();
    replies_.clear();
    self_test_.cancel();
    identity_ = 0;
    awaited_by_ = last_sent_ = 0;
    last_rates_ = {};
    last_sample_ = 0;
}

void Ps2Mouse::set_defaults() {
    mode_ = before_wrap_ = Mode::stream;
    enabled_ = scaling_ = false;
    resolution_ = 2;
    rate_ = 100;
    clear_counters();
}

void Ps2Mouse::clear_counters() {
    dx_ = dy_ = wheel_ = 0;
    overflow_x_ = overflow_y_ = false;
    packet_.clear();
    sent_buttons_ = buttons_;
    sample_event_.cancel();
}

void Ps2Mouse::move(int dx, int dy, int wheel, u8 buttons) {
    buttons_ = buttons & 0x1F;
    if (!reporting() && mode_ != Mode::remote) return;
    overflow_x_ |= add(dx_, dx, counter_limit);
    overflow_y_ |= add(dy_, dy == INT32_MIN ? INT32_MAX : -dy, counter_limit);
    if (identity_ != 0) add(wheel_, wheel, counter_limit);
    plan_sample();
}

void Ps2Mouse::plan_sample() {
    if (!reporting() || !moved() || sample_event_.pending() || !packet_.empty()) return;
    sample_event_.at(std::max(scheduler_.now(), last_sample_ + second / rate_));
}

void Ps2Mouse::sample() {
    if (!reporting() || !moved() || !packet_.empty()) return;
    last_sample_ = scheduler_.now();
    append_packet(packet_, true);
    offer();
}

void Ps2Mouse::append_packet(std::deque<u8>& out, bool scale) {
    int x = take_part(dx_, -255, 255), y = take_part(dy_, -255, 255);
    if (scale && scaling_) x = scaled(x), y = scaled(y);
    const u8 first = static_cast<u8>((buttons_ & 7) | 8 | (x < 0 ? 0x10 : 0) | (y < 0 ? 0x20 : 0) |
                                     (overflow_x_ ? 0x40 : 0) | (overflow_y_ ? 0x80 : 0));
    out.insert(out.end(), {first, static_cast<u8>(x), static_cast<u8>(y)});
    if (identity_ != 0) {
        const int z = take_part(wheel_, -8, 7);
        out.push_back(static_cast<u8>(identity_ == 3 ? z : (z & 15) | (buttons_ & 0x18) << 1));
    }
    overflow_x_ = overflow_y_ = false;
    sent_buttons_ = buttons_;
}

u8 Ps2Mouse::take() {
    std::deque<u8>& from = replies_.empty() ? packet_ : replies_;
    const u8 byte = from.front();
    from.pop_front();
    last_sent_ = byte;
    plan_sample();
    return byte;
}

void Ps2Mouse::reply(u8 byte) { replies_.push_back(byte); }

void Ps2Mouse::command(u8 byte) {
    replies_.clear();
    packet_.clear(); // a packet that a command interrupts is not resumed
    const u8 waiting = std::exchange(awaited_by_, u8{0});
    if (mode_ == Mode::wrap && byte != reset_command && byte != reset_wrap) {
        reply(byte);
    } else if (waiting != 0) {
        argument(waiting, byte);
    } else {
        self_test_.cancel();
        execute(byte);
    }
    offer();
}

void Ps2Mouse::execute(u8 byte) {
    reply(byte == resend_last ? last_sent_ : ack);
    switch (byte) {
    case scaling_1: scaling_ = false; break;
    case scaling_2: scaling_ = true; break;
    case set_resolution:
    case set_rate: awaited_by_ = byte; break;
    case status_request: reply_status(); break;
    case stream_mode: mode_ = Mode::stream, clear_counters(); break;
    case remote_mode: mode_ = Mode::remote, clear_counters(); break;
    case read_data: append_packet(replies_, false); break;
    case reset_wrap: mode_ = mode_ == Mode::wrap ? before_wrap_ : mode_, clear_counters(); break;
    case wrap_mode: before_wrap_ = mode_, mode_ = Mode::wrap, clear_counters(); break;
    case read_id: clear_counters(), reply(identity_); break;
    case enable: clear_counters(), enabled_ = true; break;
    case disable: clear_counters(), enabled_ = false; break;
    case set_default: set_defaults(); break;
    case reset_command:
        set_defaults();
        identity_ = 0;
        last_rates_ = {};
        self_test_.after(self_test_time);
        break;
    case resend_last: break;
    default: replies_.back() = resend; break;
    }
}

void Ps2Mouse::argument(u8 command, u8 byte) {
    if (command == set_resolution) {
        if (byte > 3) return reply(resend);
        resolution_ = byte;
    } else {
        constexpr std::array<u8, 7> rates{10, 20, 40, 60, 80, 100, 200};
        if (std::find(rates.begin(), rates.end(), byte) == rates.end()) return reply(resend);
        rate_ = byte;
        last_rates_ = {last_rates_[1], last_rates_[2], byte};
        switch_identity();
    }
    reply(ack);
}

void Ps2Mouse::switch_identity() {
    if (last_rates_ == std::array<u8, 3>{200, 100, 80}) identity_ = std::max<u8>(identity_, 3);
    if (last_rates_ == std::array<u8, 3>{200, 200, 80}) identity_ = 4;
}

// Status byte 1 orders the buttons left, middle, right from bit 2 down.
void Ps2Mouse::reply_status() {
    const u8 buttons = static_cast<u8>((buttons_ & 1) << 2 | (buttons_ & 4) >> 1 | (buttons_ & 2) >> 1);
    reply(
        static_cast<u8>(buttons | (scaling_ ? 0x10 : 0) | (enabled_ ? 0x20 : 0) | (mode_ == Mode::remote ? 0x40 : 0)));
    reply(resolution_);
    reply(rate_);
}

void Ps2Mouse::self_test_done() {
    reply(self_test_passed);
    reply(identity_);
    offer();
}

void Ps2Mouse::persist(Archive& archive) {
    archive.chunk("mouse", 1, [&](u32) {
        archive(replies_, packet_, mode_, before_wrap_, enabled_, scaling_, overflow_x_, overflow_y_, resolution_,
                rate_, identity_, awaited_by_, last_sent_, last_rates_, dx_, dy_, wheel_, buttons_, sent_buttons_,
                last_sample_);
        archive.require(mode_ <= Mode::wrap && before_wrap_ <= Mode::remote, "the mouse has no such mode");
        archive.require(rate_ >= 10 && resolution_ <= 3, "the mouse's rate or resolution is out of range");
        archive.require(identity_ == 0 || identity_ == 3 || identity_ == 4, "the mouse has no such identity");
        archive.require(replies_.size() <= 8 && packet_.size() <= 4, "the mouse's buffer is too long");
        for (i32 counter : {dx_, dy_, wheel_}) {
            archive.require(counter >= -counter_limit && counter <= counter_limit, "a mouse counter is out of range");
        }
    });
}

} // namespace glassbox
