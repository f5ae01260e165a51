// What else the task brings: the I/O permission bitmap of its TSS (SDM 1, 19.5.2; SDM 3A, 7.2.1), and that breakpoints
// of DR7's local enables end with it (SDM 3B, 17.2.4).
#include "guests/system/tasks.hpp"

namespace tasks {

namespace {

constexpr u32 map_tss = arena_begin + 0x3C00, map_offset = 0x68, free_ports = 0x300; ///< nothing answers there
constexpr u32 code_at = 0x7000, level_virtual = 4;

enum Kind : u32 { in, out, ins, outs };
constexpr const char* kind_names[] = {"IN", "OUT", "INS", "OUTS"};

/// The instruction for 16- or 32-bit code; returns its length.
u32 put_instruction(u8* to, Kind kind, u32 width, bool code16) {
    constexpr u8 opcodes[] = {0xEC, 0xEE, 0x6C, 0x6E};
    u32 n = 0;
    if ((width == 2 && !code16) || (width == 4 && code16)) to[n++] = 0x66;
    to[n++] = static_cast<u8>(opcodes[kind] | (width > 1 ? 1 : 0));
    return n;
}

struct Access {
    Kind kind;
    u32 width, port, level, iopl;
};

/// The access in a task whose TSS the caller has made.
void check_access(Report& report, const Access& a, bool mapped) {
    u8 bytes[6];
    const bool is_virtual = a.level == level_virtual;
    const u32 n = put_instruction(bytes, a.kind, a.width, is_virtual);
    bytes[n] = is_virtual ? 0x0F : 0xCD;
    bytes[n + 1] = is_virtual ? 0x0B : u8{end_vector};
    Context c = ring(a.level & 3, nullptr);
    if (is_virtual) {
        memcpy(reinterpret_cast<void*>(code_at), bytes, n + 2);
        c = virtual_8086(code_at, 0x8000);
        c.esp = 0x100;
    } else {
        c.eip = address(code(bytes, n + 2));
    }
    c.eflags = 2 | a.iopl << 12 | (is_virtual ? flag_vm : 0);
    c.edx = a.port;
    c.esi = c.edi = is_virtual ? 0x200 : arena_begin;
    const bool ok = mapped || (!is_virtual && a.level <= a.iopl);
    const Exit e = run(c);
    report.expect_exit(e, ok ? (is_virtual ? ud_vector : end_vector) : gp_vector, 0);
    if (!ok) report.expect("EIP", c.eip, e.eip);
    const bool moves = ok && a.kind >= ins;
    const u32 moved = a.kind == ins ? e.edi : e.esi;
    if (a.kind >= ins) report.expect("index", c.edi + (moves ? a.width : 0), moved);
}

void load_map_task(u32 type, u32 limit) {
    memcpy(reinterpret_cast<void*>(map_tss), &tss, sizeof tss);
    word(map_tss + 0x66) = map_offset;
    gdt[a_selector / 8] = descriptor(map_tss, limit, type, 0, true, false);
    load_task(a_selector);
}

constexpr u32 map_bytes = 0x2001, whole_limit = map_offset + map_bytes - 1;

} // namespace

/// One port refused among free ones, accesses of each width around it, at each level.
void io_map(Report& report) {
    memset(reinterpret_cast<void*>(map_tss + map_offset), 0, map_bytes);
    u8* map = reinterpret_cast<u8*>(map_tss + map_offset);
    map[map_bytes - 1] = 0xFF; // the byte behind the last port
    for (const Kind kind : {in, out, ins, outs}) {
        for (const u32 width : {1u, 2u, 4u}) {
            for (u32 port = free_ports + 3; port < free_ports + 12; ++port) {
                for (u32 refused = free_ports; refused < free_ports + 16; ++refused) {
                    // CPL 3 with IOPL 0, virtual-8086 mode with IOPL 3; all other levels once for each width.
                    for (u32 i = 0; i < (refused == port ? 20u : 2u); ++i) {
                        const Access a{kind, width, port,
                                       i == 0   ? 3
                                       : i == 1 ? level_virtual
                                                : i / 4,
                                       i == 0   ? 0
                                       : i == 1 ? 3
                                                : i & 3};
                        if (!report.next()) continue;
                        report.describe("%s of %u bytes at %x, port %x refused, level %u (4: virtual-8086), IOPL %u",
                                        kind_names[kind], width, port, refused, a.level, a.iopl);
                        map[refused / 8] |= static_cast<u8>(1u << refused % 8);
                        load_map_task(tss32_type, whole_limit);
                        check_access(report, a, refused < port || refused >= port + width);
                        map[refused / 8] = 0;
                        load_task(tss_selector);
                    }
                }
            }
        }
    }
    reset_tables();
}

/// Two bytes of the map are read for every access: both must lie in the TSS. A TSS of 16 bits has no map.
void io_map_limit(Report& report) {
    memset(reinterpret_cast<void*>(map_tss + map_offset), 0, map_bytes);
    for (const u32 port : {free_ports, free_ports + 7, free_ports + 8, 0xF00Fu}) {
        for (const u32 width : {1u, 2u, 4u}) {
            const u32 last = map_offset + port / 8 + 1;
            for (const u32 limit : {0x67u, last - 2, last - 1, last, last + 1, whole_limit}) {
                for (const u32 level : {3u, level_virtual}) {
                    for (const bool wide : {false, true}) {
                        if (!report.next()) continue;
                        report.describe("IN of %u bytes at %x, %u-bit TSS of limit %x, level %u (4: virtual-8086)",
                                        width, port, wide ? 32u : 16u, limit, level);
                        load_map_task(wide ? tss32_type : tss16_type, limit);
                        if (!wide) { // level 0's stack is where such a TSS has it
                            word(map_tss + 2) = 0x9000;
                            word(map_tss + 4) = kernel_data;
                        }
                        check_access(report, {in, width, port, level, 0}, wide && limit >= last);
                        load_task(tss_selector);
                    }
                }
            }
        }
    }
    // Beyond the last port lies the byte of ones.
    for (const u8 behind : {u8{0}, u8{0xFF}}) {
        for (const u32 width : {1u, 2u, 4u}) {
            for (u32 port = 0xFFFC; port < 0x10000; ++port) {
                if (!report.next()) continue;
                report.describe("IN of %u bytes at %x, the byte behind the map %x", width, port, u32{behind});
                byte(map_tss + map_offset + 0x2000) = behind;
                load_map_task(tss32_type, whole_limit);
                check_access(report, {in, width, port, 3, 0}, port + width <= 0x10000 || behind == 0);
                load_task(tss_selector);
            }
        }
    }
    reset_tables();
}

void debug_enables(Report& report) {
    constexpr u32 local = 0x55, global = 0x2AA; // the manual says nothing of LE
    for (u32 i = 0; i < source_count * 2 * 16; ++i) {
        if (!report.next()) continue;
        const Source s = static_cast<Source>(i >> 5);
        const bool wide = i >> 4 & 1;
        u32 enables = 0;
        for (u32 n = 0; n < 4; ++n) enables |= (i >> n & 1) << 2 * n;
        enables |= enables << 1 | (i & 1 ? 0x200 : 0); // L and G alike, and GE
        report.describe("%s to a %u-bit TSS, DR7 enables %x", source_names[s], wide ? 32u : 16u, enables);
        const View a{a_at, true}, b{b_at, wide};
        build_current(a);
        build(b, 3);
        put_descriptor(a_selector, a);
        put_descriptor(b_selector, b, 3, s == by_iret);
        load_task(a_selector);
        const u32 nowhere = arena_end - 16;
        write_dr0(nowhere), write_dr1(nowhere), write_dr2(nowhere), write_dr3(nowhere);
        const Context c = prepare(s, 0, a);
        write_dr7(0x400 | enables);
        const Exit e = run(c);
        const u32 now = read_dr7();
        write_dr7(0x400);
        report.expect_exit(e, end_vector, 0);
        report.expect("DR7's enables", enables & global, now & (local | global));
        restore();
    }
    reset_tables();
}

} // namespace tasks
