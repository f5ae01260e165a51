#include "frontend/line_editor.hpp"

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <histedit.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utility>

namespace glassbox {

namespace {
constexpr int history_lines = 1000;
constexpr std::size_t most_listed = 200;

std::size_t last_word(std::string_view line) {
    const std::size_t at = line.find_last_of(" \t");
    return at == std::string_view::npos ? 0 : at + 1;
}

std::string common_beginning(const std::vector<std::string>& words) {
    std::string common = words.front();
    for (const std::string& word : words) {
        const auto end = std::mismatch(common.begin(), common.end(), word.begin(), word.end()).first;
        common.erase(end, common.end());
    }
    return common;
}
} // namespace

struct LineEditor::Impl {
    std::string prompt, history_file;
    std::string draft; ///< typed before the terminal was given away
    winsize size{};
    Complete complete;
    EditLine* edit = nullptr;
    History* history = nullptr;
    bool active = false, ended = false;

    static Impl& of(EditLine* edit) {
        void* self = nullptr;
        el_get(edit, EL_CLIENTDATA, &self);
        return *static_cast<Impl*>(self);
    }
    static char* show_prompt(EditLine* edit) { return of(edit).prompt.data(); }
    static unsigned char complete_word(EditLine* edit, int) { return of(edit).complete_at_cursor(); }

    /// Whether the terminal has another size than before.
    bool resized() {
        winsize now{};
        if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &now) != 0) return false;
        const bool other = now.ws_col != size.ws_col || now.ws_row != size.ws_row;
        size = now;
        return other;
    }

    unsigned char complete_at_cursor() {
        const LineInfo* info = el_line(edit);
        const std::string line(info->buffer, info->cursor);
        const std::vector<std::string> words = complete(line);
        if (words.empty()) return CC_REFRESH_BEEP;
        const std::size_t begun = line.size() - last_word(line);
        std::string more = common_beginning(words).substr(std::min(begun, common_beginning(words).size()));
        if (words.size() == 1 && !more.ends_with('/')) more += ' ';
        if (!more.empty()) return el_insertstr(edit, more.c_str()) == 0 ? CC_REFRESH : CC_REFRESH_BEEP;
        list(words);
        return CC_REDISPLAY;
    }

    static void list(const std::vector<std::string>& words) {
        std::string text = "\n";
        for (std::size_t i = 0; i < std::min(words.size(), most_listed); ++i) text += words[i] + "  ";
        if (words.size() > most_listed) text += "and " + std::to_string(words.size() - most_listed) + " more";
        text += '\n';
        std::fputs(text.c_str(), stdout);
        std::fflush(stdout);
    }
};

LineEditor::LineEditor(std::string prompt, Complete complete, std::string history) : impl_(std::make_unique<Impl>()) {
    impl_->prompt = std::move(prompt);
    impl_->complete = std::move(complete);
    impl_->history_file = std::move(history);
    std::setlocale(LC_CTYPE, ""); // what the terminal sends is in the user's encoding
    impl_->edit = el_init("glassbox", stdin, stdout, stderr);
    impl_->history = history_init();
    HistEvent event{};
    ::history(impl_->history, &event, H_SETSIZE, history_lines);
    ::history(impl_->history, &event, H_SETUNIQUE, 1);
    if (!impl_->history_file.empty()) ::history(impl_->history, &event, H_LOAD, impl_->history_file.c_str());
    el_set(impl_->edit, EL_CLIENTDATA, impl_.get());
    el_set(impl_->edit, EL_PROMPT, &Impl::show_prompt);
    el_set(impl_->edit, EL_EDITOR, "emacs");
    el_set(impl_->edit, EL_SIGNAL, 0); // the run loop has them
    el_set(impl_->edit, EL_HIST, ::history, impl_->history);
    el_set(impl_->edit, EL_ADDFN, "glassbox-complete", "Complete the word", &Impl::complete_word);
    el_set(impl_->edit, EL_BIND, "^I", "glassbox-complete", nullptr);
    el_set(impl_->edit, EL_BIND, "^R", "em-inc-search-prev", nullptr);
}

LineEditor::~LineEditor() {
    suspend();
    HistEvent event{};
    if (!impl_->history_file.empty()) ::history(impl_->history, &event, H_SAVE, impl_->history_file.c_str());
    el_end(impl_->edit);
    history_end(impl_->history);
}

void LineEditor::begin() {
    if (impl_->active) return;
    impl_->active = true;
    (void)impl_->resized();
    el_set(impl_->edit, EL_UNBUFFERED, 1); // shows the prompt, and sets the terminal up
    const std::string draft = std::exchange(impl_->draft, {});
    if (draft.empty()) return;
    el_insertstr(impl_->edit, draft.c_str());
    std::fputc('\r', stdout); // the prompt is painted again, from the line's beginning
    el_set(impl_->edit, EL_REFRESH);
}

void LineEditor::suspend() {
    if (!impl_->active) return;
    impl_->active = false;
    const LineInfo* info = el_line(impl_->edit);
    impl_->draft.assign(info->buffer, info->lastchar);
    el_set(impl_->edit, EL_UNBUFFERED, 0);
}

void LineEditor::clear() {
    suspend();
    impl_->draft.clear();
}

bool LineEditor::active() const { return impl_->active; }
bool LineEditor::ended() const { return impl_->ended; }
pollfd LineEditor::interest() const { return {impl_->active ? STDIN_FILENO : -1, POLLIN, 0}; }

std::optional<std::string> LineEditor::service() {
    if (impl_->resized()) el_resize(impl_->edit);
    int count = 0;
    const char* typed = el_gets(impl_->edit, &count);
    if (typed == nullptr || count <= 0) {
        // Nothing at all to read: the terminal is gone, or Ctrl-D on an empty line.
        if (typed != nullptr) return std::nullopt;
        impl_->ended = true;
        clear();
        return std::nullopt;
    }
    const std::string line(typed, static_cast<std::size_t>(count));
    if (line == "\x04") {
        impl_->ended = true;
        clear();
        return std::nullopt;
    }
    if (line.back() != '\n' && line.back() != '\r') return std::nullopt;
    clear();
    std::string text = line.substr(0, line.size() - 1);
    HistEvent event{};
    if (!text.empty()) ::history(impl_->history, &event, H_ENTER, text.c_str());
    return text;
}

} // namespace glassbox
