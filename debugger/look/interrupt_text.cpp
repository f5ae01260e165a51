// The interrupt tables: the IDT's gates (SDM 3A 6.11, 6.14.1) and real mode's vectors (SDM 3B 20.1.4).
#include "debugger/look/descriptor_text.hpp"
#include "debugger/look/text.hpp"
#include "debugger/symbols/symbols.hpp"
#include "debugger/view.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace glassbox::look {

namespace {

std::string named(const Symbols* symbols, u64 address) {
    const std::string name = symbols ? symbols->describe(address) : std::string();
    return name.empty() ? name : "<" + name + ">";
}

/// What the firmware of a PC offers behind a vector (IBM PC AT Technical Reference, section 5).
std::string_view bios_service(unsigned vector) {
    struct Service {
        unsigned vector;
        std::string_view name;
    };
    static constexpr Service services[] = {{0x05, "print screen"},
                                           {0x08, "IRQ 0 timer"},
                                           {0x09, "IRQ 1 keyboard"},
                                           {0x0A, "IRQ 2"},
                                           {0x0B, "IRQ 3 COM2"},
                                           {0x0C, "IRQ 4 COM1"},
                                           {0x0D, "IRQ 5 LPT2"},
                                           {0x0E, "IRQ 6 diskette"},
                                           {0x0F, "IRQ 7 LPT1"},
                                           {0x10, "video"},
                                           {0x11, "equipment"},
                                           {0x12, "memory size"},
                                           {0x13, "disk"},
                                           {0x14, "serial port"},
                                           {0x15, "system"},
                                           {0x16, "keyboard"},
                                           {0x17, "printer"},
                                           {0x18, "no boot device"},
                                           {0x19, "bootstrap"},
                                           {0x1A, "time of day"},
                                           {0x1B, "Ctrl-Break"},
                                           {0x1C, "timer tick"},
                                           {0x1D, "video parameters"},
                                           {0x1E, "diskette parameters"},
                                           {0x1F, "graphics characters"},
                                           {0x21, "DOS"},
                                           {0x41, "disk 0 parameters"},
                                           {0x46, "disk 1 parameters"},
                                           {0x70, "IRQ 8 RTC"},
                                           {0x71, "IRQ 9"},
                                           {0x72, "IRQ 10"},
                                           {0x73, "IRQ 11"},
                                           {0x74, "IRQ 12 mouse"},
                                           {0x75, "IRQ 13 FPU"},
                                           {0x76, "IRQ 14 IDE"},
                                           {0x77, "IRQ 15 IDE"}};
    for (const Service& s : services) {
        if (s.vector == vector) return s.name;
    }
    return {};
}

/// Same texts of neighbouring vectors become one row.
class Rows {
  public:
    Rows(Table& table, std::size_t columns) : table_(table), columns_(columns) {}
    void say(u32 n, const std::string& text) {
        if (open_ && text_ == text && last_ + 1 == n) {
            last_ = n;
            return;
        }
        flush();
        open_ = true;
        first_ = last_ = n;
        text_ = text;
    }
    void flush() {
        if (!open_) return;
        std::vector<std::string> row(columns_);
        row[0] = digits(first_, 2) + (first_ == last_ ? "" : "-" + digits(last_, 2));
        row[1] = text_;
        table_.add(row);
        open_ = false;
    }

  private:
    Table& table_;
    std::size_t columns_;
    bool open_ = false;
    u32 first_ = 0, last_ = 0;
    std::string text_;
};

std::optional<Descriptor> read_gate(const Cpu& cpu, u32 vector) {
    const bool wide = cpu.long_mode();
    const u64 at = u64{vector} * (wide ? 16 : 8), size = wide ? 16 : 8;
    std::array<u8, 16> bytes{};
    if (at + size - 1 > cpu.idtr.limit) return std::nullopt;
    if (read_linear_quietly(cpu, cpu.idtr.base + at, std::span(bytes).first(size)) < size) return std::nullopt;
    Descriptor d;
    std::memcpy(&d.raw, bytes.data(), 8);
    if (wide) std::memcpy(&d.high, bytes.data() + 8, 8);
    return d;
}

u64 segment_base(const Cpu& cpu, u16 selector) {
    u64 at = 0;
    std::array<u8, 8> bytes{};
    if (cpu.long_mode() || !descriptor_address(cpu, selector, at) || read_linear_quietly(cpu, at, bytes) < 8) return 0;
    Descriptor d;
    std::memcpy(&d.raw, bytes.data(), 8);
    return d.base();
}

} // namespace

std::string exception_name(unsigned vector) {
    static constexpr std::array<std::string_view, 32> names = {"#DE divide error",
                                                               "#DB debug",
                                                               "NMI",
                                                               "#BP breakpoint",
                                                               "#OF overflow",
                                                               "#BR BOUND range",
                                                               "#UD invalid opcode",
                                                               "#NM device not available",
                                                               "#DF double fault",
                                                               "coprocessor overrun",
                                                               "#TS invalid TSS",
                                                               "#NP segment not present",
                                                               "#SS stack fault",
                                                               "#GP general protection",
                                                               "#PF page fault",
                                                               "",
                                                               "#MF x87 error",
                                                               "#AC alignment check",
                                                               "#MC machine check",
                                                               "#XM SIMD exception",
                                                               "#VE virtualization",
                                                               "#CP control protection"};
    return vector < names.size() ? std::string(names[vector]) : std::string();
}

void write_idt(const Cpu& cpu, const Symbols* symbols, u32 first, u32 count, std::string& out) {
    const unsigned width = cpu.long_mode() ? 16 : 8;
    out += "IDT at " + digits(cpu.idtr.base, width) + ", limit " + digits(cpu.idtr.limit, 4) + "\n";
    std::vector<std::string> heading = {"vec", "type", "target", "DPL"};
    if (cpu.long_mode()) heading.push_back("IST");
    heading.push_back("");
    Table table(heading);
    Rows rows(table, heading.size());
    const u32 entries = std::min<u32>(256, (u32{cpu.idtr.limit} + 1) / (cpu.long_mode() ? 16 : 8));
    const u32 end = static_cast<u32>(std::min<u64>(entries, u64{first} + count));
    for (u32 n = first; n < end; ++n) {
        const auto d = read_gate(cpu, n);
        if (!d) {
            rows.say(n, "(not readable)");
            continue;
        }
        const std::string type = descriptor_type(d->type(), d->is_system(), cpu.long_mode());
        if (!d->present()) {
            rows.say(n, d->raw == 0 ? "empty" : "not present, " + type);
            continue;
        }
        rows.flush();
        std::string target = digits(d->gate_selector(), 4);
        if (!d->is_system(SystemType::task_gate))
            target += ":" + digits(d->gate_offset(), cpu.long_mode() ? 16 : d->gate_is_32() ? 8 : 4);
        std::vector<std::string> row = {digits(n, 2), type, target, std::to_string(d->dpl())};
        if (cpu.long_mode()) row.push_back(std::to_string(d->gate_ist()));
        const u64 base = segment_base(cpu, d->gate_selector());
        const std::string symbol =
            named(symbols, cpu.long_mode() ? d->gate_offset() : static_cast<u32>(base + d->gate_offset()));
        row.push_back(exception_name(n) + (symbol.empty() || exception_name(n).empty() ? "" : " ") + symbol);
        table.add(std::move(row));
    }
    rows.flush();
    table.write(out);
    if (entries == 0) out += "  its limit leaves no room for a gate: every interrupt ends in a triple fault\n";
}

void write_ivt(const Cpu& cpu, const Symbols* symbols, u64 base, u32 first, u32 count, std::string& out) {
    out += "Interrupt vectors at " + digits(base, 8) + "\n";
    Table table({"vec", "target", "linear", ""});
    Rows rows(table, 4);
    const u32 end = static_cast<u32>(std::min<u64>(256, u64{first} + count));
    for (u32 n = first; n < end; ++n) {
        std::array<u8, 4> b{};
        if (read_linear_quietly(cpu, base + u64{n} * 4, b) < 4) {
            rows.say(n, "(not readable)");
            continue;
        }
        const u32 offset = b[0] | b[1] << 8, segment = b[2] | b[3] << 8;
        const std::string target = digits(segment, 4) + ":" + digits(offset, 4);
        const std::string_view service = bios_service(n);
        const std::string symbol = named(symbols, segment * 16 + offset);
        if (service.empty() && symbol.empty()) {
            rows.say(n, target);
            continue;
        }
        rows.flush();
        table.add({digits(n, 2), target, digits(segment * 16 + offset, 8),
                   std::string(service) + (symbol.empty() || service.empty() ? "" : " ") + symbol});
    }
    rows.flush();
    table.write(out);
}

} // namespace glassbox::look
