// SDL's events as inputs of the guest. The guest's keyboard repeats keys by itself: SDL's repetitions are dropped.
#include "frontend/sdl_input.hpp"

#include "frontend/media_guess.hpp"
#include "machine/keys.hpp"

namespace glassbox {

namespace {

u8 button_bit(u8 sdl_button) {
    switch (sdl_button) {
    case SDL_BUTTON_LEFT: return 1;
    case SDL_BUTTON_RIGHT: return 2;
    case SDL_BUTTON_MIDDLE: return 4;
    default: return 0;
    }
}

void drop(char* path, DisplayEvents& events) {
    const auto medium = guess_medium(path);
    SDL_free(path);
    if (medium) {
        events.inputs.emplace_back(*medium);
    } else {
        events.notice = medium.error().message;
    }
}

} // namespace

void SdlInput::send_key(u8 code, bool extended, bool pressed, DisplayEvents& events) {
    if (pressed) {
        pressed_.emplace(code, extended);
    } else if (pressed_.erase({code, extended}) == 0) {
        return; // its press went elsewhere
    }
    events.inputs.emplace_back(KeyInput{code, extended, pressed});
}

void SdlInput::release_all(DisplayEvents& events) {
    for (const auto& [code, extended] : pressed_) events.inputs.emplace_back(KeyInput{code, extended, false});
    pressed_.clear();
    if (buttons_ != 0) events.inputs.emplace_back(MouseInput{});
    buttons_ = 0;
}

SdlInput::Command SdlInput::key_down(const SDL_KeyboardEvent& event, DisplayEvents& events) {
    if (event.repeat != 0) return Command::none;
    const SDL_Scancode scan = event.keysym.scancode;
    if ((event.keysym.mod & KMOD_CTRL) != 0 && (event.keysym.mod & KMOD_ALT) != 0) {
        if (scan == SDL_SCANCODE_G || scan == SDL_SCANCODE_F) {
            release_all(events);
            return scan == SDL_SCANCODE_G ? Command::release_mouse : Command::full_screen;
        }
        if (scan == SDL_SCANCODE_D) {
            release_all(events);
            events.debug = true;
            return Command::release_mouse;
        }
        if (scan == SDL_SCANCODE_INSERT) { // the desktop keeps Ctrl+Alt+Delete for itself
            for (const KeyInput& input : press_and_release(*parse_combination("ctrl-alt-delete"))) {
                events.inputs.emplace_back(input);
            }
            return Command::none;
        }
    }
    if (const auto key = key_of_usb_usage(static_cast<unsigned>(scan)))
        send_key(key->code, key->extended, true, events);
    return Command::none;
}

SdlInput::Command SdlInput::handle(const SDL_Event& event, bool captured, DisplayEvents& events) {
    switch (event.type) {
    case SDL_QUIT: events.close = true; break;
    case SDL_KEYDOWN: return key_down(event.key, events);
    case SDL_KEYUP:
        if (const auto key = key_of_usb_usage(static_cast<unsigned>(event.key.keysym.scancode))) {
            send_key(key->code, key->extended, false, events);
        }
        break;
    case SDL_MOUSEMOTION:
        if (captured) {
            events.inputs.emplace_back(
                MouseInput{.dx = event.motion.xrel, .dy = event.motion.yrel, .wheel = 0, .buttons = buttons_});
        }
        break;
    case SDL_MOUSEBUTTONDOWN:
        if (!captured) return Command::capture_mouse; // the click that captures is not the guest's
        buttons_ |= button_bit(event.button.button);
        events.inputs.emplace_back(MouseInput{.dx = 0, .dy = 0, .wheel = 0, .buttons = buttons_});
        break;
    case SDL_MOUSEBUTTONUP:
        if (!captured) break;
        buttons_ &= static_cast<u8>(~button_bit(event.button.button));
        events.inputs.emplace_back(MouseInput{.dx = 0, .dy = 0, .wheel = 0, .buttons = buttons_});
        break;
    case SDL_MOUSEWHEEL: // SDL counts away from the user
        if (captured) {
            events.inputs.emplace_back(MouseInput{.dx = 0, .dy = 0, .wheel = -event.wheel.y, .buttons = buttons_});
        }
        break;
    case SDL_DROPFILE: drop(event.drop.file, events); break;
    case SDL_WINDOWEVENT:
        if (event.window.event == SDL_WINDOWEVENT_FOCUS_LOST) {
            release_all(events);
            if (captured) return Command::release_mouse;
        }
        break;
    default: break;
    }
    return Command::none;
}

} // namespace glassbox
