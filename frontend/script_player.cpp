// Script semantics. Everything is decided from guest time and guest state, so that a script runs alike every time.
#include "frontend/script_player.hpp"

#include "devices/vga/png.hpp"

#include <algorithm>

namespace glassbox {

namespace {

constexpr Time look_period = 10 * millisecond;

std::string in_words(Time time) {
    const Time milliseconds = time / millisecond;
    if (milliseconds % 1000 == 0) return std::to_string(milliseconds / 1000) + "s";
    return std::to_string(milliseconds) + "ms";
}

std::string in_quotes(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : std::string(1, c);
    return out + '"';
}

} // namespace

std::string ScriptPlayer::screen() const {
    TextScreen text;
    if (!host_.guest.display().text_screen(text)) {
        Frame frame;
        host_.guest.display().render(frame);
        return "(graphics, " + std::to_string(frame.width) + "x" + std::to_string(frame.height) + ")\n";
    }
    std::string lines = text.text();
    while (lines.ends_with("\n\n")) lines.pop_back();
    return lines == "\n" ? "(an empty text screen)\n" : lines;
}

void ScriptPlayer::begin() {
    begun_ = true;
    since_ = host_.guest.now();
    look_ = 0;
    if (const auto* wait = std::get_if<script::WaitSerial>(&script_.commands[next_].action)) {
        host_.serial[wait->port].restart();
    }
    if (const auto* keys = std::get_if<script::Keys>(&script_.commands[next_].action)) host_.keys.add(keys->inputs);
}

ScriptStep ScriptPlayer::step() {
    while (next_ < script_.commands.size()) {
        if (!begun_) begin();
        const Progress progress =
            std::visit([this](const auto& action) { return act(action); }, script_.commands[next_].action);
        switch (progress) {
        case Progress::done: break;
        case Progress::blocked: return {ScriptStep::State::running, wake_, {}};
        case Progress::failed: return ended(ScriptStep::State::failed);
        case Progress::error: return ended(ScriptStep::State::error);
        case Progress::power_off: return ended(ScriptStep::State::power_off);
        }
        begun_ = false;
        ++next_;
    }
    return {ScriptStep::State::finished, never, {}};
}

/// A condition does not hold yet: blocked until the deadline, then failed.
ScriptPlayer::Progress ScriptPlayer::waited(Time timeout, const std::string& what) {
    wake_ = since_ + timeout;
    if (host_.guest.now() < wake_) return Progress::blocked;
    message_ = where() + ": waited " + in_words(timeout) + " for " + what + "; the screen shows:\n" + screen();
    return Progress::failed;
}

ScriptPlayer::Progress ScriptPlayer::act(const script::WaitScreen& wait) {
    // Looking costs more than a slice of an idle guest: a hundred looks a second of guest time are enough.
    const Time now = host_.guest.now();
    if (now < look_ && now < since_ + wait.timeout) {
        wake_ = std::min(look_, since_ + wait.timeout);
        return Progress::blocked;
    }
    look_ = (now / look_period + 1) * look_period;
    TextScreen text;
    const bool found = host_.guest.display().text_screen(text) && text.text().find(wait.text) != std::string::npos;
    if (found) return Progress::done;
    const Progress progress = waited(wait.timeout, in_quotes(wait.text) + " on the screen");
    wake_ = std::min(wake_, look_);
    return progress;
}

ScriptPlayer::Progress ScriptPlayer::act(const script::WaitSerial& wait) {
    if (host_.serial[wait.port].match(wait.text)) return Progress::done;
    const Progress progress = waited(wait.timeout, in_quotes(wait.text) + " from COM" + std::to_string(wait.port + 1));
    if (progress == Progress::failed) {
        const std::string_view tail = host_.serial[wait.port].tail(2000);
        message_ += tail.empty() ? "and the port has sent nothing since\n"
                                 : "and the port's last output is:\n" + std::string(tail) + "\n";
    }
    return progress;
}

ScriptPlayer::Progress ScriptPlayer::act(const script::WaitPowerOff& wait) {
    return waited(wait.timeout, "the guest to power off");
}

ScriptPlayer::Progress ScriptPlayer::act(const script::Keys&) {
    const Time now = host_.guest.now();
    wake_ = host_.keys.due(now);
    return host_.keys.idle(now) ? Progress::done : Progress::blocked;
}

ScriptPlayer::Progress ScriptPlayer::check(const Expected<>& result) {
    if (result) return Progress::done;
    message_ = where() + ": " + result.error().message;
    return Progress::error;
}

ScriptPlayer::Progress ScriptPlayer::act(const script::Send& send) { return check(host_.guest.inject(send.input)); }

ScriptPlayer::Progress ScriptPlayer::act(const script::Screen&) {
    host_.print(screen());
    return Progress::done;
}

ScriptPlayer::Progress ScriptPlayer::act(const script::Screenshot& shot) {
    Frame frame;
    host_.guest.display().render(frame);
    return check(write_png(frame, shot.path));
}

ScriptPlayer::Progress ScriptPlayer::act(const script::Save& save) { return check(host_.guest.save(save.path)); }

ScriptPlayer::Progress ScriptPlayer::act(const script::Sleep& sleep) {
    wake_ = since_ + sleep.duration;
    return host_.guest.now() >= wake_ ? Progress::done : Progress::blocked;
}

ScriptPlayer::Progress ScriptPlayer::act(const script::PowerOff&) { return Progress::power_off; }

std::string ScriptPlayer::where() const {
    if (next_ >= script_.commands.size()) return script_.name + ": at its end";
    return script_.name + ":" + std::to_string(script_.commands[next_].line);
}

/// The first wait that has not been met, in words.
std::string ScriptPlayer::expectation() const {
    for (std::size_t i = next_; i < script_.commands.size(); ++i) {
        const auto& action = script_.commands[i].action;
        const std::string place = script_.name + ":" + std::to_string(script_.commands[i].line) + ": waited for ";
        if (const auto* wait = std::get_if<script::WaitScreen>(&action)) {
            return place + in_quotes(wait->text) + " on the screen";
        }
        if (const auto* wait = std::get_if<script::WaitSerial>(&action)) {
            return place + in_quotes(wait->text) + " from COM" + std::to_string(wait->port + 1);
        }
        if (std::holds_alternative<script::WaitPowerOff>(action)) return place + "the guest to power off";
    }
    return {};
}

ScriptStep ScriptPlayer::guest_stopped(std::string_view how, bool powered_off) {
    // What the guest sent in its last slice may fulfil a wait; time stands still, so nothing new can time out.
    if (const ScriptStep last = step(); last.state != ScriptStep::State::running) return last;
    if (powered_off) {
        // Keys still being released and pauses do not matter any more: the guest went faster than the script.
        const auto moot = [](const auto& a) {
            return std::holds_alternative<script::Keys>(a) || std::holds_alternative<script::Sleep>(a);
        };
        const auto& commands = script_.commands;
        while (next_ < commands.size() && moot(commands[next_].action)) ++next_;
        if (next_ < commands.size() && std::holds_alternative<script::WaitPowerOff>(commands[next_].action)) ++next_;
        begun_ = false;
    }
    const std::string unmet = expectation();
    if (unmet.empty()) return {ScriptStep::State::finished, never, {}};
    message_ = unmet + ", but " + std::string(how) + "; the screen shows:\n" + screen();
    return ended(ScriptStep::State::failed);
}

} // namespace glassbox
