// The MC146818A (Motorola data sheet), IRQ 8.
#include "guests/system/pit.hpp"

using namespace chips;

namespace rtc {

namespace {

u8 get(u8 index) {
    out8(0x70, index);
    return in8(0x71);
}
void set(u8 index, u8 value) {
    out8(0x70, index);
    out8(0x71, value);
}
constexpr u8 a = 10, b = 11, c = 12, d = 13;
constexpr u8 pf = 0x40, af = 0x20, uf = 0x10, irqf = 0x80;

void begin() {
    reset_tables();
    start_pics();
    pit::start_clock();
    set(a, 0x26);
    set(b, 0x02);
    get(c);
}
void finish() {
    set(a, 0x26);
    set(b, 0x02);
    get(c);
    stop_pics();
}
/// Waits for a flag of register C without enabling its interrupt; register C is cleared. False after `pulses`.
bool wait_flag(u8 flag, u32 pulses) {
    u32 total = 0;
    u16 from = pit::latched(0);
    while (total < pulses) {
        if (get(c) & flag) return true;
        const u16 now = pit::latched(0);
        total += static_cast<u16>(from - now);
        from = now;
    }
    return false;
}

constexpr u32 second = 1193182;

} // namespace

/// Flags are set whether or not they interrupt; IRQF and the line only when both bits are set; a read clears all.
void flags(Report& report) {
    for (unsigned enabled = 0; enabled < 2; ++enabled) {
        for (const bool late : {false, true}) {
            if (!report.next()) continue;
            report.describe("periodic flag, PIE %u %s", enabled, late ? "set after the flag" : "set before");
            begin();
            set(a, 0x23); // every 122 us
            get(c);
            if (enabled && !late) set(b, 0x42);
            pit::wait(300);
            if (enabled && late) set(b, 0x42);
            const u8 request = irr(1) & 1;
            const u8 first = get(c), again = get(c) & (pf | irqf);
            report.expect("PF", pf, first & pf);
            report.expect("IRQF", enabled ? irqf : 0, first & irqf);
            report.expect("IRQ 8", enabled, request);
            report.expect("AF", 0, first & af);
            // 122 us are not over between two reads.
            report.expect("C after the read", 0, again);
            report.expect("IRQ 8 after the read", 0, irr(1) & 1);
            finish();
        }
    }
    if (report.next()) {
        report.describe("clearing PIE takes the request away, the flag stays");
        begin();
        set(a, 0x23);
        set(b, 0x42);
        pit::wait(300);
        set(a, 0x20); // no more of them
        report.expect("IRQ 8", 1, irr(1) & 1);
        set(b, 0x02);
        report.expect("IRQ 8 without PIE", 0, irr(1) & 1);
        report.expect("C", pf, get(c) & ~uf);
        finish();
    }
}

void registers(Report& report) {
    for (u8 index = 0x40; index < 0x80; ++index) {
        if (!report.next()) continue;
        report.describe("byte %02x of the memory", index);
        const u8 before = get(index);
        for (const u8 value : {u8{0x00}, u8{0xFF}, u8{0x5A}}) {
            set(index, value);
            report.expect("byte", value, get(index));
        }
        set(index, before);
    }
    for (u32 value = 0; value < 16; ++value) {
        if (!report.next()) continue;
        report.describe("register A, rate %u", value);
        begin();
        set(a, static_cast<u8>(0x20 | value));
        report.expect("A but UIP", 0x20 | value, get(a) & 0x7F);
        finish();
    }
    for (const u8 value : {u8{0x00}, u8{0x02}, u8{0x04}, u8{0x06}, u8{0x07}, u8{0x0A}, u8{0x82}, u8{0x92}}) {
        if (!report.next()) continue;
        report.describe("register B, %02x", value);
        begin();
        set(b, value);
        // SET clears UIE.
        report.expect("B", value & 0x80 ? value & ~0x10 : value, get(b));
        finish();
    }
    for (const u8 index : {c, d}) {
        if (!report.next()) continue;
        report.describe("register %c is read-only", index == c ? 'C' : 'D');
        begin();
        set(index, 0xFF);
        report.expect("value", index == c ? 0 : 0x80, get(index) & ~uf);
        finish();
    }
}

void periodic(Report& report) {
    for (u32 rate = 0; rate < 16; ++rate) {
        if (rate > 9 || !report.next()) continue; // the slower ones take too long to watch
        report.describe("rate %u", rate);
        begin();
        set(a, static_cast<u8>(0x20 | rate));
        get(c);
        const u32 hertz = rate == 0 ? 0 : rate <= 2 ? 256u >> (rate - 1) : 32768u >> (rate - 1);
        if (hertz == 0) {
            report.require("no periods", !wait_flag(pf, 30000));
        } else {
            const u32 each = second / hertz;
            report.require("first", wait_flag(pf, 2 * each + 50));
            u16 from = pit::latched(0);
            u32 total = 0;
            const u32 periods = each < 1000 ? 8 : 2;
            for (u32 i = 0; i < periods; ++i) {
                report.require("next", wait_flag(pf, 2 * each + 50));
                const u16 now = pit::latched(0);
                total += static_cast<u16>(from - now);
                from = now;
            }
            report.require("period", total + 60 > periods * each && total < periods * each + each / 2 + 60);
        }
        finish();
    }
}

void update(Report& report) {
    struct Alarm {
        const char* name;
        u8 second, minute, hour;
        bool rings;
    };
    // The clock goes from 12:34:56 to :57.
    static constexpr Alarm alarms[] = {{"the very second", 0x57, 0x34, 0x12, true},
                                       {"another second", 0x58, 0x34, 0x12, false},
                                       {"another hour", 0x57, 0x34, 0x13, false},
                                       {"every second", 0xC0, 0xFF, 0xC0, true},
                                       {"any minute", 0x57, 0xFF, 0x12, true}};
    for (const Alarm& alarm : alarms) {
        if (!report.next()) continue;
        report.describe("alarm at %s", alarm.name);
        begin();
        set(b, 0x82);
        set(a, 0x76); // the divider is held
        set(4, 0x12), set(2, 0x34), set(0, 0x56);
        set(1, alarm.second), set(3, alarm.minute), set(5, alarm.hour);
        set(a, 0x26);
        set(b, 0x32); // AIE and UIE
        get(c);
        unmask(8);
        unmask(2);
        // Half a second after the divider was released, it counts. Halted, for that is a long time.
        static constexpr u8 wait_for_it[] = {0xFB, 0xF4, 0xCD, 0x80};
        report.expect_exit(run(ring(0, code(wait_for_it))), slave_base, 0);
        out8(commands[1], 0x20);
        out8(commands[0], 0x20);
        report.expect("second", 0x57, get(0));
        report.expect("UIP", 0, get(a) & 0x80);
        const u8 flags = get(c);
        report.expect("IRQF, AF, UF", irqf | uf | (alarm.rings ? af : 0), flags & (irqf | uf | af));
        finish();
    }
}

// --- the calendar
// ----------------------------------------------------------------------------------------------------------

namespace {

struct Time {
    u8 year, month, day, weekday, hour, minute, second;
};
struct Tick {
    const char* name;
    Time before, after;
};
constexpr Tick ticks[] = {
    {"a second", {26, 5, 12, 3, 10, 20, 30}, {26, 5, 12, 3, 10, 20, 31}},
    {"a minute", {26, 5, 12, 3, 10, 20, 59}, {26, 5, 12, 3, 10, 21, 0}},
    {"an hour", {26, 5, 12, 3, 9, 59, 59}, {26, 5, 12, 3, 10, 0, 0}},
    {"noon", {26, 5, 12, 3, 11, 59, 59}, {26, 5, 12, 3, 12, 0, 0}},
    {"one o'clock", {26, 5, 12, 3, 12, 59, 59}, {26, 5, 12, 3, 13, 0, 0}},
    {"midnight", {26, 5, 12, 3, 23, 59, 59}, {26, 5, 13, 4, 0, 0, 0}},
    {"one in the morning", {26, 5, 12, 3, 0, 59, 59}, {26, 5, 12, 3, 1, 0, 0}},
    {"the end of a week", {26, 5, 16, 7, 23, 59, 59}, {26, 5, 17, 1, 0, 0, 0}},
    {"the end of January", {26, 1, 31, 7, 23, 59, 59}, {26, 2, 1, 1, 0, 0, 0}},
    {"the end of February", {26, 2, 28, 7, 23, 59, 59}, {26, 3, 1, 1, 0, 0, 0}},
    {"28 February of a leap year", {28, 2, 28, 2, 23, 59, 59}, {28, 2, 29, 3, 0, 0, 0}},
    {"29 February", {28, 2, 29, 3, 23, 59, 59}, {28, 3, 1, 4, 0, 0, 0}},
    {"the end of April", {26, 4, 30, 5, 23, 59, 59}, {26, 5, 1, 6, 0, 0, 0}},
    {"30 May", {26, 5, 30, 7, 23, 59, 59}, {26, 5, 31, 1, 0, 0, 0}},
    {"the end of June", {26, 6, 30, 3, 23, 59, 59}, {26, 7, 1, 4, 0, 0, 0}},
    {"the end of July", {26, 7, 31, 6, 23, 59, 59}, {26, 8, 1, 7, 0, 0, 0}},
    {"the end of August", {26, 8, 31, 2, 23, 59, 59}, {26, 9, 1, 3, 0, 0, 0}},
    {"the end of September", {26, 9, 30, 4, 23, 59, 59}, {26, 10, 1, 5, 0, 0, 0}},
    {"the end of November", {26, 11, 30, 2, 23, 59, 59}, {26, 12, 1, 3, 0, 0, 0}},
    {"the end of a year", {26, 12, 31, 5, 23, 59, 59}, {27, 1, 1, 6, 0, 0, 0}},
};
constexpr u8 binary_mode = 4, hours_24 = 2;

u8 coded(u8 value, u8 mode) { return mode & binary_mode ? value : static_cast<u8>(value / 10 << 4 | value % 10); }
u8 coded_hour(u8 hour, u8 mode) {
    if (mode & hours_24) return coded(hour, mode);
    const u8 twelve = static_cast<u8>(hour % 12 ? hour % 12 : 12);
    return static_cast<u8>(coded(twelve, mode) | (hour >= 12 ? 0x80 : 0));
}
constexpr u8 year_at = 9, month_at = 8, day_at = 7, weekday_at = 6, hour_at = 4, minute_at = 2, second_at = 0;

} // namespace

void calendar(Report& report) {
    for (const Tick& t : ticks) {
        for (const u8 mode : {u8{0}, hours_24, binary_mode, u8{hours_24 | binary_mode}}) {
            if (!report.next()) continue;
            report.describe("%s, %s, %u hours", t.name, mode & binary_mode ? "binary" : "BCD",
                            mode & hours_24 ? 24u : 12u);
            begin();
            set(b, 0x80 | mode);
            set(a, 0x76);
            set(year_at, coded(t.before.year, mode)), set(month_at, coded(t.before.month, mode));
            set(day_at, coded(t.before.day, mode)), set(weekday_at, coded(t.before.weekday, mode));
            set(hour_at, coded_hour(t.before.hour, mode)), set(minute_at, coded(t.before.minute, mode));
            set(second_at, coded(t.before.second, mode));
            set(a, 0x26);
            set(b, mode | 0x10);
            get(c);
            unmask(8);
            unmask(2);
            static constexpr u8 wait_for_it[] = {0xFB, 0xF4, 0xCD, 0x80};
            report.expect_exit(run(ring(0, code(wait_for_it))), slave_base, 0);
            out8(commands[1], 0x20);
            out8(commands[0], 0x20);
            report.expect("second", coded(t.after.second, mode), get(second_at));
            report.expect("minute", coded(t.after.minute, mode), get(minute_at));
            report.expect("hour", coded_hour(t.after.hour, mode), get(hour_at));
            report.expect("weekday", coded(t.after.weekday, mode), get(weekday_at));
            report.expect("day", coded(t.after.day, mode), get(day_at));
            report.expect("month", coded(t.after.month, mode), get(month_at));
            report.expect("year", coded(t.after.year, mode), get(year_at));
            finish();
        }
    }
}

} // namespace rtc
