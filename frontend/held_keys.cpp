// Which keys are down in the guest. Codes are those of the PS/2 set 1.
#include "frontend/held_keys.hpp"

#include <algorithm>

namespace glassbox {

namespace {

constexpr u8 left_ctrl = 0x1D, left_shift = 0x2A, right_shift = 0x36, alt = 0x38; // extended: the right ones

bool is_modifier(const KeyInput& key) {
    return key.code == left_ctrl || key.code == alt ||
           (!key.extended && (key.code == left_shift || key.code == right_shift));
}

auto same_key(const KeyInput& key) {
    return [key](const KeyInput& other) { return other.code == key.code && other.extended == key.extended; };
}

} // namespace

std::vector<Input> HeldKeys::pass_key(const KeyInput& key, bool live) {
    if (!key.pressed) {
        if (std::erase_if(waiting_, same_key(key)) != 0) return {};
        if (std::erase_if(down_, same_key(key)) == 0) return {}; // it was released when the machine stopped
        return {key};
    }
    if (!live && is_modifier(key)) {
        waiting_.push_back(key);
        return {};
    }
    std::vector<KeyInput> all = std::exchange(waiting_, {});
    all.push_back(key);
    std::vector<Input> out;
    for (const KeyInput& one : all) {
        if (std::ranges::none_of(down_, same_key(one))) down_.push_back(one);
        out.emplace_back(one);
    }
    return out;
}

std::vector<Input> HeldKeys::pass(const Input& input, bool live) {
    if (const auto* key = std::get_if<KeyInput>(&input)) return pass_key(*key, live);
    if (const auto* mouse = std::get_if<MouseInput>(&input)) buttons_ = mouse->buttons;
    return {input};
}

void HeldKeys::stop() {
    for (const KeyInput& key : down_) releases_.emplace_back(KeyInput{key.code, key.extended, false});
    if (buttons_ != 0) releases_.emplace_back(MouseInput{});
    down_.clear();
    waiting_.clear();
    buttons_ = 0;
}

} // namespace glassbox
