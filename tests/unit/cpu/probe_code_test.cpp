// What a probe hears of code and of faults, that it can hold both back, and that the guest notices nothing of it
// (cpu/probe.hpp).
#include "system_fixture.hpp"

#include "cpu/decode/insn.hpp"
#include "cpu/probe.hpp"

#include <functional>
#include <initializer_list>
#include <set>
#include <vector>

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

constexpr u32 code_at = 0xC000, handler = 0xD000;

struct Ear : Probe {
    std::function<bool(u64)> wanted = [](u64) { return false; };
    std::function<bool(Cpu&)> stop = [](Cpu&) { return false; };
    std::function<bool(Cpu&)> hold = [](Cpu&) { return false; };
    struct Seen {
        u64 ip, count;
        bool operator==(const Seen&) const = default;
    };
    std::vector<Seen> before;
    std::vector<u64> without_row;
    std::vector<std::pair<Exception, u64>> faults;
    struct Delivery {
        unsigned vector;
        InterruptKind kind;
        u64 from, to;
        bool operator==(const Delivery&) const = default;
    };
    std::vector<Delivery> deliveries;
    struct Written {
        ControlKind kind;
        u32 number;
        u64 before, value;
        bool operator==(const Written&) const = default;
    };
    std::vector<Written> written;
    std::vector<std::pair<FlushKind, u64>> flushes;
    std::vector<std::pair<u16, u16>> tasks;
    std::vector<std::array<u32, 4>> modes; // before and after: mode, CPL
    unsigned shut_downs = 0;

    bool wants(Cpu&, u64 linear, u64, const Insn& insn) override {
        if (!insn.row) without_row.push_back(linear);
        return wanted(linear);
    }
    bool before_instruction(Cpu& cpu) override {
        before.push_back({cpu.ip, cpu.scheduler.instructions()});
        return stop(cpu);
    }
    bool faulting(Cpu& cpu, const Fault& fault) override {
        faults.emplace_back(fault.vector, cpu.ip);
        return hold(cpu);
    }
    void delivered(Cpu& cpu, u8 vector, InterruptKind kind, u64 from) override {
        deliveries.push_back({vector, kind, from, cpu.ip});
    }
    void control_written(Cpu&, ControlKind kind, u32 number, u64 old, u64 value) override {
        written.push_back({kind, number, old, value});
    }
    void task_switched(Cpu&, u16 from, u16 to) override { tasks.emplace_back(from, to); }
    void mode_changed(Cpu& cpu, u32 mode, u8 cpl) override { modes.push_back({mode, cpl, cpu.mode, cpu.cpl}); }
    void flushed(Cpu&, FlushKind kind, u64 linear) override { flushes.emplace_back(kind, linear); }
    void shut_down(Cpu&) override { ++shut_downs; }
};

/// Every exception's handler is a HLT.
struct Guest : Machine {
    Ear ear;
    Guest(std::initializer_list<u8> bytes) {
        level(0);
        u32 at = code_at;
        for (const u8 b : bytes) put<u8>(at++, b);
        put<u8>(handler, 0xF4);
        for (u32 v = 0; v < 0x21; ++v) put<u64>(idt + 8 * v, gate(code0, handler, access(14, 0)));
        cpu.ip = code_at;
        cpu.probe = &ear;
        cpu.probe_questions_changed();
    }
    std::vector<u8> state() {
        Archive archive = Archive::saver();
        cpu.persist(archive);
        const auto bytes = archive.bytes();
        std::vector<u8> all(bytes.begin(), bytes.end());
        all.insert(all.end(), memory.ram().begin(), memory.ram().end());
        for (unsigned i = 0; i < 8; ++i) all.push_back(static_cast<u8>(scheduler.instructions() >> (8 * i)));
        return all;
    }
    void run(u64 slice = 1000) {
        for (unsigned guard = 0; guard < 10'000 && !cpu.halted && !cpu.shutdown; ++guard) cpu.run(slice);
    }
};

// A loop with a call, string instructions, a fault's worth of pushes, STI's shadow: 20 rounds.
const std::initializer_list<u8> program = {
    0xB9, 0x14, 0,    0,    0,    // C000 mov ecx, 20
    0x01, 0xC8,                   // C005 add eax, ecx
    0x51,                         // C007 push ecx
    0xB9, 0x05, 0,    0,    0,    // C008 mov ecx, 5
    0xBF, 0x00, 0xE0, 0,    0,    // C00D mov edi, E000h
    0xF3, 0xAA,                   // C012 rep stosb
    0x59,                         // C014 pop ecx
    0xFB,                         // C015 sti
    0xFA,                         // C016 cli
    0xE8, 0x09, 0,    0,    0,    // C017 call C025
    0x39, 0xC8,                   // C01C cmp eax, ecx
    0x72, 0x00,                   // C01E jb C020
    0x49,                         // C020 dec ecx
    0x75, 0xE2,                   // C021 jnz C005
    0xF4, 0x90,                   // C023 hlt
    0x8B, 0x1D, 0x00, 0xE0, 0, 0, // C025 mov ebx, [E000h]
    0x43,                         // C02B inc ebx
    0xC3,                         // C02C ret
};

} // namespace

TEST_CASE("probe: whatever it wants to hear of, the guest goes the same way") {
    Guest plain(program);
    plain.cpu.probe = nullptr;
    plain.run();
    REQUIRE(plain.cpu.halted);
    const u64 length = plain.scheduler.instructions();
    for (unsigned kind = 0; kind < 6; ++kind) {
        for (u64 slice : {1000u, 7u, 1u}) {
            CAPTURE(kind);
            CAPTURE(slice);
            Guest m(program);
            if (kind == 1) m.ear.wanted = [](u64) { return true; };
            if (kind == 2) m.ear.wanted = [](u64 a) { return a % 3 == 0; };
            if (kind == 3) m.ear.wanted = [](u64 a) { return a == 0xC021 || a == 0xC01E || a == 0xC02B; };
            if (kind == 4) m.cpu.probe_every = true;
            bool held = false;
            if (kind == 5) { // every instruction is held back once
                m.ear.wanted = [](u64) { return true; };
                m.ear.stop = [&](Cpu&) { return held = !held; };
            }
            m.run(slice);
            CHECK(m.state() == plain.state());
            if (kind == 0) CHECK(m.ear.before.empty());
            if (kind == 3) CHECK(m.ear.before.size() == 60);
            if (kind == 4) {
                CHECK(m.ear.before.size() == length);
                for (u64 i = 0; i < m.ear.before.size(); ++i) CHECK(m.ear.before[i].count == i);
            }
        }
    }
}

TEST_CASE("probe: count and ip are exact before every instruction that it wants") {
    Guest every(program);
    every.cpu.probe_every = true;
    every.run();
    for (u64 at = code_at; at < code_at + 0x2D; ++at) {
        CAPTURE(at);
        std::vector<Ear::Seen> expected;
        for (const auto& seen : every.ear.before) {
            // The repetitions of a string instruction are one execution of it.
            const bool again = at == 0xC012 && !expected.empty() && expected.back().count + 5 > seen.count;
            if (seen.ip == at && !again) expected.push_back(seen);
        }
        Guest m(program);
        m.ear.wanted = [&](u64 a) { return a == at; };
        m.run();
        CHECK(m.ear.before == expected);
    }
}

TEST_CASE("probe: what is held back has not happened") {
    Guest m({0xB8, 1, 0, 0, 0, 0x40, 0x40, 0xF4}); // mov eax, 1; inc eax; inc eax; hlt
    m.ear.wanted = [](u64 a) { return a == 0xC006; };
    m.ear.stop = [](Cpu&) { return true; };
    for (unsigned i = 0; i < 3; ++i) {
        m.cpu.run(1000);
        CHECK(m.cpu.stopped_by_probe);
        CHECK(m.cpu.ip == 0xC006);
        CHECK(m.cpu.r32(RAX) == 2);
        CHECK(m.scheduler.instructions() == 2);
    }
    m.ear.stop = [](Cpu&) { return false; };
    m.run();
    CHECK_FALSE(m.cpu.stopped_by_probe);
    CHECK(m.cpu.r32(RAX) == 3);
}

TEST_CASE("probe: a request to stop from before an instruction ends the run after it, one repetition of it too") {
    for (const bool every : {false, true}) {
        Guest m({0xF3, 0xAA, 0x90, 0xF4}); // rep stosb; nop; hlt
        m.cpu.gpr[RCX] = 3;
        m.cpu.gpr[RDI] = 0xE000;
        m.cpu.probe_every = every;
        m.ear.wanted = [](u64 a) { return a == code_at; };
        m.ear.stop = [](Cpu& cpu) {
            cpu.leave_requested = true;
            return false;
        };
        m.cpu.run(1000);
        CHECK(m.scheduler.instructions() == 1);
        CHECK(m.cpu.r32(RCX) == 2);
        CHECK(m.cpu.ip == code_at);
        CHECK(m.cpu.shadow == Cpu::mid_repetition);
    }
}

TEST_CASE("probe: new questions while the guest runs count from the next instruction on") {
    // The loop lies in one page, so its links know nothing of epochs.
    Guest m({0xB9, 100, 0, 0, 0, 0x40, 0xE6, 0x10, 0x49, 0x75, 0xFA, 0xF4}); // inc eax; out; dec ecx; jnz
    struct Device : IoDevice {
        std::function<void()> written;
        u64 read(u64, unsigned) override { return 0; }
        void write(u64, unsigned, u64) override { written(); }
    } device;
    unsigned writes = 0;
    device.written = [&] {
        if (++writes != 50) return;
        m.ear.wanted = [](u64 a) { return a == 0xC005; };
        m.cpu.probe_questions_changed();
    };
    m.ports.map("test", {Port{0x10}, 1}, device);
    m.run();
    CHECK(m.cpu.halted);
    CHECK(m.ear.before.size() == 50);
    CHECK(m.cpu.r32(RAX) == 100);
}

TEST_CASE("probe: bytes that are no instruction are asked about, without a row") {
    Guest m({0x90, 0x0F, 0xFF, 0xFF}); // nop; ud0 is an instruction, so use an undefined one below
    m.put<u8>(code_at + 1, 0x0F);
    m.put<u8>(code_at + 2, 0x04);
    m.ear.wanted = [](u64 a) { return a == code_at + 1; };
    m.run();
    CHECK(m.ear.without_row.size() >= 1);
    CHECK(m.ear.before == std::vector<Ear::Seen>{{code_at + 1, 1}});
    CHECK(m.ear.faults == std::vector<std::pair<Exception, u64>>{{Exception::UD, code_at + 1}});
}

TEST_CASE("probe: a fault that it holds back has changed nothing, and comes again") {
    // sti; div cl with CL 0: the shadow of STI and RF are those before the instruction
    for (const bool resume : {false, true}) {
        for (const bool every : {false, true}) {
            CAPTURE(resume);
            CAPTURE(every);
            Guest m({0x90, 0xFB, 0xF6, 0xF1, 0xF4}), plain({0x90, 0xFB, 0xF6, 0xF1, 0xF4});
            plain.cpu.probe = nullptr;
            m.cpu.probe_every = every;
            m.ear.hold = [](Cpu&) { return true; };
            for (Guest* g : {&m, &plain}) {
                g->cpu.run(2);
                if (resume) g->cpu.eflags |= eflags::RF;
            }
            for (unsigned i = 0; i < 3; ++i) {
                m.cpu.run(1000);
                CHECK(m.cpu.stopped_by_probe);
                CHECK(m.state() == plain.state());
                CHECK((m.cpu.shadow & Cpu::shadow_sti) != 0);
            }
            m.ear.hold = [](Cpu&) { return false; };
            m.run();
            plain.run();
            CHECK(m.state() == plain.state());
            CHECK(m.ear.faults.size() == 4);
        }
    }
}

TEST_CASE("probe: faults of the fetch and code breakpoints can be held back, data breakpoints are reported") {
    Guest m({0x90, 0x90, 0xF4});
    m.cpu.dr[0] = code_at + 1;
    m.cpu.dr[7] = 0x402;
    m.cpu.debug_registers_changed();
    m.ear.hold = [](Cpu&) { return true; };
    m.cpu.run(1000);
    CHECK(m.cpu.ip == code_at + 1);
    CHECK(m.scheduler.instructions() == 1);
    CHECK((m.cpu.dr[6] & 15) == 0);
    m.ear.hold = [](Cpu&) { return false; };
    m.run();
    CHECK((m.cpu.dr[6] & 15) == 1);
    CHECK(m.ear.faults.back() == std::pair{Exception::DB, u64{code_at + 1}});
    CHECK(m.ear.deliveries == std::vector<Ear::Delivery>{{1, InterruptKind::exception, code_at + 1, handler}});

    Guest far({0x90, 0xEB, 0x7E}); // a jump beyond the limit
    far.cpu.seg[CS].limit = 0xC010;
    far.cpu.update_mode();
    far.ear.hold = [](Cpu&) { return true; };
    far.cpu.run(1000);
    CHECK(far.cpu.stopped_by_probe);
    CHECK(far.ear.faults.size() == 1);
    CHECK(far.ear.faults[0].first == Exception::GP);
}

TEST_CASE("probe: every delivery is reported, with where it came from") {
    Guest m({0xCD, 0x20, 0xF4});
    m.run();
    CHECK(m.ear.deliveries == std::vector<Ear::Delivery>{{0x20, InterruptKind::software, code_at + 2, handler}});
    Guest breakpoint({0xCC});
    breakpoint.run();
    CHECK(breakpoint.ear.deliveries == std::vector<Ear::Delivery>{{3, InterruptKind::int3, code_at + 1, handler}});
    Guest hardware({0xFB, 0x90, 0x90, 0xF4});
    hardware.cpu.set_intr(true);
    hardware.run();
    CHECK(hardware.ear.deliveries == std::vector<Ear::Delivery>{{0x20, InterruptKind::hardware, code_at + 2, handler}});
    Guest nmi({0x90, 0xF4});
    nmi.cpu.nmi();
    nmi.run();
    CHECK(nmi.ear.deliveries == std::vector<Ear::Delivery>{{2, InterruptKind::hardware, code_at, handler}});
    Guest fault({0x90, 0xF6, 0xF1});
    fault.cpu.gpr[RCX] = 0;
    fault.run();
    CHECK(fault.ear.deliveries == std::vector<Ear::Delivery>{{0, InterruptKind::exception, code_at + 1, handler}});
}

TEST_CASE("probe: a request to stop from a delivery ends the run before the handler's first instruction") {
    struct Stopper : Ear {
        void delivered(Cpu& cpu, u8 vector, InterruptKind kind, u64 from) override {
            Ear::delivered(cpu, vector, kind, from);
            cpu.leave_requested = true;
        }
    } stopper;
    for (unsigned kind = 0; kind < 3; ++kind) {
        CAPTURE(kind);
        Guest m({0x90,
                 static_cast<u8>(kind == 0   ? 0xCD
                                 : kind == 1 ? 0xF6
                                             : 0x90),
                 static_cast<u8>(kind == 0   ? 0x20
                                 : kind == 1 ? 0xF1
                                             : 0x90),
                 0xF4});
        m.cpu.gpr[RCX] = 0;
        if (kind == 2) m.cpu.nmi();
        m.cpu.probe = &stopper;
        m.cpu.run(1000);
        CHECK(m.cpu.ip == handler);
        CHECK_FALSE(m.cpu.halted);
        CHECK(m.scheduler.instructions() == (kind == 2 ? 1 : 2));
        m.run();
        CHECK(m.cpu.halted);
    }
}

TEST_CASE("probe: a triple fault is reported") {
    Guest m({0x90, 0xF6, 0xF1});
    m.cpu.gpr[RCX] = 0;
    m.cpu.idtr.limit = 0;
    m.run();
    CHECK(m.cpu.shutdown);
    CHECK(m.ear.shut_downs == 1);
    CHECK(m.ear.faults.size() == 1);
}

TEST_CASE("probe: writes to control, debug, model-specific and extended registers") {
    // mov eax, cr0; mov cr0, eax; mov dr0, ecx; lmsw ax; clts; invlpg [eax]; mov cr3, edx; hlt
    Guest m({0x0F, 0x20, 0xC0, 0x0F, 0x22, 0xC0, 0x0F, 0x23, 0xC1, 0x0F, 0x01,
             0xF0, 0x0F, 0x06, 0x0F, 0x01, 0x38, 0x0F, 0x22, 0xDA, 0xF4});
    m.cpu.gpr[RCX] = 0x1234;
    m.cpu.gpr[RDX] = 0x9000;
    const u64 cr0 = m.cpu.cr0;
    m.run();
    using Written = Ear::Written;
    CHECK(m.ear.written == std::vector<Written>{{ControlKind::cr, 0, cr0, cr0},
                                                {ControlKind::dr, 0, 0, 0x1234},
                                                {ControlKind::cr, 0, cr0, cr0},
                                                {ControlKind::cr, 0, cr0, cr0 & ~u64{cr0::TS}},
                                                {ControlKind::cr, 3, 0, 0x9000}});
    CHECK(m.ear.flushes ==
          std::vector<std::pair<FlushKind, u64>>{{FlushKind::page, cr0}, {FlushKind::all_but_global, 0}});

    Guest w({0x0F, 0x30, 0x0F, 0x30, 0xF4}); // wrmsr, twice
    w.cpu.gpr[RCX] = 0x174;
    w.cpu.gpr[RAX] = 0x58;
    w.cpu.gpr[RDX] = 0;
    w.run();
    CHECK(w.ear.written ==
          std::vector<Written>{{ControlKind::msr, 0x174, 0, 0x58}, {ControlKind::msr, 0x174, 0x58, 0x58}});
    CHECK(w.ear.faults.empty());

    Guest x({0x0F, 0x01, 0xD1, 0xF4}); // xsetbv
    x.cpu.cr4 |= cr4::OSXSAVE;
    x.cpu.gpr[RAX] = 3;
    x.cpu.gpr[RDX] = x.cpu.gpr[RCX] = 0;
    x.run();
    CHECK(x.ear.written == std::vector<Written>{{ControlKind::xcr, 0, 1, 3}});
}

TEST_CASE("probe: changes of mode and of CPL, and task switches") {
    Guest m({0xCD, 0x20}); // from level 3
    m.level(3);
    m.put<u64>(idt + 8 * 0x20, gate(code0, handler, access(14, 3)));
    m.cpu.ip = code_at;
    m.cpu.probe_questions_changed();
    m.ear.modes.clear();
    const u32 before = m.cpu.mode;
    m.run();
    REQUIRE(m.ear.modes.size() == 1);
    CHECK(m.ear.modes[0] == std::array<u32, 4>{before, 3, m.cpu.mode, 0});
    CHECK((before & mode::user) != 0);

    Guest task({0xEA, 0, 0, 0, 0, sel_tss_b, 0}); // jmp to a TSS
    task.put<u32>(tss_b + 0x20, handler);
    task.put<u32>(tss_b + 0x24, 2);
    for (u32 n = 0; n < 6; ++n) task.put<u32>(tss_b + 0x48 + 4 * n, n == CS ? code0 : data0);
    task.run();
    CHECK(task.ear.tasks == std::vector<std::pair<u16, u16>>{{sel_tss_a, sel_tss_b}});
    CHECK(task.cpu.ip == handler + 1);
}
