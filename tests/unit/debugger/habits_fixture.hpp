// The demo guest in its user mode and in its boot sector, with a history, symbols and files: where every line of a help
// text, or of a page of the manual, can be executed. Each session begins at the same instant.
#pragma once

#include "debugger/console/console.hpp"

#include "debug_session.hpp"
#include "symbol_samples.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox::test {

/// The names that help texts use. Line 12 and line 40 have code; the guest's own program lies within `schedule`.
inline constexpr const char* main_source = R"(struct entry {
    unsigned base;
    unsigned short limit;
};
struct entry table[5];
volatile unsigned counter, jiffies;

/* The scheduler: the first code of the program. */
int schedule(int count) {
    int sum = count;
    counter += 1; __asm__ volatile(".skip 1024, 0x90");
    sum += table[1].limit;
    for (int i = 0; i < count; ++i) {
        sum += i;
    }
    return sum;
}

int page_fault(unsigned address) {
    jiffies += address;
    return schedule(3);
}

int start_kernel(void) {
    return page_fault(0) + schedule(2);
}














int main(void) {
    return start_kernel();
}
)";

class GuestAtWork {
  public:
    enum class Place { user_mode, boot_sector };

    explicit GuestAtWork(Place place) : session_(demo_machine(2)) {
        if (place == Place::user_mode) {
            StopPoint user;
            user.kind = StopPointKind::cpl;
            user.first = user.last = 3;
            REQUIRE(session_.debugger->add(user));
            REQUIRE(session_.debugger->resume({}));
        } else {
            REQUIRE(session_.debugger->resume({.kind = Plan::Kind::until, .address = 0x7C00}));
        }
        session_.debugger->run_to_stop();
        session_.timeline->begin_here();
        begin_ = session_.machine->instructions();
        make_files();
    }
    ~GuestAtWork() {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    GuestAtWork(const GuestAtWork&) = delete;
    GuestAtWork& operator=(const GuestAtWork&) = delete;

    /// A debugger of its own, some instructions behind the beginning, with four stop points and two displays.
    void begin_session() {
        console.reset();
        REQUIRE(session_.timeline->go_to(begin_));
        session_.timeline->changed_by_hand(); // what the session before did is forgotten
        session_.debugger = std::make_unique<Debugger>(*session_.machine, *session_.timeline);
        session_.debugger->attach_stopped(StopKind::interrupted);
        console.emplace(*session_.debugger);
        (*this)(has_debug_information ? "symbols load kernel.elf" : "symbols load symbols.map");
        (*this)("symbols load boot.map");
        for (const char* line : {"break 0FFFFFFF0h", "break 0FFFFFFF1h", "break 0FFFFFFF2h", "catch shutdown",
                                 "display echo", "display echo", "step", "step 20", "step"})
            (*this)(line);
    }
    /// What a line and all that waits behind it print, with what the machine says when it stops; it is stopped after a
    /// while in any case.
    std::string operator()(std::string_view line) {
        const Inside inside(folder_);
        std::string out = console->execute(line);
        settle(out);
        for (unsigned n = 0; n < 50 && console->has_waiting(); ++n) {
            out += console->execute_next();
            settle(out);
        }
        return out;
    }
    Machine& machine() { return *session_.machine; }
    Debugger& debugger() { return *session_.debugger; }

    std::optional<Console> console;
    bool has_debug_information = false; ///< gcc can make 32-bit programs here

  private:
    /// The present folder, while a line is executed.
    struct Inside {
        std::filesystem::path back = std::filesystem::current_path();
        explicit Inside(const std::filesystem::path& folder) { std::filesystem::current_path(folder); }
        ~Inside() { std::filesystem::current_path(back); }
        Inside(const Inside&) = delete;
        Inside& operator=(const Inside&) = delete;
    };

    void write(const char* name, const std::string& text) const {
        std::ofstream(folder_ / name, std::ios::binary) << text;
    }
    void make_files() {
        std::filesystem::create_directories(folder_);
        write("main.c", main_source);
        has_debug_information = symbol_samples::succeeds(
            "cd " + folder_.string() +
            " && gcc -m32 -g -O0 -ffreestanding -nostdlib -static -no-pie -fno-stack-protector -Wl,-Ttext=0x40000000"
            " -Wl,--section-start=.bss=0x400ff000 -Wl,--build-id=none -Wl,-emain main.c -o kernel.elf");
        write("symbols.map", "40000000 schedule\n40000020 page_fault\n40000035 start_kernel\n400000a0 main\n"
                             "400ff000 counter\n400ff004 jiffies\n");
        write("boot.map", "7c00 boot_start\n7c3e boot_loop\n7c80 memcpy\n");
        write("boot.gbd", "echo a script\n");
        write("boot.bin", std::string(512, 'B'));
        write("disk.img", std::string(4096, 'D'));
        write("driver.elf", "0 driver_start\n");
    }
    void settle(std::string& out) {
        constexpr u64 patience = 300'000;
        Debugger& debugger = *session_.debugger;
        const std::size_t stops = debugger.past_stops().size();
        if (debugger.running()) debugger.run(never, machine().instructions() + patience);
        if (debugger.running()) {
            debugger.interrupt();
            debugger.run(never, machine().instructions() + 1);
        }
        if (debugger.past_stops().size() != stops) out += console->report_stop();
    }

    std::filesystem::path folder_ =
        std::filesystem::temp_directory_path() / ("glassbox-at-work-" + std::to_string(::getpid()));
    DebugSession session_;
    u64 begin_ = 0;
};

/// Shared by the tests of texts: the guest boots once.
inline GuestAtWork& guest_at_work() {
    static GuestAtWork guest(GuestAtWork::Place::user_mode);
    return guest;
}
/// In real mode.
inline GuestAtWork& boot_sector_at_work() {
    static GuestAtWork guest(GuestAtWork::Place::boot_sector);
    return guest;
}

} // namespace glassbox::test
