// The SDL2 window. What it owns is SDL's; what events mean is in sdl_input.cpp and where pixels go in layout.cpp.
#include "frontend/display.hpp"
#include "frontend/layout.hpp"
#include "frontend/sdl_input.hpp"

#include <SDL2/SDL.h>
#include <chrono>
#include <cmath>
#include <string_view>

namespace glassbox {

namespace {

template <auto destroy> struct Destroyer {
    template <class T> void operator()(T* thing) const { destroy(thing); }
};
using Window = std::unique_ptr<SDL_Window, Destroyer<SDL_DestroyWindow>>;
using Renderer = std::unique_ptr<SDL_Renderer, Destroyer<SDL_DestroyRenderer>>;
using Texture = std::unique_ptr<SDL_Texture, Destroyer<SDL_DestroyTexture>>;

struct SdlVideo {
    SdlVideo() = default;
    ~SdlVideo() { SDL_QuitSubSystem(SDL_INIT_VIDEO); }
    SdlVideo(const SdlVideo&) = delete;
    SdlVideo& operator=(const SdlVideo&) = delete;
};

class SdlWindow final : public Display {
  public:
    SdlWindow(std::unique_ptr<SdlVideo> video, Window window, Renderer renderer)
        : video_(std::move(video)), window_(std::move(window)), renderer_(std::move(renderer)) {}

    void collect(short, DisplayEvents& events) override {
        // Asking the window system costs a system call or two, and slices can be short.
        const auto now = std::chrono::steady_clock::now();
        if (now - collected_ < std::chrono::milliseconds(2)) return;
        collected_ = now;
        SDL_Event event;
        while (SDL_PollEvent(&event) != 0) {
            if (event.type == SDL_WINDOWEVENT || event.type == SDL_RENDER_TARGETS_RESET) dirty_ = true;
            if (event.type == SDL_RENDER_DEVICE_RESET) texture_.reset(), dirty_ = true;
            apply(input_.handle(event, captured_, events));
        }
    }

    void show(const DisplaySource& source, const DisplayStatus& status) override {
        stopped_ = status.stopped;
        if (stopped_ && captured_) capture(false); // the mouse is needed elsewhere now
        set_title(status);
        source.render(frame_);
        if (frame_.width == 0 || frame_.height == 0) return;
        if (frame_.pixels.size() < std::size_t{frame_.width} * frame_.height) return;
        const bool new_shape =
            frame_.width != shown_.width || frame_.height != shown_.height || frame_.tall_pixels != shown_.tall_pixels;
        if (!new_shape && !dirty_ && texture_ && frame_.pixels == shown_.pixels) return;
        if (new_shape || !texture_) change_shape(new_shape);
        if (!texture_) return;
        SDL_UpdateTexture(texture_.get(), nullptr, frame_.pixels.data(), static_cast<int>(frame_.width * 4));
        draw();
        std::swap(frame_, shown_);
        dirty_ = false;
    }

  private:
    Size frame_size() const { return {static_cast<int>(frame_.width), static_cast<int>(frame_.height)}; }

    void change_shape(bool resize) {
        texture_.reset(SDL_CreateTexture(renderer_.get(), SDL_PIXELFORMAT_RGB888, SDL_TEXTUREACCESS_STREAMING,
                                         static_cast<int>(frame_.width), static_cast<int>(frame_.height)));
        const u32 flags = SDL_GetWindowFlags(window_.get());
        if (!resize || (flags & (SDL_WINDOW_FULLSCREEN_DESKTOP | SDL_WINDOW_MAXIMIZED)) != 0) return;
        SDL_Rect desktop{};
        SDL_GetDisplayUsableBounds(std::max(0, SDL_GetWindowDisplayIndex(window_.get())), &desktop);
        const Size size = window_size(frame_size(), frame_.tall_pixels, {desktop.w, desktop.h});
        SDL_SetWindowSize(window_.get(), size.width, size.height);
    }

    void draw() {
        Size window;
        SDL_GetRendererOutputSize(renderer_.get(), &window.width, &window.height);
        const Placement place = place_frame(frame_size(), frame_.tall_pixels, window);
        SDL_SetTextureScaleMode(texture_.get(), place.sharp ? SDL_ScaleModeNearest : SDL_ScaleModeLinear);
        const SDL_Rect rectangle{place.x, place.y, place.width, place.height};
        SDL_SetRenderDrawColor(renderer_.get(), 0, 0, 0, 255);
        SDL_RenderClear(renderer_.get());
        SDL_RenderCopy(renderer_.get(), texture_.get(), nullptr, &rectangle);
        SDL_RenderPresent(renderer_.get());
    }

    void set_title(const DisplayStatus& status) {
        std::string title = "GlassBox - ";
        if (!status.notice.empty()) {
            title += status.notice;
        } else if (status.stopped) {
            title += status.state;
        } else {
            title += std::to_string(std::lround(status.mips)) + " MIPS - " + status.state + " - " +
                     (captured_ ? "Ctrl+Alt+G releases the mouse" : "click to give the guest the mouse");
        }
        if (title == title_) return;
        title_ = title;
        SDL_SetWindowTitle(window_.get(), title.c_str());
    }

    void capture(bool on) {
        captured_ = on;
        SDL_SetRelativeMouseMode(on ? SDL_TRUE : SDL_FALSE);
        SDL_SetWindowKeyboardGrab(window_.get(), on ? SDL_TRUE : SDL_FALSE);
    }

    void apply(SdlInput::Command command) {
        switch (command) {
        case SdlInput::Command::none: break;
        case SdlInput::Command::capture_mouse:
            if (!stopped_) capture(true);
            break;
        case SdlInput::Command::release_mouse: capture(false); break;
        case SdlInput::Command::full_screen: {
            const bool full = (SDL_GetWindowFlags(window_.get()) & SDL_WINDOW_FULLSCREEN_DESKTOP) != 0;
            SDL_SetWindowFullscreen(window_.get(), full ? 0 : SDL_WINDOW_FULLSCREEN_DESKTOP);
            dirty_ = true;
            break;
        }
        }
    }

    std::unique_ptr<SdlVideo> video_; // first, so that it goes last
    Window window_;
    Renderer renderer_;
    Texture texture_;
    SdlInput input_;
    Frame frame_, shown_;
    std::string title_;
    bool captured_ = false, stopped_ = false, dirty_ = true;
    std::chrono::steady_clock::time_point collected_;
};

} // namespace

Expected<std::unique_ptr<Display>> make_sdl_window() {
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1"); // the run loop has its own
    SDL_SetHint(SDL_HINT_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR, "0");
    if (SDL_InitSubSystem(SDL_INIT_VIDEO) != 0) return fail(std::string("cannot open a window: ") + SDL_GetError());
    auto video = std::make_unique<SdlVideo>();
    // Without a display SDL is content with a driver that shows nothing; who wants that has said so.
    const std::string_view driver = SDL_GetCurrentVideoDriver();
    if (SDL_getenv("SDL_VIDEODRIVER") == nullptr && (driver == "offscreen" || driver == "dummy" || driver == "evdev")) {
        return fail("cannot open a window: no display can be reached (DISPLAY, WAYLAND_DISPLAY)");
    }
    Window window(
        SDL_CreateWindow("GlassBox", SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED, 720, 540, SDL_WINDOW_RESIZABLE));
    if (!window) return fail(std::string("cannot open a window: ") + SDL_GetError());
    Renderer renderer(SDL_CreateRenderer(window.get(), -1, 0));
    if (!renderer) renderer.reset(SDL_CreateRenderer(window.get(), -1, SDL_RENDERER_SOFTWARE));
    if (!renderer) return fail(std::string("cannot draw in a window: ") + SDL_GetError());
    return std::make_unique<SdlWindow>(std::move(video), std::move(window), std::move(renderer));
}

} // namespace glassbox
