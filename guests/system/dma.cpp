// The two 8237As and their page registers (Intel 8237A data sheet; 82371SB data sheet 2.4). No device is needed:
// channels move by software requests, as verify transfers, which run through address and count and touch no memory.
#include "guests/system/system.hpp"

namespace {

constexpr unsigned channels[] = {0, 1, 2, 3, 5, 6, 7};
constexpr u16 page_ports[] = {0x87, 0x83, 0x81, 0x82, 0x8F, 0x8B, 0x89, 0x8A};

/// A controller's register: the second one sits on even ports from C0h.
u16 port(unsigned controller, unsigned index) { return static_cast<u16>(controller ? 0xC0 + 2 * index : index); }
enum Index : unsigned {
    command = 8,
    request,
    single_mask,
    mode,
    clear_flip_flop,
    master_clear,
    clear_masks,
    all_masks
};
enum Mode : u8 {
    verify = 0x00,
    autoinitialise = 0x10,
    decrement = 0x20,
    demand = 0x00,
    single = 0x40,
    block = 0x80,
    cascade = 0xC0
};

void begin() {
    for (unsigned controller = 0; controller < 2; ++controller) {
        out8(port(controller, master_clear), 0);
        out8(port(controller, command), 0);
    }
    out8(port(1, mode), cascade);
    out8(port(1, single_mask), 0); // channel 4 lets the first controller's requests through
    for (const unsigned c : {1u, 2u, 3u})
        out8(port(1, mode), static_cast<u8>(c | single)), out8(port(0, mode), static_cast<u8>(c | single));
    out8(port(0, mode), single);
}

u16 index_of(unsigned channel, bool count) { return port(channel / 4, 2 * (channel & 3) + (count ? 1 : 0)); }
void write(unsigned channel, bool count, u16 value) {
    out8(port(channel / 4, clear_flip_flop), 0);
    out8(index_of(channel, count), static_cast<u8>(value));
    out8(index_of(channel, count), static_cast<u8>(value >> 8));
}
u16 read(unsigned channel, bool count) {
    out8(port(channel / 4, clear_flip_flop), 0);
    const u8 low = in8(index_of(channel, count));
    return static_cast<u16>(low | in8(index_of(channel, count)) << 8);
}
u8 masks(unsigned controller) { return in8(port(controller, all_masks)) & 0xF; }

void addresses(Report& report) {
    constexpr u16 values[] = {0, 1, 0xFF, 0x100, 0x1234, 0x8001, 0xFEDC, 0xFFFF};
    for (unsigned channel = 0; channel < 8; ++channel) {
        for (const bool count : {false, true}) {
            for (const u16 value : values) {
                if (!report.next()) continue;
                report.describe("channel %u, %s %04x", channel, count ? "count" : "address", value);
                begin();
                for (unsigned other = 0; other < 8; ++other) {
                    write(other, false, 0x5555);
                    write(other, true, 0x5555);
                }
                write(channel, count, value);
                report.expect("register", value, read(channel, count));
                for (unsigned other = 0; other < 8; ++other) {
                    if (other != channel || count) report.expect("another address", 0x5555, read(other, false));
                    if (other != channel || !count) report.expect("another count", 0x5555, read(other, true));
                }
                begin();
            }
        }
    }
}

void flip_flop(Report& report) {
    for (unsigned controller = 0; controller < 2; ++controller) {
        const unsigned channel = 4 * controller + 1;
        for (const unsigned by : {unsigned{clear_flip_flop}, unsigned{master_clear}}) {
            if (!report.next()) continue;
            report.describe("controller %u, flip-flop cleared by register %x", controller, by);
            begin();
            write(channel, false, 0x1234);
            in8(index_of(channel, false)); // one byte: now at the high one
            out8(port(controller, by), 0);
            report.expect("low byte", 0x34, in8(index_of(channel, false)));
            report.expect("high byte", 0x12, in8(index_of(channel, false)));
        }
        if (report.next()) {
            report.describe("controller %u, one flip-flop for all channels, reads and writes", controller);
            begin();
            write(channel, false, 0x1234);
            write(channel + 1, true, 0x5678);
            report.expect("low of one", 0x34, in8(index_of(channel, false)));
            report.expect("high of another", 0x56, in8(index_of(channel + 1, true)));
            out8(index_of(channel, false), 0xAA); // a low byte
            report.expect("high of another", 0x56, in8(index_of(channel + 1, true)));
            report.expect("what was written", 0x12AA, read(channel, false));
        }
        // The two controllers' flip-flops are apart.
        if (report.next()) {
            report.describe("controller %u's flip-flop is its own", controller);
            begin();
            write(channel, false, 0x1234);
            in8(index_of(channel, false));
            out8(port(1 - controller, clear_flip_flop), 0);
            report.expect("high byte", 0x12, in8(index_of(channel, false)));
        }
        if (report.next()) {
            report.describe("controller %u, master clear", controller);
            begin();
            write(channel, false, 0x1234);
            write(channel, true, 0x4321);
            out8(port(controller, clear_masks), 0);
            out8(port(controller, master_clear), 0);
            report.expect("masks", 0xF, masks(controller));
            report.expect("status", 0, in8(port(controller, command)));
            report.expect("temporary register", 0, in8(port(controller, master_clear)));
            report.expect("address", 0x1234, read(channel, false));
            report.expect("count", 0x4321, read(channel, true));
            begin();
        }
    }
}

void mask_register(Report& report) {
    for (unsigned controller = 0; controller < 2; ++controller) {
        for (unsigned value = 0; value < 16; ++value) {
            if (!report.next()) continue;
            report.describe("controller %u, all masks %x", controller, value);
            begin();
            out8(port(controller, all_masks), static_cast<u8>(value | 0xF0));
            report.expect("masks", value, masks(controller));
            for (unsigned c = 0; c < 4; ++c) {
                out8(port(controller, single_mask), static_cast<u8>(c | 4));
                report.expect("one set", value | 1u << c, masks(controller));
                out8(port(controller, single_mask), static_cast<u8>(c));
                report.expect("one cleared", value & ~(1u << c), masks(controller));
                out8(port(controller, all_masks), static_cast<u8>(value));
            }
            out8(port(controller, clear_masks), 0);
            report.expect("all cleared", 0, masks(controller));
            begin();
        }
    }
}

void pages(Report& report) {
    for (u16 p = 0x81; p <= 0x8F; ++p) {
        for (const u8 value : {u8{0x00}, u8{0xFF}, u8{0x55}, u8{0xAA}, u8{0x01}}) {
            if (!report.next()) continue;
            report.describe("page register %02x, %02x", p, value);
            for (u16 other = 0x81; other <= 0x8F; ++other) out8(other, 0x3C);
            out8(p, value);
            for (u16 other = 0x81; other <= 0x8F; ++other)
                report.expect("register", other == p ? value : 0x3C, in8(other));
        }
    }
}

// --- transfers
// -------------------------------------------------------------------------------------------------------------

void start(unsigned channel) { out8(port(channel / 4, request), static_cast<u8>(channel & 3) | 4); }
u8 status(unsigned controller) { return in8(port(controller, command)); }

struct Transfer {
    u16 address, count;
};
constexpr Transfer transfers[] = {{0x1000, 0},    {0x1000, 1},    {0x1000, 0xFF},
                                  {0xFFF0, 0x1F}, {0x0008, 0x1F}, {0, 0xFFFF}};

void transfer(Report& report, unsigned channel, const Transfer& t, u8 flags, bool masked) {
    begin();
    const unsigned controller = channel / 4, n = channel & 3;
    out8(page_ports[channel], 0x12);
    out8(port(controller, single_mask), static_cast<u8>(n | (masked ? 4 : 0)));
    const u8 masks_before = masks(controller);
    out8(port(controller, mode), static_cast<u8>(n | block | verify | flags));
    write(channel, false, t.address);
    write(channel, true, t.count);
    report.expect("status before", 0, status(controller));
    start(channel);
    const u32 moved = t.count + 1u;
    const bool again = flags & autoinitialise;
    const u32 end = flags & decrement ? t.address - moved : t.address + moved;
    report.expect("address", again ? t.address : end & 0xFFFF, read(channel, false));
    report.expect("count", again ? t.count : 0xFFFF, read(channel, true));
    report.expect("page: no carry into it", 0x12, in8(page_ports[channel]));
    report.expect("status: terminal count, no request", 1u << n, status(controller));
    report.expect("status: the read has cleared it", 0, status(controller));
    report.expect("masks: set by the terminal count unless it goes on", masks_before | (again ? 0 : 1u << n),
                  masks(controller));
    begin();
}

void software_requests(Report& report) {
    for (const unsigned channel : channels) {
        for (const Transfer& t : transfers) {
            for (unsigned flags = 0; flags < 4; ++flags) {
                for (const bool masked : {false, true}) {
                    if (!report.next()) continue;
                    const u8 bits = static_cast<u8>((flags & 1 ? autoinitialise : 0) | (flags & 2 ? decrement : 0));
                    report.describe("channel %u, address %04x, count %04x%s%s%s", channel, t.address, t.count,
                                    flags & 1 ? ", autoinitialise" : "", flags & 2 ? ", down" : "",
                                    masked ? ", masked" : "");
                    transfer(report, channel, t, bits, masked);
                }
            }
        }
    }
}

/// What a request waits for, and that it runs when that comes.
void pending_requests(Report& report) {
    for (const unsigned channel : channels) {
        const unsigned controller = channel / 4, n = channel & 3;
        const auto prepare = [&](u8 service) {
            begin();
            out8(port(controller, mode), static_cast<u8>(n | service));
            write(channel, false, 0x100);
            write(channel, true, 0xF);
        };
        const auto expect = [&](const char* when, bool done) {
            report.expect(when, done ? 0x110 : 0x100, read(channel, false));
            report.expect("status", done ? 1u << n : 0x10u << n, status(controller));
        };
        if (report.next()) {
            report.describe("channel %u, requested while its controller is disabled", channel);
            prepare(block);
            out8(port(controller, command), 4);
            start(channel);
            expect("address while disabled", false);
            out8(port(controller, command), 0);
            expect("address when enabled", true);
        }
        if (report.next()) {
            report.describe("channel %u, request taken back while its controller is disabled", channel);
            prepare(block);
            out8(port(controller, command), 4);
            start(channel);
            out8(port(controller, request), static_cast<u8>(n));
            report.expect("status", 0, status(controller));
            out8(port(controller, command), 0);
            report.expect("address", 0x100, read(channel, false));
        }
        if (report.next()) {
            report.describe("channel %u, requested while disabled, then master clear", channel);
            prepare(block);
            out8(port(controller, command), 4);
            start(channel);
            out8(port(controller, master_clear), 0);
            report.expect("status", 0, status(controller));
            report.expect("address", 0x100, read(channel, false));
        }
        if (controller == 0) {
            if (report.next()) {
                report.describe("channel %u, requested while channel 4 is masked", channel);
                prepare(block);
                out8(port(1, single_mask), 4);
                start(channel);
                expect("address while masked", false);
                out8(port(1, single_mask), 0);
                expect("address when open", true);
            }
            if (report.next()) {
                report.describe("channel %u, requested while the second controller is disabled", channel);
                prepare(block);
                out8(port(1, command), 4);
                start(channel);
                expect("address while disabled", false);
                out8(port(1, command), 0);
                expect("address when enabled", true);
            }
        }
        for (const u8 service : {u8{demand}, u8{single}}) {
            if (!report.next()) continue;
            // "Software requests will be serviced only if the channel is in Block mode."
            report.describe("channel %u, requested in %s mode", channel, service == single ? "single" : "demand");
            prepare(service);
            start(channel);
            report.expect("address", 0x100, read(channel, false));
            out8(port(controller, request), static_cast<u8>(n));
            report.expect("status", 0, status(controller));
        }
        begin();
    }
}

constexpr Form forms[] = {
    {"dma/addresses", "8237A, Base and Current Address and Word Count", addresses},
    {"dma/flip-flop", "8237A, Software Commands", flip_flop},
    {"dma/masks", "8237A, Mask Register; 82371SB 2.4.5", mask_register},
    {"dma/pages", "82371SB 2.4.9", pages},
    {"dma/software-requests", "8237A, Request Register; Transfer Modes; Autoinitialize", software_requests},
    {"dma/pending-requests", "8237A, Request Register; Command Register", pending_requests},
};

} // namespace

Group dma_forms() { return group(forms); }
