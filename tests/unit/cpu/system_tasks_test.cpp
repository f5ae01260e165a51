// Task switches by every route, 16 and 32 bits (SDM 3A 7.3, table 7-2), and the faults that belong to the new task.
#include "system_fixture.hpp"

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

constexpr u32 new_eip = 0x2345, new_esp = 0x7000;

bool busy(Machine& m, u16 selector) { return (m.entry(selector) >> 41 & 1) != 0; }

/// The image of the task to come in TSS B.
void fill_task(Machine& m, bool wide) {
    if (wide) {
        m.set_entry(sel_tss_b, descriptor(tss_b, 0x67, access(9, 0), 0));
        m.put<u32>(tss_b + 0x20, new_eip);
        m.put<u32>(tss_b + 0x24, eflags::CF | 2);
        for (u32 i = 0; i < 8; ++i) m.put<u32>(tss_b + 0x28 + 4 * i, i == RSP ? new_esp : 0xB0000000 + i);
        const u16 segments[6] = {data0, code0, data0, data0, data3, 0};
        for (u32 i = 0; i < 6; ++i) m.put<u16>(tss_b + 0x48 + 4 * i, segments[i]);
        m.put<u16>(tss_b + 0x60, sel_ldt);
    } else {
        m.set_entry(sel_tss_b, descriptor(tss_b, 0x2B, access(1, 0), 0));
        m.put<u16>(tss_b + 0x0E, new_eip);
        m.put<u16>(tss_b + 0x10, eflags::CF | 2);
        for (u32 i = 0; i < 8; ++i) m.put<u16>(tss_b + 0x12 + 2 * i, static_cast<u16>(i == RSP ? new_esp : 0xB000 + i));
        const u16 segments[4] = {data0, code0, data0_16, data0}; // the upper half of ESP is ones
        for (u32 i = 0; i < 4; ++i) m.put<u16>(tss_b + 0x22 + 2 * i, segments[i]);
        m.put<u16>(tss_b + 0x2A, sel_ldt);
    }
}

enum class Route { jump, call, task_gate_jump, task_gate_call, interrupt, iret };

bool take(Machine& m, Route route) {
    m.set_entry(gate_slot, gate(sel_tss_b, 0, access(5, 3)));
    m.put<u64>(idt + 8 * 0x40, gate(sel_tss_b, 0, access(5, 0)));
    switch (route) {
    case Route::jump: return transfer::jmp_far_immediate<4>(m.cpu, Machine::op(0, sel_tss_b));
    case Route::call: return transfer::call_far_immediate<4>(m.cpu, Machine::op(0, sel_tss_b));
    case Route::task_gate_jump: return transfer::jmp_far_immediate<4>(m.cpu, Machine::op(0, gate_slot));
    case Route::task_gate_call: return transfer::call_far_immediate<4>(m.cpu, Machine::op(0, gate_slot));
    case Route::interrupt: return deliver_interrupt(m.cpu, 0x40, InterruptKind::hardware);
    case Route::iret:
        m.put<u16>(tss_a, sel_tss_b);
        m.cpu.eflags |= eflags::NT;
        m.set_entry(sel_tss_b, m.entry(sel_tss_b) | u64{2} << 40); // the previous task is busy
        return transfer::iret<4>(m.cpu, Machine::op());
    }
    return false;
}

} // namespace

TEST_CASE("task switches by every route") {
    Machine m;
    for (const bool wide : {true, false}) {
        for (const Route route :
             {Route::jump, Route::call, Route::task_gate_jump, Route::task_gate_call, Route::interrupt, Route::iret}) {
            CAPTURE(wide);
            CAPTURE(static_cast<int>(route));
            m.protect();
            fill_task(m, wide);
            m.put<u16>(tss_b, 0xFFFF);
            m.cpu.set_full_eflags(eflags::ZF | eflags::IF);
            m.cpu.set_r32(RAX, 0xA0A0A0A0);
            REQUIRE(take(m, route));
            const bool nests = route == Route::call || route == Route::task_gate_call || route == Route::interrupt;
            // the new task
            CHECK(m.cpu.next_ip == new_eip);
            CHECK(m.cpu.r32(RSP) == (wide ? new_esp : 0xFFFF0000u | new_esp));
            CHECK(m.cpu.r32(RBX) == (wide ? 0xB0000003u : 0xFFFFB003u));
            CHECK(m.cpu.full_eflags() == (eflags::CF | 2 | (nests ? eflags::NT : 0)));
            CHECK(m.cpu.tr.selector == sel_tss_b);
            CHECK(m.cpu.tr.base == tss_b);
            CHECK((m.cpu.cr0 & cr0::TS) != 0);
            CHECK(m.cpu.seg[CS].selector == code0);
            CHECK(m.cpu.seg[FS].usable() == wide);
            CHECK_FALSE(m.cpu.seg[GS].usable());
            // links and busy bits: table 7-2
            CHECK(busy(m, sel_tss_a) == nests);
            CHECK(busy(m, sel_tss_b));
            if (nests)
                CHECK(m.get<u16>(tss_b) == sel_tss_a);
            else
                CHECK(m.get<u16>(tss_b) == 0xFFFF);
            // the old task's image
            CHECK(m.get<u32>(tss_a + 0x20) == (route == Route::interrupt ? 0x100 : 0x105));
            CHECK(m.get<u32>(tss_a + 0x24) == (eflags::ZF | eflags::IF | 2));
            CHECK(m.get<u32>(tss_a + 0x28) == 0xA0A0A0A0);
            CHECK(m.get<u32>(tss_a + 0x38) == stack0);
            CHECK(m.get<u16>(tss_a + 0x4C) == code0);
        }
    }
}

TEST_CASE("a nested task returns to where it was called") {
    Machine m;
    fill_task(m, true);
    m.cpu.set_r32(RDI, 0x1234567);
    REQUIRE(take(m, Route::call));
    REQUIRE(transfer::iret<4>(m.cpu, Machine::op()));
    CHECK(m.cpu.next_ip == 0x105);
    CHECK(m.cpu.r32(RDI) == 0x1234567);
    CHECK(m.cpu.r32(RSP) == stack0);
    CHECK(m.cpu.tr.selector == sel_tss_a);
    CHECK_FALSE(busy(m, sel_tss_b));
    CHECK(busy(m, sel_tss_a));
    CHECK((m.cpu.eflags & eflags::NT) == 0);
    CHECK((m.get<u32>(tss_b + 0x24) & eflags::NT) == 0);
}

TEST_CASE("checks before the switch leave the old task as it was") {
    Machine m;
    struct Row {
        u64 tss;
        u32 tr_limit;
        Exception e;
        u32 error;
    };
    const Row rows[] = {
        {descriptor(tss_b, 0x67, access(11, 0), 0), 0xFFF, Exception::GP, sel_tss_b},       // busy
        {descriptor(tss_b, 0x67, access(9, 0, false), 0), 0xFFF, Exception::NP, sel_tss_b}, // not present
        {descriptor(tss_b, 0x66, access(9, 0), 0), 0xFFF, Exception::TS, sel_tss_b},        // too short
        {descriptor(tss_b, 0x2A, access(1, 0), 0), 0xFFF, Exception::TS, sel_tss_b},
        {descriptor(tss_b, 0x67, access(9, 0), 0), 0x66, Exception::TS, sel_tss_a},
    };
    for (const Row& r : rows) {
        for (const bool call : {false, true}) {
            m.protect();
            fill_task(m, true);
            m.set_entry(sel_tss_b, r.tss);
            m.cpu.tr.limit = r.tr_limit;
            CHECK_FALSE(take(m, call ? Route::call : Route::jump));
            CHECK(m.faulted(r.e, r.error));
            CHECK(m.cpu.tr.selector == sel_tss_a);
            CHECK(m.cpu.next_ip == 0x105);
            CHECK(m.get<u32>(tss_a + 0x20) == 0);
        }
    }
    m.protect(); // a TSS of level 0 from level 3
    m.level(3);
    CHECK_FALSE(take(m, Route::jump));
    CHECK(m.faulted(Exception::GP, sel_tss_b));
    m.protect(); // a task gate into the LDT
    m.set_entry(gate_slot, gate(0x0C, 0, access(5, 3)));
    CHECK_FALSE(transfer::jmp_far_immediate<4>(m.cpu, Machine::op(0, gate_slot)));
    CHECK(m.faulted(Exception::GP, 0x0C));
    m.protect(); // a back link to a task that is not busy
    m.put<u16>(tss_a, sel_tss_b);
    m.cpu.eflags |= eflags::NT;
    CHECK_FALSE(transfer::iret<4>(m.cpu, Machine::op()));
    CHECK(m.faulted(Exception::TS, sel_tss_b));
}

TEST_CASE("faults of the new task are delivered in it") {
    struct Row {
        u32 at;
        u16 value;
        Exception e;
        u32 error;
    };
    const Row rows[] = {
        {0x60, code0, Exception::TS, code0},       // LDT selector is not an LDT
        {0x60, 0x0C, Exception::TS, 0x0C},         // LDT in the LDT
        {0x58, code3, Exception::TS, code3 & ~3u}, // FS: readable code of level 3 with RPL 3 from level 0 is fine...
        {0x58, 0x88, Exception::NP, 0x88},         // FS not present
        {0x58, sel_tss_a, Exception::TS, sel_tss_a},
        {0x50, data3, Exception::TS, data3 & ~3u}, // SS of another level
        {0x50, 0, Exception::TS, 0},               // null SS
    };
    Machine m;
    for (const Row& r : rows) {
        m.protect();
        fill_task(m, true);
        m.set_entry(0x88, descriptor(0, 0xFFFFF, access(0x12, 0, false), 0xC));
        m.put<u16>(tss_b + r.at, r.value);
        const auto v = static_cast<u32>(r.e);
        // The handler runs in a third task, so that a broken stack does not matter.
        const u16 third = 0x90;
        m.set_entry(third, descriptor(0x6000, 0x67, access(9, 0), 0));
        m.put<u32>(0x6020, 0x9999);
        m.put<u32>(0x6038, 0x7800);
        for (u32 i = 0; i < 6; ++i) m.put<u16>(0x6048 + 4 * i, i == CS ? code0 : data0);
        m.put<u64>(idt + 8 * v, gate(third, 0, access(5, 0)));
        REQUIRE(take(m, Route::jump));
        if (r.value == code3) { // RPL 3 > ... is allowed: DPL 3 is not below max(CPL, RPL)
            CHECK(m.cpu.next_ip == new_eip);
            continue;
        }
        CHECK(m.cpu.next_ip == 0x9999);
        CHECK(m.cpu.tr.selector == third);
        CHECK(m.cpu.r32(RSP) == 0x7800 - 4);
        CHECK(m.get<u32>(0x7800 - 4) == r.error);
        CHECK(m.get<u16>(0x6000) == sel_tss_b);     // the new task is the one that was interrupted
        CHECK(m.get<u32>(tss_b + 0x20) == new_eip); // before its first instruction
    }
}

TEST_CASE("a fault of a task that an exception started has EXT in its error code") {
    Machine m;
    for (const bool software : {false, true}) {
        m.protect();
        fill_task(m, true);
        m.set_entry(0x88, descriptor(0, 0xFFFFF, access(0x12, 0, false), 0xC));
        m.put<u16>(tss_b + 0x58, 0x88); // FS: not present
        m.put<u64>(idt + 8 * 6, gate(sel_tss_b, 0, access(5, 0)));
        m.put<u64>(idt + 8 * 11, gate(code0, 0x9999, access(14, 0)));
        REQUIRE(deliver_interrupt(m.cpu, 6, software ? InterruptKind::software : InterruptKind::exception));
        CHECK(m.cpu.ip == 0x9999);
        CHECK(m.get<u32>(m.cpu.r32(RSP)) == (software ? 0x88 : 0x89));
    }
}

TEST_CASE("task gates in the IDT push error codes on the new stack") {
    Machine m;
    fill_task(m, true);
    m.put<u64>(idt + 8 * 13, gate(sel_tss_b, 0, access(5, 0)));
    m.cpu.fault = Fault{Exception::GP, true, 0x1234, 0, "test"};
    REQUIRE(deliver_fault(m.cpu));
    CHECK(m.cpu.ip == new_eip);
    CHECK(m.cpu.r32(RSP) == new_esp - 4);
    CHECK(m.get<u32>(new_esp - 4) == 0x1234);
    CHECK((m.get<u32>(tss_a + 0x24) & eflags::RF) != 0);
    m.protect();
    fill_task(m, false);
    m.put<u64>(idt + 8 * 13, gate(sel_tss_b, 0, access(5, 0)));
    m.cpu.fault = Fault{Exception::GP, true, 0x1234, 0, "test"};
    REQUIRE(deliver_fault(m.cpu));
    CHECK(m.cpu.r16(RSP) == new_esp - 2);
    CHECK(m.get<u16>(new_esp - 2) == 0x1234);
}

TEST_CASE("the trap bit, local breakpoints, virtual-8086 tasks") {
    Machine m;
    fill_task(m, true);
    m.put<u16>(tss_b + 0x64, 1);
    m.cpu.dr[7] = 0x400 | 0x155 | 0x002;
    REQUIRE(take(m, Route::jump));
    CHECK(m.cpu.pending_debug == dr6::BT);
    CHECK(m.cpu.dr[7] == (0x400 | 0x002));
    m.protect();
    fill_task(m, true);
    m.put<u32>(tss_b + 0x24, eflags::VM | 2);
    m.put<u16>(tss_b + 0x4C, 0x1234);
    REQUIRE(take(m, Route::jump));
    CHECK(m.cpu.v86());
    CHECK(m.cpu.cpl == 3);
    CHECK(m.cpu.seg[CS].base == 0x12340);
    CHECK((m.cpu.mode & mode::v86) != 0);
}

TEST_CASE("a new task's CR3") {
    Machine m;
    fill_task(m, true);
    // One page table that maps the first megabyte onto itself, under two directories.
    for (u32 directory : {0x20000u, 0x21000u}) m.put<u32>(directory, 0x22000 | 7);
    for (u32 i = 0; i < 256; ++i) m.put<u32>(0x22000 + 4 * i, i << 12 | 7);
    REQUIRE(write_cr3(m.cpu, 0x20000));
    REQUIRE(write_cr0(m.cpu, static_cast<u32>(m.cpu.cr0 | cr0::PG)));
    m.put<u32>(tss_b + 0x1C, 0x21000);
    REQUIRE(take(m, Route::call));
    CHECK(m.cpu.cr3 == 0x21000);
    CHECK(m.get<u32>(tss_a + 0x1C) == 0); // CR3 is not saved
}
