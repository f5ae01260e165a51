// PCI configuration space (PCI Local Bus 2.2, chapter 6), the map of I/O ports, everything that is mapped anywhere, and
// the A20 gate.
#include "debugger/devices/sheet.hpp"
#include "debugger/devices/show.hpp"
#include "machine/board.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace glassbox {

namespace {

u32 config_value(const PciFunction& f, unsigned offset, unsigned width) {
    u32 value = 0;
    for (unsigned i = 0; i < width; ++i) value |= u32{f.config()[offset + i]} << 8 * i;
    return value;
}

const char* class_name(u32 code) {
    switch (code >> 8) {
    case 0x0600: return "host bridge";
    case 0x0601: return "ISA bridge";
    case 0x0101: return "IDE controller";
    case 0x0680: return "bridge, other";
    case 0x0300: return "VGA controller";
    case 0x0200: return "Ethernet controller";
    case 0x0401: return "audio device";
    case 0x0C03: return "USB controller";
    default: return "";
    }
}

const char* device_words(u16 vendor, u16 device) {
    struct Name {
        u16 vendor, device;
        const char* name;
    };
    constexpr Name names[] = {{0x8086, 0x1237, "Intel 82441FX (440FX) PCI and memory controller"},
                              {0x8086, 0x7000, "Intel 82371SB (PIIX3) PCI-to-ISA bridge"},
                              {0x8086, 0x7010, "Intel 82371SB (PIIX3) IDE controller"},
                              {0x8086, 0x7113, "Intel 82371AB (PIIX4) power management"},
                              {0x1234, 0x1111, "VGA with Bochs VBE"}};
    for (const Name& n : names) {
        if (n.vendor == vendor && n.device == device) return n.name;
    }
    return "unknown";
}

std::string place(unsigned slot, unsigned function) {
    return "0:" + hex_digits(slot, 1) + "." + std::to_string(function);
}

std::string bar_words(const PciFunction::BaseAddress& bar) {
    const bool io = bar.kind == PciFunction::BarKind::io;
    std::string text = io ? "I/O" : bar.kind == PciFunction::BarKind::memory32 ? "memory" : "prefetchable memory";
    text += ", " + (bar.size >= 1 << 20 ? std::to_string(bar.size >> 20) + " MiB"
                    : bar.size >= 1024  ? std::to_string(bar.size >> 10) + " KiB"
                                        : std::to_string(bar.size) + " bytes");
    return text + (bar.address ? ", decodes " + hexh(*bar.address) + "-" + hexh(*bar.address + bar.size - 1)
                               : ", not decoded");
}

void show_bars(Sheet& sheet, const PciFunction& f) {
    for (unsigned i = 0; i < 7; ++i) {
        const auto bar = f.base_address(i);
        if (!bar) continue;
        const unsigned offset = i == 6 ? 0x30 : 0x10 + 4 * i;
        sheet.row(i == 6 ? "expansion ROM" : "BAR" + std::to_string(i), config_value(f, offset, 4), 8, bar_words(*bar));
    }
}

std::string interrupt_words(const PciFunction& f) {
    const u8 pin = f.config()[0x3D], line = f.config()[0x3C];
    if (pin == 0 || pin > 4) return "no pin";
    return std::string("INT") + static_cast<char>('A' + pin - 1) + "#, line " +
           (line == 0xFF ? "unknown" : "IRQ " + std::to_string(line)) + ((f.config()[6] & 8) ? ", asserted" : "");
}

/// PIRQRC of the PIIX3 (82371SB 2.3.10).
void show_routing(Sheet& sheet, const PciFunction& f) {
    for (unsigned i = 0; i < 4; ++i) {
        const u8 r = f.config()[0x60 + i];
        sheet.row(std::string("PIRQ") + static_cast<char>('A' + i) + "#", r, 2,
                  (r & 0x80) ? "not routed" : "IRQ " + std::to_string(r & 15));
    }
}

/// PAM of the 82441FX (3.2.19).
void show_attributes(Sheet& sheet, const PciFunction& f) {
    constexpr std::array modes{"ROM", "read RAM", "write RAM", "RAM"};
    std::string text = "F0000-FFFFF " + std::string(modes[f.config()[0x59] >> 4 & 3]);
    sheet.row("PAM0", f.config()[0x59], 2, text);
    for (unsigned i = 1; i <= 6; ++i) {
        const u8 v = f.config()[0x59 + i];
        const u64 start = 0xC0000 + (i - 1) * 0x8000;
        sheet.row("PAM" + std::to_string(i), v, 2,
                  hex_digits(start, 5) + "-" + hex_digits(start + 0x3FFF, 5) + " " + modes[v & 3] + ", " +
                      hex_digits(start + 0x4000, 5) + "-" + hex_digits(start + 0x7FFF, 5) + " " + modes[v >> 4 & 3]);
    }
    sheet.row("SMRAM", f.config()[0x72], 2);
}

std::string port_range(const PortBus::Range& range) {
    const unsigned first = range.first.value, last = first + range.count - 1u;
    return hex_digits(first, 4) + (last == first ? "" : "-" + hex_digits(last, 4));
}

std::vector<const PortBus::Mapping*> sorted_mappings(const PortBus& ports) {
    std::vector<const PortBus::Mapping*> list;
    for (const auto& m : ports.mappings()) {
        if (m.live && m.range.count) list.push_back(&m);
    }
    std::sort(list.begin(), list.end(),
              [](const auto* a, const auto* b) { return std::pair(a->range.first, a) < std::pair(b->range.first, b); });
    return list;
}

std::string region_kind(const MemoryMap::Region& r) {
    if (r.device) return "MMIO";
    if (r.writes_dropped) return "ROM";
    return "RAM";
}

std::string access_words(MemoryMap::Access access) {
    constexpr std::array names{"-", "read", "write", "read/write"};
    return names[static_cast<std::size_t>(access) & 3];
}

} // namespace

void show_pci(const Board& board, std::string& out) {
    Sheet sheet(out);
    sheet.title("PCI bus 0 (CF8h: " + hexh(board.pci.config_address(), 8) + ")");
    for (unsigned i = 0; i < 256; ++i) {
        const PciFunction* f = board.pci.at(i / 8, i % 8);
        if (!f) continue;
        const u16 vendor = static_cast<u16>(config_value(*f, 0, 2)), device = static_cast<u16>(config_value(*f, 2, 2));
        sheet.title(place(i / 8, i % 8) + "  " + hex_digits(vendor, 4) + ":" + hex_digits(device, 4) + "  " +
                    device_words(vendor, device));
        const u32 code = config_value(*f, 8, 4) >> 8;
        sheet.row("class", code, 6, class_name(code));
        sheet.row("command", config_value(*f, 4, 2), 4,
                  bit_names(config_value(*f, 4, 2), {{1, "I/O"}, {2, "memory"}, {4, "bus master"}, {0x400, "INTx off"}},
                            ", "));
        sheet.row("interrupt", interrupt_words(*f));
        show_bars(sheet, *f);
    }
}

bool show_pci_function(const Board& board, unsigned slot, unsigned function, std::string& out) {
    const PciFunction* f = slot < 32 && function < 8 ? board.pci.at(slot, function) : nullptr;
    if (!f) return false;
    Sheet sheet(out);
    const u16 vendor = static_cast<u16>(config_value(*f, 0, 2)), device = static_cast<u16>(config_value(*f, 2, 2));
    sheet.title(place(slot, function) + "  " + device_words(vendor, device));
    const u32 command = config_value(*f, 4, 2), status = config_value(*f, 6, 2), code = config_value(*f, 8, 4) >> 8;
    sheet.row("vendor ID", vendor, 4);
    sheet.row("device ID", device, 4);
    sheet.row("command", command, 4,
              bit_names(command,
                        {{1, "I/O space"},
                         {2, "memory space"},
                         {4, "bus master"},
                         {8, "special cycles"},
                         {0x40, "parity"},
                         {0x100, "SERR#"},
                         {0x400, "INTx disabled"}},
                        ", "));
    sheet.row("status", status, 4,
              bit_names(status,
                        {{8, "INTx pending"},
                         {0x10, "capabilities"},
                         {0x80, "fast back-to-back"},
                         {0x200, "medium DEVSEL#"},
                         {0x800, "signalled target abort"},
                         {0x2000, "received master abort"}},
                        ", "));
    sheet.row("revision ID", f->config()[8], 2);
    sheet.row("class code", code, 6, class_name(code));
    sheet.row("cache line size", f->config()[0x0C], 2);
    sheet.row("latency timer", f->config()[0x0D], 2);
    sheet.row("header type", f->config()[0x0E], 2, (f->config()[0x0E] & 0x80) ? "several functions" : "one function");
    show_bars(sheet, *f);
    sheet.row("subsystem", hex_digits(config_value(*f, 0x2C, 2), 4) + ":" + hex_digits(config_value(*f, 0x2E, 2), 4));
    sheet.row("interrupt line", f->config()[0x3C], 2);
    sheet.row("interrupt pin", f->config()[0x3D], 2, interrupt_words(*f));
    if (f == &board.isa_bridge) show_routing(sheet, *f);
    if (f == &board.host_bridge) show_attributes(sheet, *f);
    sheet.title("Configuration space");
    sheet.dump(f->config(), 2);
    return true;
}

void show_a20(const Board& board, std::string& out) {
    Sheet sheet(out);
    const bool open = board.a20.open();
    sheet.line(open ? "A20 gate: open: address bit 20 passes"
                    : "A20 gate: closed: address bit 20 is zero, 1 MiB wraps to 0 (SDM 3A 22.34)");
    const u8 output = board.ps2.registers().output_port;
    sheet.row("8042 output port", output, 2, bit_names(output, {{2, "bit 1: A20 open", "bit 1: A20 closed"}}));
    sheet.row("port 92h bit 1", open ? "1" : "0");
}

void show_ports(const Board& board, std::optional<u16> one, std::string& out) {
    Sheet sheet(out);
    const auto list = sorted_mappings(board.ports);
    std::vector<std::vector<std::string>> rows{{"ports", "device", "widest access"}};
    for (const PortBus::Mapping* m : list) {
        const u32 first = m->range.first.value;
        if (one && (*one < first || *one >= first + m->range.count)) continue;
        rows.push_back({port_range(m->range), m->name, std::to_string(8 * m->max_width) + " bits"});
    }
    if (rows.size() == 1)
        return sheet.line("Nobody answers at port " + hexh(one.value_or(0)) + ": it reads as all ones.");
    sheet.table(rows);
    if (!one) return;
    if (const auto value = board.ports.peek(Port{*one}, 1))
        sheet.line("A byte would read " + hexh(*value, 2) + ".");
    else
        sheet.line("The device does not tell what it would answer.");
}

void show_devices(const Board& board, std::string& out) {
    Sheet sheet(out);
    sheet.title("I/O ports");
    for (const PortBus::Mapping* m : sorted_mappings(board.ports))
        sheet.line("  " + port_range(m->range) + (m->range.count == 1 ? "     " : "") + "  " + m->name);
    sheet.title("Physical memory (where regions overlap the higher priority answers)");
    std::vector<const MemoryMap::Region*> regions;
    for (const auto& r : board.memory.regions()) {
        if (r.size && r.access != MemoryMap::Access::none) regions.push_back(&r);
    }
    std::sort(regions.begin(), regions.end(),
              [](const auto* a, const auto* b) { return std::pair(a->start, a) < std::pair(b->start, b); });
    std::vector<std::vector<std::string>> rows{{"addresses", "kind", "access", "priority", "what"}};
    for (const auto* r : regions)
        rows.push_back({hex_digits(r->start, 10) + "-" + hex_digits(r->start + r->size - 1, 10), region_kind(*r),
                        access_words(r->access), std::to_string(r->priority), r->name});
    sheet.table(rows);
    sheet.title("PCI functions");
    for (unsigned i = 0; i < 256; ++i) {
        if (const PciFunction* f = board.pci.at(i / 8, i % 8))
            sheet.line("  " + place(i / 8, i % 8) + "  " + f->name());
    }
}

} // namespace glassbox
