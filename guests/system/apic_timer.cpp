// The local APIC's timer, one-shot and periodic; its clock is held against the 8254's.
#include "guests/system/apic.hpp"
#include "guests/system/pit.hpp"

using namespace chips;

namespace apic {

namespace {

constexpr u32 vector = 0xA5;

/// Waits until the IRR has the vector; false after some milliseconds.
bool wait_request() {
    for (u32 i = 0; i < 2'000'000; ++i) {
        if (bit(irr, vector)) return true;
    }
    return false;
}
void rest() {
    for (u32 i = 0; i < 2000; ++i) read(id);
}

} // namespace

void timer(Report& report) {
    for (const u32 first : {1u, 100u, 1000u, 3000u}) {
        if (report.next()) {
            report.describe("one-shot, %u", first);
            if (begin(report)) {
                local(divide) = 0xA; // by 128
                local(lvt_timer) = vector;
                local(initial_count) = first;
                report.require("counts down from there", local(current_count) <= first);
                report.require("interrupt", wait_request());
                report.expect("initial count", first, local(initial_count));
                report.expect("current count", 0, local(current_count));
                report.expect_exit(accept(), vector, 0);
                local(eoi) = 0;
                rest();
                report.expect("once only", 0, count(irr));
                report.expect("current count still", 0, local(current_count));
                finish();
            }
        }
        if (report.next()) {
            report.describe("periodic, %u", first);
            if (begin(report)) {
                local(divide) = 0xA;
                local(lvt_timer) = vector | periodic;
                local(initial_count) = first;
                for (u32 i = 0; i < 3; ++i) {
                    report.require("interrupt", wait_request());
                    report.expect_exit(accept(), vector, 0);
                    local(eoi) = 0;
                }
                report.expect("initial count", first, local(initial_count));
                local(initial_count) = 0;
                report.expect("current count when stopped", 0, local(current_count));
                accept();
                local(eoi) = 0;
                rest();
                report.expect("stopped", 0, count(irr));
                finish();
            }
        }
        if (report.next()) {
            report.describe("masked, %u", first);
            if (begin(report)) {
                local(divide) = 0xA;
                local(lvt_timer) = vector | masked;
                local(initial_count) = first;
                for (u32 i = 0; i < 2'000'000 && local(current_count); ++i) {
                }
                report.expect("it has counted", 0, local(current_count));
                rest();
                report.expect("no interrupt", 0, count(irr));
                local(lvt_timer) = vector; // too late for this one
                rest();
                report.expect("no interrupt when unmasked", 0, count(irr));
                finish();
            }
        }
    }
    if (report.next()) {
        report.describe("a new count begins again");
        if (begin(report)) {
            local(divide) = 0xB;
            local(lvt_timer) = vector;
            local(initial_count) = 0xFFFF'FFFF;
            rest();
            report.require("counts", local(current_count) < 0xFFFF'FFFF);
            local(initial_count) = 0x8000'0000;
            const u32 now = local(current_count);
            report.require("from the new one", now <= 0x8000'0000 && now > 0x7000'0000);
            local(initial_count) = 0;
            report.expect("0 stops it", 0, local(current_count));
            rest();
            report.expect("without an interrupt", 0, count(irr));
            finish();
        }
    }
    if (report.next()) {
        report.describe("current count is read-only");
        if (begin(report)) {
            local(divide) = 0xA;
            local(lvt_timer) = vector;
            local(initial_count) = 0xFFFF'0000;
            local(current_count) = 5;
            report.require("count", local(current_count) > 0xFF00'0000);
            finish();
        }
    }
    if (report.next()) {
        report.describe("pending only once while not accepted");
        if (begin(report)) {
            local(divide) = 0xB;
            local(lvt_timer) = vector | periodic;
            local(initial_count) = 5000;
            report.require("interrupt", wait_request());
            rest();
            local(lvt_timer) = vector | periodic | masked;
            local(initial_count) = 0;
            report.expect_exit(accept(), vector, 0);
            local(eoi) = 0;
            report.expect_exit(accept(), end_vector, 0);
            finish();
        }
    }
    if (report.next()) {
        report.describe("it ends a HLT");
        if (begin(report)) {
            static constexpr u8 halt[] = {0xFB, 0xF4, 0xCD, 0x80};
            local(divide) = 0xA;
            local(lvt_timer) = vector;
            local(initial_count) = 20000;
            const Context c = ring(0, code(halt));
            const Exit e = run(c);
            report.expect_exit(e, vector, 0);
            report.expect("EIP", c.eip + 2, e.eip);
            finish();
        }
    }
    if (report.next()) {
        report.describe("the vector is that of the entry when it ends");
        if (begin(report)) {
            local(divide) = 0xA;
            local(lvt_timer) = vector - 1;
            local(initial_count) = 2000;
            local(lvt_timer) = vector;
            report.require("interrupt", wait_request());
            report.expect("vectors", 1, count(irr));
            finish();
        }
    }
}

void timer_divisors(Report& report) {
    struct Divisor {
        u32 code, by;
    };
    constexpr Divisor divisors[] = {{0x0, 2},  {0x1, 4},  {0x2, 8},   {0x3, 16},
                                    {0x8, 32}, {0x9, 64}, {0xA, 128}, {0xB, 1}};
    for (const Divisor& d : divisors) {
        if (!report.next()) continue;
        report.describe("divide configuration %x: by %u", d.code, d.by);
        if (!begin(report)) continue;
        // How far it counts in the same time, undivided and divided.
        u32 counted[2];
        for (u32 i = 0; i < 2; ++i) {
            pit::start_clock();
            local(lvt_timer) = masked | vector;
            local(divide) = i ? d.code : 0xB;
            local(initial_count) = 0xFFFF'FFFF;
            pit::wait(4000);
            counted[i] = 0xFFFF'FFFF - local(current_count);
            local(initial_count) = 0;
        }
        const u32 expected = counted[0] / d.by, off = expected / 20 + 2;
        report.require("it counts", counted[0] > 1000);
        report.require("the ratio", counted[1] + off > expected && counted[1] < expected + off);
        finish();
    }
}

} // namespace apic
