// Steps forwards and backwards over a guest with interrupts, faults, repetitions and sleep are each other's inverse.
#include "tests/unit/debugger/control_bench.hpp"

#include <filesystem>
#include <fstream>
#include <unistd.h>
#include <vector>

using namespace glassbox;
using namespace glassbox::control_guests;

namespace {

struct Spot {
    u64 count, ip, ax;
    bool operator==(const Spot&) const = default;
};

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

Spot here(Bench& b) { return {b.count(), b.ip(), b.debugger.cpu().gpr[RAX]}; }

} // namespace

TEST_CASE("control: a step is one instruction, whatever it is, and its inverse leads back to the same state") {
    Bench b(real);
    std::vector<Spot> places = {here(b)};
    bool timer = false, slept = false, repeated = false, faulted = false;
    for (int i = 0; i < 420; ++i) {
        const u64 ip = b.ip(), count = b.count();
        const Time time = b.machine->now();
        b.step();
        REQUIRE(b.stop().kind == StopKind::step);
        if (ip == mark_b && b.ip() == 0x7C5E) repeated |= b.count() == count + 5;
        if (ip == mark_f) faulted |= b.ip() == 0x7C8C;
        if (ip == mark_h) slept |= b.machine->now() > time + 20 * microsecond;
        timer |= b.ip() == 0x7C95;
        places.push_back(here(b));
    }
    CHECK((timer && slept && repeated && faulted));
    const u64 hash_at_end = b.machine->state_hash();
    for (std::size_t i = places.size() - 1; i-- > 0;) {
        b.step(true);
        REQUIRE(here(b) == places[i]);
    }
    b.step(true);
    CHECK(b.stop().kind == StopKind::history_end);
    CHECK(b.count() == 0);
    REQUIRE(b.go({.kind = Plan::Kind::step, .count = 420}));
    CHECK(here(b) == places.back());
    CHECK(b.machine->state_hash() == hash_at_end);
    REQUIRE(b.go({.kind = Plan::Kind::step, .count = 400, .backwards = true}));
    CHECK(here(b) == places[20]);
}

TEST_CASE("control: with several processors a step is one of the selected processor") {
    Bench b(real, 2);
    for (const unsigned who : {1u, 0u}) {
        b.debugger.select_processor(who);
        std::vector<Spot> places = {here(b)};
        for (int i = 0; i < 60; ++i) {
            b.step();
            REQUIRE(b.debugger.processor() == who);
            places.push_back(here(b));
        }
        for (std::size_t i = places.size() - 1; i-- > 1;) {
            b.step(true);
            REQUIRE(b.debugger.processor() == who);
            REQUIRE(here(b) == places[i]);
        }
    }
}

TEST_CASE("control: next is over calls, interrupts, repetitions and loops, and back") {
    Bench b(real);
    b.break_at(mark_a);
    b.go_on();
    b.debugger.remove(1);
    for (int turn = 0; turn < 8; ++turn) { // the timer comes in at another place each time
        CAPTURE(turn);
        std::vector<u64> counts, ips;
        while (b.ip() != mark_f) {
            counts.push_back(b.count());
            ips.push_back(b.ip());
            b.next();
            REQUIRE(counts.size() < 20);
        }
        CHECK(ips.size() == 9);
        CHECK(b.debugger.cpu().gpr[RAX] == 6);
        for (std::size_t i = ips.size(); i-- > 0;) {
            b.next(true);
            CHECK(b.ip() == ips[i]);
            CHECK(b.count() == counts[i]);
        }
        REQUIRE(b.go({.kind = Plan::Kind::until, .address = mark_g}));
        b.next();
        CHECK(b.ip() == mark_h);
        CHECK((b.debugger.cpu().gpr[RCX] & 0xFFFF) == 0);
        REQUIRE(b.go({.kind = Plan::Kind::until, .address = mark_a}));
    }
}

TEST_CASE("control: finish is robust against recursion and interrupts, and so is its inverse") {
    Bench b(real);
    for (int turn = 0; turn < 6; ++turn) {
        CAPTURE(turn);
        REQUIRE(b.go({.kind = Plan::Kind::until, .address = mark_c}));
        const u64 call = b.count();
        b.step();
        REQUIRE(b.ip() == sum);
        REQUIRE(b.go({.kind = Plan::Kind::finish}));
        CHECK(b.ip() == mark_d);
        CHECK((b.debugger.cpu().gpr[RAX] & 0xFFFF) == 6);
        REQUIRE(b.go({.kind = Plan::Kind::until, .address = mark_k, .backwards = true})); // inside, just before the end
        REQUIRE(b.go({.kind = Plan::Kind::finish, .backwards = true}));
        CHECK(b.ip() == mark_c);
        CHECK(b.count() == call);
        for (int depth = 0; depth < 2; ++depth) { // into the second recursion
            REQUIRE(b.go({.kind = Plan::Kind::until, .address = sum}));
        }
        const u64 inner = b.count();
        REQUIRE(b.go({.kind = Plan::Kind::finish}));
        CHECK(b.ip() == mark_k);
        CHECK(b.count() > inner);
        REQUIRE(b.go({.kind = Plan::Kind::finish}));
        CHECK(b.ip() == mark_d);
    }
}

TEST_CASE("control: out of a handler and back to where it was interrupted") {
    Bench b(real);
    b.break_at(0x7C96); // in the timer's handler
    b.go_on();
    b.go_on();
    REQUIRE(b.go({.kind = Plan::Kind::finish}));
    const u64 returned = b.ip();
    CHECK((returned < 0x7C95 || returned > 0x7C9F));
    b.back();
    CHECK(b.ip() == 0x7C96);
    REQUIRE(b.go({.kind = Plan::Kind::finish, .backwards = true}));
    CHECK(b.ip() == returned);
}

TEST_CASE("control: instructions, times and counts, both ways") {
    Bench b(real);
    REQUIRE(b.go({.kind = Plan::Kind::instructions, .count = 1000}));
    CHECK(b.count() == 1000);
    const Moment there = b.timeline.now();
    const u64 hash = b.machine->state_hash();
    REQUIRE(b.go({.kind = Plan::Kind::time, .time = 5 * millisecond}));
    CHECK(b.machine->now() >= 5 * millisecond);
    CHECK(b.machine->now() < 5 * millisecond + 10 * microsecond);
    REQUIRE(b.go({.kind = Plan::Kind::time, .time = there.time, .backwards = true}));
    CHECK(b.machine->now() == there.time);
    CHECK(b.machine->state_hash() == hash);
    REQUIRE(b.go({.kind = Plan::Kind::instructions, .count = 300, .backwards = true}));
    CHECK(b.count() == 700);
    REQUIRE(b.debugger.go_to(1000).has_value());
    CHECK(b.machine->state_hash() == hash);
    REQUIRE(b.go({.kind = Plan::Kind::instructions, .count = 5000, .backwards = true}));
    CHECK(b.stop().kind == StopKind::history_end);
    CHECK_FALSE(b.debugger.go_to(1'000'000'000).has_value());
    CHECK(b.count() == 0);
    CHECK_FALSE(b.go({.kind = Plan::Kind::time, .time = 0}));
}

TEST_CASE("control: however long a call takes, next waits; a sleeper that nothing wakes, not for ever") {
    // call wait / hlt / jmp -3 / wait: mov ecx, 20,000,000 / dec ecx / jnz / ret: 20 seconds and more
    const std::array<u8, 17> code = {0xE8, 0x03, 0x00, 0xF4, 0xEB, 0xFD, 0x66, 0xB9, 0x80,
                                     0x96, 0x98, 0x00, 0x66, 0x49, 0x75, 0xFC, 0xC3};
    Bench b(code);
    b.debugger.progress = {};
    b.next();
    CHECK(b.ip() == 0x7C03);
    CHECK(b.machine->now() > 15 * second);
    b.debugger.cpu().eflags |= 0x200; // awake to interrupts, of which none come
    b.debugger.changed();
    b.step();
    CHECK(b.stop().text.find("is halted, and no interrupt came") != std::string::npos);
}

TEST_CASE("control: a search that is cancelled leaves the machine where it was") {
    Bench b(real, 1, {}, {.poll_interval = 0});
    REQUIRE(b.go({.kind = Plan::Kind::instructions, .count = 20'000}));
    const u64 hash = b.machine->state_hash();
    const Moment there = b.timeline.now();
    b.add({.kind = StopPointKind::write, .where = {.value = 0x100}});
    b.debugger.progress = [](double) { return false; };
    CHECK_FALSE(b.go({.kind = Plan::Kind::continue_on, .backwards = true}));
    CHECK_FALSE(b.debugger.running());
    CHECK(b.timeline.now() == there);
    CHECK(b.machine->state_hash() == hash);
    b.debugger.progress = {};
    b.back();
    CHECK(b.stop().kind == StopKind::history_end);
}

TEST_CASE("control: whenever a search is ended, the machine is where it was") {
    // Asked at every opportunity, the user has enough at each of them in turn; the last time it comes to its end.
    Bench b(real, 1, {}, {.spacing = 20'000, .percent = 0, .poll_interval = 0});
    const auto keep = b.debugger.progress;
    b.debugger.progress = {};
    REQUIRE(b.go({.kind = Plan::Kind::instructions, .count = 60'000}));
    REQUIRE(b.go({.kind = Plan::Kind::until, .address = sum}));
    const u64 hash = b.machine->state_hash();
    const Moment there = b.timeline.now();
    b.add({.kind = StopPointKind::write, .where = {.value = 0x100}}); // never
    b.add({.where = {.value = mark_a}, .condition = "word [7CA0h] == 1"});
    b.add({.kind = StopPointKind::interrupt, .first = 0x20, .last = 0x20, .condition = "$instructions < 3000"});
    std::vector<Plan> plans = {{.kind = Plan::Kind::continue_on},
                               {.kind = Plan::Kind::step, .count = 15'000},
                               {.kind = Plan::Kind::next, .count = 12},
                               {.kind = Plan::Kind::until, .address = 0x7C00},
                               {.kind = Plan::Kind::instructions, .count = 45'000},
                               {.kind = Plan::Kind::time, .time = 9 * millisecond},
                               {.kind = Plan::Kind::finish}};
    for (Plan& plan : plans) {
        CAPTURE(static_cast<int>(plan.kind));
        plan.backwards = true;
        bool done = false;
        int asked = 0;
        for (int enough = 1; !done; enough = enough < 20 ? enough + 1 : 2 * enough) {
            asked = 0;
            b.debugger.progress = [&](double) { return ++asked < enough; };
            done = b.go(plan);
            if (done) break;
            REQUIRE(asked == enough); // and not again
            REQUIRE_FALSE(b.debugger.running());
            REQUIRE(b.timeline.now() == there);
            REQUIRE(b.machine->state_hash() == hash);
        }
        CHECK(b.count() < there.instructions);
        CHECK(asked >= 2);
        b.debugger.progress = {};
        REQUIRE(b.debugger.go_to(there).has_value());
        CHECK(b.machine->state_hash() == hash);
    }
    b.debugger.progress = keep;
}

TEST_CASE("control: a run with stops is the run without") {
    Bench b(real);
    const auto whole = machine_with(real);
    b.break_at(mark_a);
    b.add({.kind = StopPointKind::access, .where = {.value = counter}, .length = 2});
    b.add({.kind = StopPointKind::interrupt, .first = 0x20, .last = 0x20});
    b.add({.kind = StopPointKind::exception, .first = 0, .last = 31});
    b.debugger.set_magic_break(true);
    for (int i = 0; i < 300; ++i) b.go_on();
    for (int i = 0; i < 40; ++i) b.next();
    REQUIRE(b.count() > 2000);
    CHECK(whole->run(never, b.count()) == StopReason::limit);
    CHECK(whole->now() == b.machine->now());
    CHECK(whole->state_hash() == b.machine->state_hash());
}

namespace {

// 16-bit code whose handlers and functions come back in unusual ways.
//
//   bits 16
//   org 7C00h
//   start:  cli
//           xor ax, ax
//           mov ds, ax
//           mov ss, ax
//           mov sp, 7000h
//           mov word [21h*4], service
//           mov [21h*4+2], ax
//           mov word [22h*4], chain
//           mov [22h*4+2], ax
//   again:  call 07C0h:far_one-7C00h ; mark A
//           int 21h                 ; mark B: comes back by RETF 2
//           int 22h                 ; mark C: comes back elsewhere
//           ud2
//           call print              ; mark D: data behind the CALL
//           db 'text', 0
//           call drop               ; mark E: comes back to nobody
//           ud2
//           jmp again               ; mark F
//   far_one: inc word [9100h]
//           retf
//   service: inc word [9102h]
//           retf 2
//   chain:  push bp
//           mov bp, sp
//           add word [bp+2], 2
//           pop bp
//           iret
//   print:  pop si
//   .next:  lodsb
//           or al, al
//           jnz .next
//           push si
//           ret
//   drop:   pop ax
//           add ax, 2
//           push ax
//           ret
constexpr std::array<u8, 89> far16 = {
    0xFA, 0x31, 0xC0, 0x8E, 0xD8, 0x8E, 0xD0, 0xBC, 0x00, 0x70, 0xC7, 0x06, 0x84, 0x00, 0x3B, 0x7C, 0xA3, 0x86,
    0x00, 0xC7, 0x06, 0x88, 0x00, 0x42, 0x7C, 0xA3, 0x8A, 0x00, 0x9A, 0x36, 0x00, 0xC0, 0x07, 0xCD, 0x21, 0xCD,
    0x22, 0x0F, 0x0B, 0xE8, 0x21, 0x00, 0x74, 0x65, 0x78, 0x74, 0x00, 0xE8, 0x21, 0x00, 0x0F, 0x0B, 0xEB, 0xE6,
    0xFF, 0x06, 0x00, 0x91, 0xCB, 0xFF, 0x06, 0x02, 0x91, 0xCA, 0x02, 0x00, 0x55, 0x89, 0xE5, 0x83, 0x46, 0x02,
    0x02, 0x5D, 0xCF, 0x5E, 0xAC, 0x08, 0xC0, 0x75, 0xFB, 0x56, 0xC3, 0x58, 0x83, 0xC0, 0x02, 0x50, 0xC3,
};

} // namespace

TEST_CASE("control: next and finish over far calls, and over what comes back elsewhere than expected") {
    Bench b(far16);
    REQUIRE(b.go({.kind = Plan::Kind::until, .address = 0x7C1C}));
    constexpr std::array<u64, 6> loop = {0x7C1C, 0x7C21, 0x7C23, 0x7C27, 0x7C2F, 0x7C34};
    std::vector<u64> counts;
    for (std::size_t i = 0; i < 3 * loop.size(); ++i) {
        REQUIRE(b.ip() == loop[i % loop.size()]);
        counts.push_back(b.count());
        b.next();
    }
    for (std::size_t i = counts.size(); i-- > 0;) {
        b.next(true);
        REQUIRE(b.ip() == loop[i % loop.size()]);
        REQUIRE(b.count() == counts[i]);
    }
    for (const std::size_t i : {0u, 1u, 2u, 3u, 4u}) { // finish comes back to the same places
        CAPTURE(i);
        REQUIRE(b.go({.kind = Plan::Kind::until, .address = loop[i]}));
        const u64 count = b.count();
        b.step();
        REQUIRE(b.go({.kind = Plan::Kind::finish}));
        CHECK(b.ip() == loop[i + 1]);
        b.step(true); // the return
        REQUIRE(b.go({.kind = Plan::Kind::finish, .backwards = true}));
        CHECK(b.count() == count);
        b.step();
    }
}

TEST_CASE("control: a trace tells what each instruction changed, forwards and of the past, and nothing else happens") {
    Bench b(real);
    const auto same = machine_with(real);
    const std::string text = b.command("trace 60");
    CHECK(contains(text, "#0             0000:7C00  FA              cli\n"));
    CHECK(contains(text, "xor ax, ax                      | +PF +ZF\n"));
    CHECK(contains(text, "mov sp, 0x7000                  | esp=00007000\n"));
    CHECK(contains(text, "| [00000080]=7C95\n"));
    CHECK(contains(text, "| port 20h <- 11\n"));
    CHECK(contains(text, "inc [0x7CA0]                    | [00007CA0]=0001\n"
                         "#33         -- interrupt 20h (IRQ 0)\n"
                         "#34            0000:7C95"));
    CHECK(contains(text, "#43            0000:7C5C  F3A4            rep movsb                       | ecx=00000000 "
                         "esi=00007C05 edi=00006005 [00006000]=FA [00006001]=31 [00006002]=C0 [00006003]=8E and 1 "
                         "more\n#48 "));
    CHECK(contains(text, "iret                            | esp=00007000 +IF\n"));
    CHECK(b.stop().kind == StopKind::step);
    CHECK(same->run(never, b.count()) == StopReason::limit);
    CHECK(same->state_hash() == b.machine->state_hash());
    // The same once more, as the past
    const u64 count = b.count(), hash = b.machine->state_hash();
    const std::string all = b.command("trace -" + std::to_string(count));
    CHECK(all == text);
    CHECK(b.command("trace -10") == all.substr(all.find("#" + std::to_string(count - 10) + " ")));
    CHECK(b.count() == count);
    CHECK(b.machine->state_hash() == hash);
    // A stop point stops it, and its instruction is not in it
    b.break_at(mark_e);
    const std::string part = b.command("trace 1000");
    CHECK(b.stop().kind == StopKind::breakpoint);
    CHECK_FALSE(contains(part, "int 0x21"));
    CHECK(contains(b.command("trace 3"), "int 0x21\n#"));
    b.debugger.remove(1);
    CHECK(contains(b.command("trace 1000000"), "too many lines to read"));
    CHECK(contains(b.command("trace 0"), "leave no trace"));
    CHECK(contains(b.command("trace 5 from here"), "nothing is expected here"));
    CHECK(contains(b.command("trace 5 to /nowhere/at/all"), "cannot write '/nowhere/at/all'"));
    const std::string path =
        (std::filesystem::temp_directory_path() / ("glassbox-trace-" + std::to_string(::getpid()))).string();
    CHECK(contains(b.command("trace 5 to " + path), " lines in '"));
    std::ifstream file(path);
    std::string line;
    int lines = 0;
    while (std::getline(file, line)) lines += line.starts_with("#") ? 1 : 0;
    CHECK(lines >= 5);
    std::filesystem::remove(path);
}

TEST_CASE("control: after 'trace on' every run tells what it executed before it says where it stopped") {
    Bench b(real);
    CHECK(b.command("trace on") == "");
    b.break_at(0x7C09);
    b.command("continue");
    std::string text = describe_stop(b.debugger);
    CHECK(text.starts_with("#0             0000:7C00  FA              cli\n"));
    CHECK(contains(text, "mov ss, ax\nBreakpoint 1\n#5  0000:7C09"));
    CHECK(describe_stop(b.debugger).starts_with("Breakpoint 1\n")); // once
    b.command("step");
    CHECK(contains(describe_stop(b.debugger), "mov sp, 0x7000                  | esp=00007000\nStep\n"));
    b.command("reverse-step 3"); // the past is not traced
    CHECK(describe_stop(b.debugger).starts_with("Step back\n"));
    b.command("trace off");
    b.command("step");
    CHECK(describe_stop(b.debugger).starts_with("Step\n"));
}

TEST_CASE("control: every way of going has its reverse, as it is typed") {
    Bench b(real);
    b.command("until 7C61h");
    b.command("run-to-time 2ms");
    b.command("until 7C61h");
    const auto there = [&] { return std::pair(b.timeline.now(), b.machine->state_hash()); };
    const auto start = there();
    for (const auto& [forwards, backwards] : std::initializer_list<std::pair<const char*, const char*>>{
             {"step", "reverse-step"},
             {"step 25", "reverse-step 25"},
             {"next", "reverse-next"},
             {"next 3", "reverse-next 3"},
             {"step-line", "reverse-step-line"}, // without lines as step and next
             {"next-line", "reverse-next-line"},
             {"until 7C64h", "reverse-until 7C61h"},
             {"run-instructions 777", "reverse-instructions 777"},
             {"goto +50", "goto -50"},
             {"run-to-time 3ms", "history 4"}}) {
        CAPTURE(forwards);
        b.command(forwards);
        CHECK(b.count() > start.first.instructions);
        b.command(backwards);
        CHECK(b.timeline.now() == start.first);
        CHECK(b.machine->state_hash() == start.second);
    }
    b.command("step");
    const auto inside = there();
    b.command("reverse-finish");
    CHECK(there() == start);
    b.command("step");
    b.command("finish");
    CHECK(b.ip() == mark_d);
    b.command("reverse-next");
    CHECK(there() == start);
    b.command("break 7C64h");
    b.command("continue");
    b.command("reverse-until 7C61h");
    CHECK(there() == start);
    b.command("delete");
    b.command("step");
    CHECK(there() == inside);
    // Times, by both commands, relative and not
    b.command("goto start");
    CHECK(b.count() == 0);
    b.command("goto 1.5ms");
    const auto early = there();
    CHECK(early.first.time >= 1500 * microsecond);
    CHECK(early.first.time < 1501 * microsecond);
    b.command("goto +500us");
    CHECK(b.machine->now() >= 2 * millisecond);
    b.command("run-to-time -300us");
    b.command("goto 1.5ms");
    CHECK(there() == early);
    b.command("goto 2500us");
    b.command("goto 1500us");
    CHECK(there() == early);
    CHECK(contains(b.command("goto -1s"), "have passed since power-on"));
    b.command("goto end");
    CHECK(b.timeline.at_frontier());
    b.command("goto start");
    CHECK(b.count() == 0);
}
