// Accesses that the processor makes on its own behalf: descriptor tables, interrupt vectors, the task-state segment and
// its I/O map. They are the supervisor's at any CPL (SDM 3A 4.6.1): U/S 0 is no obstacle, bit 2 of the error code is
// 0, and CR0.WP alone decides about writing to read-only pages.
#include "guests/system/paging.hpp"

namespace paging {

namespace {

constexpr u32 edge = window + page; ///< what precedes it is open, what follows is under test
constexpr u16 code_desc = first_free, data_desc = first_free + 8, fresh_data = first_free + 16,
              ldt_desc = first_free + 24, tss_desc = first_free + 32, gate_desc = first_free + 40,
              fresh_code = first_free + 48;

struct __attribute__((packed)) TableRegister {
    u16 limit;
    u32 base;
};

struct Access {
    const char* name;
    u8 bytes[14];
    u16 descriptor;
    bool write;
    bool ring0; ///< privileged
};
constexpr Access accesses[] = {
    {"MOV ES", {0x8E, 0xC0, 0xCD, 0x80}, data_desc, false, false},
    {"MOV ES, to be marked accessed", {0x8E, 0xC0, 0xCD, 0x80}, fresh_data, true, false},
    {"MOV SS", {0x8E, 0xD0, 0xCD, 0x80}, data_desc, false, false},
    {"LAR", {0x0F, 0x02, 0xC8, 0xCD, 0x80}, fresh_data, false, false},
    {"LSL", {0x0F, 0x03, 0xC8, 0xCD, 0x80}, fresh_data, false, false},
    {"VERR", {0x0F, 0x00, 0xE0, 0xCD, 0x80}, fresh_data, false, false},
    {"VERW", {0x0F, 0x00, 0xE8, 0xCD, 0x80}, fresh_data, false, false},
    {"far JMP", {0xFF, 0x2B}, code_desc, false, false},
    {"far JMP, to be marked accessed", {0xFF, 0x2B}, fresh_code, true, false},
    {"far CALL", {0xFF, 0x1B}, code_desc, false, false},
    {"far CALL, gate", {0xFF, 0x1B}, gate_desc, false, false},
    {"RETF", {0x50, 0x51, 0xCB}, code_desc, false, false},
    {"LES", {0xC4, 0x13, 0xCD, 0x80}, data_desc, false, false},
    {"LLDT", {0x0F, 0x00, 0xD0, 0xCD, 0x80}, ldt_desc, false, true},
    {"LTR, to be marked busy", {0x0F, 0x00, 0xD8, 0xCD, 0x80}, tss_desc, true, true},
};

u64 segment(u16 selector, unsigned cpl, u32 arrival) {
    switch (selector) {
    case code_desc: return descriptor(0, 0xFFFFF, 0x1B, cpl, true, true, true);
    case fresh_code: return descriptor(0, 0xFFFFF, 0x1A, cpl, true, true, true);
    case data_desc: return descriptor(0, 0xFFFFF, 0x13, cpl, true, true, true);
    case fresh_data: return descriptor(0, 0xFFFFF, 0x12, cpl, true, true, true);
    case ldt_desc: return descriptor(reinterpret_cast<u32>(ldt), 0xFF, 2, 0, true, false);
    case tss_desc: return descriptor(reinterpret_cast<u32>(&tss), 0x67, 9, 0, true, false);
    default: return gate(flat_code(cpl), arrival, 12, 3);
    }
}

void lgdt(u32 base) {
    const TableRegister r{gdt_size - 1, base};
    asm volatile("lgdt %0" ::"m"(r));
}
void lidt(u32 base) {
    const TableRegister r{0x7FF, base};
    asm volatile("lidt %0" ::"m"(r));
}

struct State {
    const char* name;
    u64 rights;
    bool wp;
};
constexpr State states[] = {
    {"open", open, true},
    {"the supervisor's", present | writable, true},
    {"read-only, WP 0", present | user, false},
    {"read-only, WP 1", present | user, true},
    {"the supervisor's and read-only, WP 0", present, false},
    {"the supervisor's and read-only, WP 1", present, true},
    {"not present", 0, true},
};

struct Pointer {
    u32 offset;
    u16 selector;
};

void attempt_descriptor(Report& report, Space& s, const Access& a, const State& st, unsigned cpl) {
    static Pointer pointer;
    const u32 arrival = reinterpret_cast<u32>(code({0xCD, 0x80}));
    for (u32 i = 0; i < first_free / 4; ++i)
        word_at(frame(0) + page - first_free + 4 * i) = reinterpret_cast<const u32*>(gdt)[i];
    const u64 d = segment(a.descriptor, cpl, arrival);
    const u32 at = frame(1) + a.descriptor - first_free;
    word_at(at) = static_cast<u32>(d);
    word_at(at + 4) = static_cast<u32>(d >> 32);
    s.map(edge - page, frame(0), present | writable);
    s.map(edge, frame(1), st.rights);
    if (features().cpuid) write_cr0((read_cr0() & ~cr0_wp) | (st.wp ? cr0_wp : 0));
    flush();
    lgdt(edge - first_free);
    const u16 selector = static_cast<u16>(a.descriptor | cpl);
    pointer = {arrival, selector};
    Context c = ring(cpl, code(a.bytes));
    c.eax = selector;
    c.ecx = arrival;
    c.ebx = reinterpret_cast<u32>(&pointer);
    const Exit e = run(c);
    lgdt(reinterpret_cast<u32>(gdt));
    asm volatile("lldt %w0" ::"r"(u32{ldt_selector}));
    gdt[tss_selector / 8] = descriptor(reinterpret_cast<u32>(&tss), 0x67, 9, 0, true, false); // not busy: LTR again
    asm volatile("ltr %w0" ::"r"(u32{tss_selector}));

    const bool wp = st.wp && features().cpuid;
    const bool fault = !(st.rights & present) || (a.write && !(st.rights & writable) && wp);
    if (!fault) {
        report.expect_exit(e, end_vector, 0);
        const u64 bits = s.table(edge) & (accessed | dirty);
        report.expect("accessed and dirty", static_cast<u32>(accessed | (a.write ? dirty : 0)), static_cast<u32>(bits));
        return;
    }
    const u32 error = st.rights & present ? error_present | error_write : 0;
    const u32 got = st.rights & present ? e.error : e.error & ~error_write; // it may read first
    report.expect("vector", page_fault, e.vector);
    report.expect("error code", error, got);
    report.expect("CR2", edge + a.descriptor - first_free, e.cr2 & ~7u);
    report.expect("CS", c.cs, e.cs);
    report.expect("SS", c.ss, e.ss);
    report.expect("ES", c.es, e.es);
    report.expect("descriptor", static_cast<u32>(d >> 32), word_at(at + 4));
}

/// The vector's gate, the inner stack's pointer or the I/O map in the page under test.
enum class Place : u8 { vector, inner_stack, io_map, count };
constexpr const char* place_names[] = {"the vector of INT", "the inner stack pointer", "the I/O map"};

void attempt_place(Report& report, Space& s, Place place, const State& st) {
    constexpr u32 tested_vector = 0x40;
    constexpr u16 gate_selector = first_free;
    s.map(edge - page, frame(0), present | writable);
    s.map(edge, frame(1), st.rights);
    if (features().cpuid) write_cr0((read_cr0() & ~cr0_wp) | (st.wp ? cr0_wp : 0));
    flush();
    const u32 arrival = reinterpret_cast<u32>(code({0xCD, 0x80}));
    const u32 first_part = place == Place::vector ? tested_vector * 8 : place == Place::inner_stack ? 12 : 0x68;
    const u32 start = frame(0) + page - first_part;
    Context c = ring(3, code({0xCD, tested_vector}));
    u32 expected_vector = tested_vector;
    if (place == Place::vector) {
        for (u32 i = 0; i < 256 * 2; ++i) word_at(start + 4 * i) = reinterpret_cast<const u32*>(idt)[i];
        const u64 g = gate(kernel_code, stub(tested_vector), 14, 3);
        word_at(start + tested_vector * 8) = static_cast<u32>(g);
        word_at(start + tested_vector * 8 + 4) = static_cast<u32>(g >> 32);
        lidt(edge - first_part);
    } else {
        expected_vector = end_vector;
        for (u32 i = 0; i < sizeof tss / 4; ++i) word_at(start + 4 * i) = reinterpret_cast<const u32*>(&tss)[i];
        word_at(start + 100) = 0x68u << 16; // I/O map base; T clear
        for (u32 i = 0; i < 0x20; ++i) word_at(start + 0x68 + 4 * i) = 0;
        gdt[tss_selector / 8] = descriptor(edge - first_part, 0xE7, 9, 0, true, false);
        asm volatile("ltr %w0" ::"r"(u32{tss_selector}));
        gdt[gate_selector / 8] = gate(flat_code(1), arrival, 12, 3);
        c.eip = reinterpret_cast<u32>(place == Place::io_map ? code({0xE4, 0x61, 0xCD, 0x80})
                                                             : code({0x9A, 0, 0, 0, 0, gate_selector | 3, 0}));
    }
    const Exit e = run(c);
    lidt(reinterpret_cast<u32>(idt));
    gdt[tss_selector / 8] = descriptor(reinterpret_cast<u32>(&tss), 0x67, 9, 0, true, false);
    asm volatile("ltr %w0" ::"r"(u32{tss_selector}));
    const bool fault = !(st.rights & present);
    report.expect_exit(e, fault ? page_fault : expected_vector, 0);
    if (!fault) return;
    report.expect("CR2", edge + (place == Place::io_map ? 0x61 / 8 : 0), e.cr2);
    report.expect("EIP", c.eip, e.eip);
    report.expect("ESP", c.esp, e.esp);
    report.expect("CS", c.cs, e.cs);
}

} // namespace

void system_accesses(Report& report) {
    for (const Format format : {Format::legacy, Format::pae}) {
        if (lacks(format)) continue;
        Space s(format);
        s.enter();
        for (const State& st : states) {
            for (const Access& a : accesses) {
                for (unsigned cpl = 0; cpl < 4; ++cpl) {
                    if ((a.ring0 && cpl != 0) || !report.next()) continue;
                    report.describe("%s, %s at CPL %u, the table %s", name(format), a.name, cpl, st.name);
                    attempt_descriptor(report, s, a, st, cpl);
                }
            }
            for (u32 p = 0; p < static_cast<u32>(Place::count); ++p) {
                if (!report.next()) continue;
                report.describe("%s, %s at CPL 3, the page %s", name(format), place_names[p], st.name);
                attempt_place(report, s, static_cast<Place>(p), st);
            }
        }
    }
    reset_tables();
}

} // namespace paging
