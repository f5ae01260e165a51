// A guest made of a text screen and a plan: what happens at which guest time.
#pragma once

#include "frontend/guest.hpp"

#include <algorithm>
#include <functional>
#include <map>

namespace glassbox::test {

class FakeScreen final : public DisplaySource {
  public:
    FakeScreen() {
        text_.columns = 80, text_.rows = 25;
        text_.cells.resize(2000);
    }
    void print(unsigned row, const std::string& line) {
        for (std::size_t i = 0; i < line.size(); ++i) text_.cells[row * 80 + i].character = static_cast<u8>(line[i]);
    }
    TextScreen& text() { return text_; }
    bool graphics = false;

    void render(Frame& frame) const override {
        frame.width = 4, frame.height = 2;
        frame.pixels = {0xFF0000, 0x00FF00, 0x0000FF, 0x123456, 0, 1, 2, 3};
    }
    bool text_screen(TextScreen& screen) const override {
        if (graphics) return false;
        screen = text_;
        return true;
    }

  private:
    TextScreen text_;
};

class FakeGuest final : public Guest {
  public:
    /// At these guest times something happens; a reason other than `limit` stops the guest there.
    std::map<Time, std::function<StopReason(FakeGuest&)>> plan;
    FakeScreen screen;
    std::vector<Input> inputs;
    std::vector<Time> input_times, stops;
    std::vector<std::string> saved;
    bool dead = false, idle = false, takes_serial = true;

    StopReason run(Time until, u64 max_instructions) override {
        stops.push_back(until);
        while (true) {
            if (dead) return StopReason::idle_forever;
            const auto next = plan.empty() ? plan.end() : plan.begin();
            const Time stop = next == plan.end() ? until : std::min(until, std::max(next->first, now_));
            // One instruction a microsecond.
            const u64 room = max_instructions - std::min(max_instructions, instructions_);
            const u64 steps = std::min<u64>(room, (stop - std::min(now_, stop)) / microsecond);
            instructions_ += steps;
            if (instructions_ >= max_instructions) return StopReason::limit;
            now_ = std::max(now_, stop);
            if (next == plan.end() || next->first > now_ || (now_ >= until && next->first > until)) {
                return StopReason::limit;
            }
            const auto action = next->second;
            plan.erase(next);
            if (const StopReason reason = action(*this); reason != StopReason::limit) return reason;
            if (now_ >= until) return StopReason::limit;
        }
    }
    Time now() const override { return now_; }
    u64 instructions() const override { return instructions_; }
    Time idle_until() const override { return idle ? now_ + millisecond : now_; }
    int exit_status() const override { return 11; }
    Expected<> inject(const Input& input) override {
        if (const auto* medium = std::get_if<MediaInput>(&input); medium != nullptr && medium->path == "missing.img") {
            return fail("cannot open missing.img");
        }
        if (std::holds_alternative<SerialInput>(input) && !takes_serial) return fail("too much is waiting");
        if (const auto* skip = std::get_if<SkipTimeInput>(&input)) now_ += skip->duration;
        inputs.push_back(input);
        input_times.push_back(now_);
        return {};
    }
    const DisplaySource& display() const override { return screen; }
    std::string processor_mode() const override { return "real"; }
    Expected<> save(const std::string& path) override {
        saved.push_back(path);
        return {};
    }
    Expected<> load(const std::string&) override { return {}; }
    u64 state_hash() override { return 0x0123456789ABCDEF; }
    std::string autopsy() const override { return "EIP=00001234\n"; }
    std::function<void(const std::string&)> told_triple_fault;
    void on_triple_fault(std::function<void(const std::string&)> to_tell) override { told_triple_fault = to_tell; }
    void trace(Tracer&) override {}
    std::optional<Verdict> told;
    std::optional<Verdict> verdict() override { return told; }

    std::string typed() const {
        std::string out;
        for (const Input& input : inputs) {
            if (const auto* key = std::get_if<KeyInput>(&input)) {
                static constexpr char digits[] = "0123456789ABCDEF";
                out += key->pressed ? '+' : '-';
                if (key->extended) out += 'e';
                out += digits[key->code >> 4];
                out += digits[key->code & 15];
            }
        }
        return out;
    }
    void set_now(Time now) { now_ = now; }

  private:
    Time now_ = 0;
    u64 instructions_ = 0;
};

} // namespace glassbox::test
