// The 8254 (data sheet 231164), the MC146818A (data sheet ADI856R2), the HPET (IA-PC HPET 1.0a), the power management
// of the 82371AB (data sheet 290562, chapter 7) and the queue of what happens next.
#include "debugger/devices/sheet.hpp"
#include "debugger/devices/show.hpp"
#include "machine/board.hpp"

#include <array>

namespace glassbox {

namespace {

constexpr std::array pit_modes{
    "interrupt on terminal count", "hardware retriggerable one-shot", "rate generator", "square wave",
    "software triggered strobe",   "hardware triggered strobe"};
constexpr std::array pit_uses{"IRQ 0", "refresh request", "speaker"};

/// 1193182 Hz / divisor, with two decimals.
std::string pit_rate(u32 divisor) {
    const u64 hundredths = (Pit::frequency * 100 + divisor / 2) / divisor;
    return std::to_string(hundredths / 100) + "." + std::to_string(100 + hundredths % 100).substr(1) + " Hz";
}

void show_counter(Sheet& sheet, const PitCounter& c, unsigned number) {
    constexpr std::array access{"latch", "low byte only", "high byte only", "low byte, then high byte"};
    sheet.title("Counter " + std::to_string(number) + " (port " + hexh(0x40 + number) + ", OUT: " + pit_uses[number] +
                ")");
    sheet.row("control", c.control(), 2,
              "mode " + std::to_string(c.mode()) + ": " + pit_modes[c.mode()] + ", " + access[c.control() >> 4 & 3] +
                  ((c.control() & 1) ? ", BCD" : ", binary"));
    const std::string period = duration(time_of(c.divisor(), Pit::frequency));
    sheet.row("count register", c.count_register(), 4,
              !c.loaded() ? "not written since the control word"
                          : std::to_string(c.divisor()) + " clocks = " + period +
                                (c.mode() == 2 || c.mode() == 3 ? ", " + pit_rate(c.divisor()) : ""));
    sheet.row("count now", c.count(), 4,
              std::to_string(c.count()) + (c.running() ? ", counting" : ", stopped") +
                  (c.null_count() ? ", null count" : ""));
    sheet.row("OUT", c.out() ? "high" : "low");
    sheet.row("GATE", c.gate() ? "high" : "low");
    if (c.latched_bytes())
        sheet.row("output latch", c.latched_count(), 4, std::to_string(c.latched_bytes()) + " bytes to be read");
    if (c.status_latched()) sheet.row("status", "latched");
    if (c.next_read_is_high()) sheet.row("next read", "high byte");
    if (c.next_write_is_high()) sheet.row("next write", "high byte");
    if (const u64 pulses = c.pulses_to_edge())
        sheet.row("OUT changes", "in",
                  std::to_string(pulses) + " clocks = " + duration(time_of(pulses, Pit::frequency)));
}

std::string two(unsigned value) { return std::to_string(100 + value % 100).substr(1); }

/// The registers 0-9 and the century, as register B says they are coded.
class Calendar {
  public:
    explicit Calendar(const Rtc& rtc) : rtc_(rtc), b_(rtc.cmos(0x0B)) {}
    unsigned value(u8 index) const { return decode(rtc_.cmos(index)); }
    std::string date() const { return two(value(0x32)) + two(value(9)) + "-" + two(value(8)) + "-" + two(value(7)); }
    std::string time() const {
        return hour(rtc_.cmos(4)) + ":" + two(value(2)) + ":" + two(value(0)) + half(rtc_.cmos(4));
    }
    std::string alarm() const {
        return alarm_hour() + ":" + alarm_part(3) + ":" + alarm_part(1) + (any(5) ? "" : half(rtc_.cmos(5)));
    }

  private:
    static constexpr u8 binary = 4, hours24 = 2;
    bool any(u8 index) const { return (rtc_.cmos(index) & 0xC0) == 0xC0; } // "don't care" (data sheet, "Alarm")
    unsigned decode(u8 v) const { return (b_ & binary) ? v : (v >> 4) * 10u + (v & 15u); }
    std::string hour(u8 v) const { return two(decode((b_ & hours24) ? v : v & 0x7F)); }
    std::string half(u8 v) const { return (b_ & hours24) ? "" : (v & 0x80) ? " PM" : " AM"; }
    std::string alarm_hour() const { return any(5) ? "**" : hour(rtc_.cmos(5)); }
    std::string alarm_part(u8 index) const { return any(index) ? "**" : two(value(index)); }
    const Rtc& rtc_;
    u8 b_;
};

std::string rate_words(u8 a) {
    const unsigned rate = a & 15;
    if (rate == 0) return "no periodic rate";
    const unsigned ticks = 1u << (rate <= 2 ? rate + 6 : rate - 1);
    return "periodic rate " + std::to_string(32768 / ticks) + " Hz";
}

u16 cmos_word(const Rtc& rtc, u8 low) {
    return static_cast<u16>(rtc.cmos(low) | rtc.cmos(static_cast<u8>(low + 1)) << 8);
}

void show_cmos(Sheet& sheet, const Rtc& rtc) {
    sheet.title("CMOS RAM (ports 70h-71h)");
    std::array<u8, 128> bytes{};
    for (unsigned i = 0; i < 128; ++i) bytes[i] = rtc.cmos(static_cast<u8>(i));
    sheet.dump(bytes, 2);
    sheet.row("shutdown 0Fh", rtc.cmos(0x0F), 2);
    sheet.row("floppies 10h", rtc.cmos(0x10), 2);
    sheet.row("equipment 14h", rtc.cmos(0x14), 2);
    sheet.row("base mem. 15h", cmos_word(rtc, 0x15), 4, std::to_string(cmos_word(rtc, 0x15)) + " KiB");
    sheet.row("above 1 MiB 17h", cmos_word(rtc, 0x17), 4, std::to_string(cmos_word(rtc, 0x17)) + " KiB");
    sheet.row("above 16 MiB 34h", cmos_word(rtc, 0x34), 4, std::to_string(cmos_word(rtc, 0x34) * 64) + " KiB");
    sheet.title("Extended CMOS RAM (ports 72h-73h)");
    for (unsigned i = 0; i < 128; ++i) bytes[i] = rtc.extended_cmos(static_cast<u8>(i));
    sheet.dump(bytes, 2);
}

std::string grouped(u64 number) {
    std::string text = std::to_string(number);
    for (auto at = static_cast<int>(text.size()) - 3; at > 0; at -= 3)
        text.insert(static_cast<std::size_t>(at), 1, ' ');
    return text;
}

} // namespace

void show_pit(const Board& board, std::string& out) {
    Sheet sheet(out);
    sheet.title("8254 programmable interval timer (ports 40h-43h, clock 1193182 Hz)");
    for (unsigned i = 0; i < 3; ++i) show_counter(sheet, board.pit.counter(i), i);
    const u8 b = board.system_control.port_b();
    sheet.title("Port 61h: " + hexh(b, 2) + ": " +
                bit_names(b,
                          {{1, "GATE2 on", "GATE2 off"},
                           {2, "speaker on", "speaker off"},
                           {0x10, "refresh 1", "refresh 0"},
                           {0x20, "OUT2 high", "OUT2 low"}},
                          ", "));
    if (board.legacy_timers.replaced()) sheet.line("IRQ 0 and IRQ 8 belong to the HPET now (legacy replacement).");
}

void show_rtc(const Board& board, bool with_cmos, std::string& out) {
    const Rtc& rtc = board.rtc;
    const Calendar calendar(rtc);
    Sheet sheet(out);
    sheet.title("MC146818A real-time clock (ports 70h-71h), index " + hexh(rtc.index(), 2));
    constexpr std::array days{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    const unsigned day = calendar.value(6);
    sheet.row("date", calendar.date(),
              "day of week " + std::to_string(day) + (day - 1 < days.size() ? std::string(", ") + days[day - 1] : ""));
    sheet.row("time", calendar.time());
    sheet.row("alarm", calendar.alarm());
    const u8 a = rtc.status_a(), b = rtc.cmos(0x0B), c = rtc.status_c(), d = rtc.cmos(0x0D);
    sheet.row("register A", a, 2,
              std::string((a & 0x80) ? "UIP: update in progress, " : "") +
                  ((a & 0x70) == 0x20 ? "divider 32768 Hz, " : "divider stopped, ") + rate_words(a));
    sheet.row("register B", b, 2,
              bit_names(b,
                        {{0x80, "SET: updates inhibited"},
                         {0x40, "PIE"},
                         {0x20, "AIE"},
                         {0x10, "UIE"},
                         {0x08, "SQWE"},
                         {0x04, "DM: binary", "BCD"},
                         {0x02, "24 hours", "12 hours"},
                         {0x01, "DSE"}},
                        ", "));
    sheet.row("register C", c, 2, bit_names(c, {{0x80, "IRQF"}, {0x40, "PF"}, {0x20, "AF"}, {0x10, "UF"}}, ", "));
    sheet.row("register D", d, 2, bit_names(d, {{0x80, "VRT: valid RAM and time", "battery dead"}}));
    sheet.row("NMI", rtc.nmi_masked() ? "masked" : "enabled", "port 70h bit 7");
    if (with_cmos) show_cmos(sheet, rtc);
}

void show_hpet(const Board& board, std::string& out) {
    const Hpet::Registers r = board.hpet.registers();
    Sheet sheet(out);
    sheet.title("High precision event timer (at FED00000h, clock 100 MHz)");
    sheet.row("capabilities", hex_digits(Hpet::capabilities(), 16));
    sheet.row("configuration", r.configuration, 8,
              bit_names(r.configuration,
                        {{1, "ENABLE_CNF: counting", "stopped"},
                         {2, "LEG_RT_CNF: IRQ 0 and IRQ 8 are the HPET's", "no legacy replacement"}},
                        ", "));
    sheet.row("int. status", r.status, 8, r.status ? "timers " + number_list(r.status, "") : "none");
    sheet.row("main counter", hex_digits(r.counter, 16), duration(time_of(r.counter, Hpet::frequency)));
    for (unsigned i = 0; i < Hpet::timers; ++i) {
        const auto& timer = r.comparators[i];
        const u32 c = timer.configuration;
        sheet.title("Timer " + std::to_string(i));
        sheet.row("configuration", c, 8,
                  bit_names(c,
                            {{4, "INT_ENB", "interrupt off"},
                             {2, "level", "edge"},
                             {8, "periodic", "one-shot"},
                             {0x100, "32 bits", "64 bits"}},
                            ", ") +
                      ", I/O APIC input " + std::to_string(c >> 9 & 31));
        sheet.row("comparator", hex_digits(timer.comparator, 16));
        if (c & 8) sheet.row("period", hex_digits(timer.period, 16), duration(time_of(timer.period, Hpet::frequency)));
    }
}

void show_acpi(const Board& board, std::string& out) {
    const Piix4Pm::Registers r = board.power.registers();
    Sheet sheet(out);
    const auto status = [](u16 v) {
        return bit_names(
            v, {{0x8000, "WAK_STS"}, {0x400, "RTC"}, {0x100, "PWRBTN"}, {0x20, "GBL"}, {0x10, "BM_STS"}, {1, "TMROF"}});
    };
    sheet.title(
        r.pm_base ? "ACPI power management of the PIIX4 (ports " + hexh(r.pm_base) + "-" + hexh(r.pm_base + 0x3Fu) + ")"
                  : std::string("ACPI power management of the PIIX4 (PMBASE not decoded: firmware has not set it up)"));
    sheet.row("PM1 status", r.pm1_status, 4, status(r.pm1_status));
    sheet.row("PM1 enable", r.pm1_enable, 4, status(r.pm1_enable));
    sheet.row("PM1 control", r.pm1_control, 4,
              bit_names(r.pm1_control, {{1, "SCI_EN: ACPI mode", "legacy mode"}, {2, "BM_RLD"}}, ", ") + ", SLP_TYP " +
                  std::to_string(r.pm1_control >> 10 & 7));
    sheet.row("PM timer", r.timer, 6,
              "3579545 Hz; bit 23 toggles in " +
                  duration(time_of(0x800000 - (r.timer & 0x7FFFFF), Piix4Pm::timer_hertz)));
    sheet.row("GPE0 status", r.gpe_status, 4, number_list(r.gpe_status, "GPE"));
    sheet.row("GPE0 enable", r.gpe_enable, 4, number_list(r.gpe_enable, "GPE"));
    sheet.row("APM (B2h B3h)", hex_digits(r.apm_control, 2) + " " + hex_digits(r.apm_status, 2));
    sheet.row("SMBus host", r.smbus_base ? "at " + hexh(r.smbus_base) : "not decoded");
    sheet.row("SCI", board.isa_irqs.drivers(9) & 1u << IsaIrqRouter::sci ? "asserted" : "not asserted",
              board.power.suspended() ? "suspended (S3)" : "IRQ 9");
}

void show_events(const Board& board, std::string& out) {
    const Scheduler& scheduler = board.scheduler;
    Sheet sheet(out);
    sheet.title("Now: " + duration(scheduler.now()) + " of guest time, " + grouped(scheduler.instructions()) +
                " instructions");
    const auto pending = scheduler.pending();
    if (pending.empty()) return sheet.line("  nothing is scheduled");
    std::vector<std::vector<std::string>> rows{{"event", "in", "instructions", "at"}};
    for (const Scheduler::Event* event : pending) {
        const Time left = event->when() > scheduler.now() ? event->when() - scheduler.now() : 0;
        const Time cost = scheduler.instruction_cost();
        rows.push_back({event->name(), duration(left), grouped((left + cost - 1) / cost), duration(event->when())});
    }
    sheet.table(rows);
}

} // namespace glassbox
