// Keys and mouse of the window on their way to the guest, and what its debugger takes out of them.
#include "doctest/doctest.h"
#include "frontend/held_keys.hpp"
#include "frontend/sdl_input.hpp"

using namespace glassbox;

namespace {

constexpr u8 ctrl = 0x1D, alt_code = 0x38, letter_a = 0x1E;

std::string text(const std::vector<Input>& inputs) {
    std::string out;
    for (const Input& input : inputs) {
        if (const auto* key = std::get_if<KeyInput>(&input)) {
            out += (key->pressed ? "+" : "-") + std::string(key->extended ? "e" : "") + std::to_string(key->code) + " ";
        } else if (const auto* mouse = std::get_if<MouseInput>(&input)) {
            out += "mouse" + std::to_string(mouse->buttons) + " ";
        } else {
            out += "other ";
        }
    }
    return out;
}

SDL_Event key_event(SDL_Scancode code, bool down, unsigned modifiers) {
    SDL_Event event{};
    event.type = down ? SDL_KEYDOWN : SDL_KEYUP;
    event.key.keysym.scancode = code;
    event.key.keysym.mod = static_cast<u16>(modifiers);
    return event;
}

KeyInput down(u8 code) { return {code, false, true}; }
KeyInput up(u8 code) { return {code, false, false}; }

} // namespace

TEST_CASE("window: Ctrl+Alt+D asks for the debugger, and the guest sees Ctrl and Alt come up") {
    SdlInput input;
    DisplayEvents events;
    input.handle(key_event(SDL_SCANCODE_LCTRL, true, KMOD_LCTRL), true, events);
    input.handle(key_event(SDL_SCANCODE_LALT, true, KMOD_LCTRL | KMOD_LALT), true, events);
    CHECK(text(events.inputs) == "+29 +56 ");
    events = {};
    const auto command = input.handle(key_event(SDL_SCANCODE_D, true, KMOD_LCTRL | KMOD_LALT), true, events);
    CHECK(command == SdlInput::Command::release_mouse);
    CHECK(events.debug);
    CHECK(text(events.inputs) == "-29 -56 ");
    events = {};
    for (const SDL_Scancode code : {SDL_SCANCODE_D, SDL_SCANCODE_LALT, SDL_SCANCODE_LCTRL})
        input.handle(key_event(code, false, KMOD_NONE), false, events);
    CHECK(events.inputs.empty());
    CHECK_FALSE(events.debug);
}

TEST_CASE("window: what is down when the machine stops comes up when it goes on") {
    HeldKeys held;
    CHECK(text(held.pass(down(letter_a), true)) == "+30 ");
    CHECK(text(held.pass(MouseInput{.dx = 1, .dy = 0, .wheel = 0, .buttons = 3}, true)) == "mouse3 ");
    CHECK_FALSE(held.owes_releases());
    held.stop();
    REQUIRE(held.owes_releases());
    CHECK(text(held.take_releases()) == "-30 mouse0 ");
    CHECK_FALSE(held.owes_releases());
    CHECK(held.pass(up(letter_a), true).empty()); // the hand lets go later
    held.stop();
    CHECK_FALSE(held.owes_releases());
    CHECK(text(held.pass(down(letter_a), true)) == "+30 ");
    CHECK(text(held.pass(up(letter_a), true)) == "-30 ");
    held.stop();
    CHECK_FALSE(held.owes_releases());
}

TEST_CASE("window: Ctrl and Alt alone change nothing of what a machine repeats") {
    HeldKeys held;
    CHECK(held.pass(down(ctrl), false).empty());
    CHECK(held.pass(down(alt_code), false).empty());
    CHECK(held.pass(up(ctrl), false).empty());
    CHECK(held.pass(up(alt_code), false).empty());
    // A key on purpose takes those before it along.
    CHECK(held.pass(down(ctrl), false).empty());
    CHECK(text(held.pass(down(letter_a), false)) == "+29 +30 ");
    CHECK(text(held.pass(up(letter_a), true)) == "-30 ");
    CHECK(text(held.pass(up(ctrl), true)) == "-29 ");
    // Where the machine is live, they are keys like others.
    CHECK(text(held.pass(down(ctrl), true)) == "+29 ");
    CHECK(text(held.pass(ResetInput{}, true)) == "other ");
    // What waited for its key when the machine stopped is forgotten.
    CHECK(held.pass(down(alt_code), false).empty());
    held.stop();
    CHECK(text(held.take_releases()) == "-29 ");
    CHECK(text(held.pass(down(letter_a), true)) == "+30 ");
}
