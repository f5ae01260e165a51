// Paging with four and five levels: who may do what with which page (SDM 3A 4.6), accessed and dirty bits (4.8), error
// codes (4.7), reserved bits (4.5), protection keys (4.6.2) and page sizes. The pages under test have a slot of the
// first level of their own; the kernel's own GiB is taken from level 3 meanwhile.
#include "guests/system64/paging_access.hpp"

namespace {

constexpr u64 tables = arena_begin + 0x10'0000; ///< PML4's successor, PD, PT, and a PML5
constexpr u64 frame_4k = arena_begin + 0x20'0000, frame_2m = 0xC0'0000, frame_1g = 0;
constexpr u64 present = 1, writable = 2, user = 4, accessed = 0x20, dirty = 0x40, big = 0x80, no_execute = u64{1} << 63;
constexpr u32 slot = 1; ///< of the PML4
constexpr u64 region = u64{slot} << 39;
/// Where in the page the tests look; in the page of 1 GiB too it is memory that nobody else has.
constexpr u64 offset = 0x800, offset_1g = frame_4k + offset;

enum PageSize : u32 { page_4k, page_2m, page_1g };
constexpr const char* size_names[] = {"4 KiB", "2 MiB", "1 GiB"};

constexpr u64 pdpt = tables, pd = tables + 0x1000, pt = tables + 0x2000;
/// The entries that map the page, the top one first.
struct Walk {
    u64* entry[4];
    u32 depth;
    u64 linear, memory;
};
/// All entries let everybody do everything; accessed and dirty bits are clear.
Walk map(PageSize size) {
    memset(reinterpret_cast<void*>(tables), 0, 0x3000);
    Walk w{{&top_table[slot], &qword(pdpt), &qword(pd), &qword(pt)}, 2 + (2 - size), region, 0};
    constexpr u64 all = present | writable | user;
    *w.entry[0] = pdpt | all;
    if (size == page_1g) {
        *w.entry[1] = frame_1g | all | big;
        w.linear = region + offset_1g;
        w.memory = offset_1g;
        return w;
    }
    *w.entry[1] = pd | all;
    if (size == page_2m) {
        *w.entry[2] = frame_2m | all | big;
        w.linear = region + offset;
        w.memory = frame_2m + offset;
        return w;
    }
    *w.entry[2] = pt | all;
    *w.entry[3] = frame_4k | all;
    w.linear = region + offset;
    w.memory = frame_4k + offset;
    return w;
}
void flush() {
    const u64 was = read_cr4();
    if (was & cr4::pge) write_cr4(was & ~cr4::pge), write_cr4(was);
    write_cr3(read_cr3());
}

enum class Kind : u32 { read, write, fetch, implicit, read_modify_write, count };
constexpr const char* kind_names[] = {"read", "write", "fetch", "implicit read", "read and write"};

struct Rights {
    bool user, writable, no_execute;
};
struct State {
    u32 cpl;
    bool wp, nxe, smep, smap, ac, pke, access_disabled, write_disabled;
};
constexpr u32 error_present = 1, error_write = 2, error_user = 4, error_reserved = 8, error_fetch = 16, error_key = 32;

constexpr u32 allowed = ~0u;
/// SDM 3A 4.6.1 and 4.6.2; the error code without P, or all ones when the access is allowed. The bit for the key does
/// not ask whether something else forbids the access too (4.7).
u32 judge(const Rights& r, const State& s, Kind kind) {
    const bool supervisor = s.cpl != 3 || kind == Kind::implicit;
    const bool write = kind == Kind::write || kind == Kind::read_modify_write, fetch = kind == Kind::fetch;
    const bool key =
        s.pke && r.user && !fetch && (s.access_disabled || (write && s.write_disabled && (!supervisor || s.wp)));
    const u32 error = (write ? error_write : 0) | (supervisor ? 0 : error_user) |
                      (fetch && (s.nxe || s.smep) ? error_fetch : 0) | (key ? error_key : 0);
    if (key || (!supervisor && !r.user)) return error;
    if (fetch) {
        const bool denied = (s.nxe && r.no_execute) || (supervisor && r.user && s.smep);
        return denied ? error : allowed;
    }
    if (supervisor && r.user && s.smap && (!s.ac || kind == Kind::implicit)) return error;
    return write && !r.writable && (!supervisor || s.wp) ? error : allowed;
}

/// CR0.WP, EFER.NXE, CR4 and PKRU as the state says, and back.
class Modes {
  public:
    explicit Modes(const State& s) : cr0_(read_cr0()), cr4_(read_cr4()), efer_(read_msr(msr::efer)) {
        constexpr u64 wp = 1 << 16;
        write_cr0(s.wp ? cr0_ | wp : cr0_ & ~wp);
        if (features().nx) write_msr(msr::efer, s.nxe ? efer_ | efer_nxe : efer_ & ~efer_nxe);
        u64 value = cr4_;
        if (s.smep) value |= cr4::smep;
        if (s.smap) value |= cr4::smap;
        if (s.pke) value |= cr4::pke;
        write_cr4(value);
        if (s.pke) write_pkru((s.access_disabled ? 1u : 0) << 10 | (s.write_disabled ? 1u : 0) << 11); // key 5
        pke_ = s.pke;
    }
    ~Modes() {
        if (pke_) write_pkru(0);
        write_cr4(cr4_);
        write_cr0(cr0_);
        if (features().nx) write_msr(msr::efer, efer_);
    }

  private:
    static void write_pkru(u32 value) {
        asm volatile(".byte 0x0f, 0x01, 0xef" ::"a"(value), "c"(0), "d"(0) : "memory");
    }
    u64 cr0_, cr4_, efer_;
    bool pke_ = false;
};
const char* lacks(const State& s) {
    const Features& f = features();
    if (s.nxe && !f.nx) return "needs NX";
    if (s.smep && !f.smep) return "needs SMEP";
    if (s.smap && !f.smap) return "needs SMAP";
    if (s.pke && !f.pku) return "needs PKU";
    return nullptr;
}

/// The instructions of each kind, in memory that the level may run.
struct Programs {
    u64 at[static_cast<u32>(Kind::count)];
    Programs() {
        const u8 read[] = {0x8B, 0x03, 0xCD, end_vector}, write[] = {0x89, 0x03, 0xCD, end_vector},
                 fetch[] = {0xFF, 0xE3}, implicit[] = {0x8E, 0xC0, 0xCD, end_vector},
                 both[] = {0x01, 0x03, 0xCD, end_vector};
        at[0] = code(read), at[1] = code(write), at[2] = code(fetch), at[3] = code(implicit), at[4] = code(both);
    }
};
constexpr u16 test_ldt = first_free; ///< an LDT in the page

Context start(const Programs& p, const Walk& w, const State& s, Kind kind) {
    Context c = ring(s.cpl, p.at[static_cast<u32>(kind)] + (s.cpl == 3 ? alias : 0));
    if (s.cpl == 3) c.rsp += alias;
    c.rbx = w.linear;
    c.rax = kind == Kind::implicit ? 0xF : 0x0101;
    c.rflags |= s.ac ? flag_ac : 0;
    // INT 80h, and as a descriptor of a data segment: both at once, by what follows it.
    if (kind == Kind::implicit) {
        qword(w.memory) = qword(w.memory + 8) = descriptor(0, 0xFFFFF, data_type, 3, true, size32, true);
        set_wide(test_ldt, w.linear, 0xF, ldt_type);
        load_ldt(test_ldt);
    } else {
        qword(w.memory) = end_vector << 8 | 0xCD;
    }
    return c;
}

void check(Report& report, const Context& c, const Exit& e, const Walk& w, const State& s, Kind kind, u32 verdict,
           u32 extra = error_present) {
    if (verdict == allowed) {
        report.expect_exit(e, end_vector, 0);
        if (kind == Kind::fetch) report.expect("RIP", w.linear + 2, e.rip);
        if (kind == Kind::read) report.expect("EAX", u64{end_vector << 8 | 0xCD}, e.rax);
        if (kind == Kind::write) report.expect("memory", c.rax, dword(w.memory));
        return;
    }
    report.expect_exit(e, pf_vector, verdict | extra);
    report.expect("CR2", w.linear + (kind == Kind::implicit ? 8 : 0), e.cr2);
    report.expect("RIP", kind == Kind::fetch ? w.linear : c.rip, e.rip);
    (void)s;
}

/// Every page against every state.
void rights(Report& report, PageSize size) {
    const Programs programs;
    protect_kernel(true);
    for (u32 i = 0; i < 8 * 256; ++i) {
        const Rights r{(i & 1) != 0, (i & 2) != 0, (i & 4) != 0};
        const u32 m = i >> 3;
        for (u32 key = 0; key < 4; ++key) {
            State s{m & 1 ? 3u : 0u, (m & 2) != 0,  (m & 4) != 0,   (m & 8) != 0,  (m & 16) != 0,
                    (m & 32) != 0,   (m & 64) != 0, (key & 1) != 0, (key & 2) != 0};
            if ((m & 128) != 0) { // two more levels, in few states
                if (s.smep || s.pke) continue;
                s.cpl = m & 1 ? 1 : 2;
            }
            if ((key != 0 && !s.pke) || (r.no_execute && !s.nxe)) continue;
            for (u32 k = 0; k < static_cast<u32>(Kind::count); ++k) {
                if (!report.next()) continue;
                const Kind kind = static_cast<Kind>(k);
                report.describe("%s at level %u of a page with U/S %u R/W %u XD %u: WP %u NXE %u SMEP %u SMAP %u AC %u "
                                "PKE %u PKRU %u",
                                kind_names[k], s.cpl, r.user, r.writable, r.no_execute, s.wp, s.nxe, s.smep, s.smap,
                                s.ac, s.pke ? key : 0);
                if (const char* reason = lacks(s)) {
                    report.skip(reason);
                    continue;
                }
                if (size == page_1g && !features().pages_1g) {
                    report.skip("needs pages of 1 GiB");
                    continue;
                }
                const Walk w = map(size);
                u64& leaf = *w.entry[w.depth - 1];
                leaf = (leaf & ~(user | writable)) | (r.user ? user : 0) | (r.writable ? writable : 0) |
                       (r.no_execute ? no_execute : 0) | u64{5} << 59;
                const Context c = start(programs, w, s, kind);
                const u32 verdict = judge(r, s, kind);
                Exit e;
                {
                    const Modes modes(s);
                    flush();
                    e = run(c);
                }
                load_ldt(ldt_selector);
                check(report, c, e, w, s, kind, verdict);
                const bool writes = kind == Kind::write || kind == Kind::read_modify_write;
                report.expect("D", verdict == allowed && writes, (leaf & dirty) != 0);
                if (verdict == allowed)
                    for (u32 n = 0; n < w.depth; ++n) report.expect("A", 1, (*w.entry[n] & accessed) != 0);
            }
        }
    }
    protect_kernel(false);
}
void rights_4k(Report& report) { rights(report, page_4k); }
void rights_2m(Report& report) { rights(report, page_2m); }
void rights_1g(Report& report) { rights(report, page_1g); }

/// The rights of all levels together.
void combined(Report& report) {
    const Programs programs;
    protect_kernel(true);
    for (const PageSize size : {page_4k, page_2m, page_1g}) {
        const u32 depth = 2 + (2 - size);
        for (u32 set = 0; set < 1u << (3 * depth); ++set) {
            for (u32 n = 0; n < 6; ++n) {
                if (!report.next()) continue;
                const State s{n & 1 ? 3u : 0u, true, features().nx, false, false, false, false, false, false};
                const Kind kind = n < 2 ? Kind::read : n < 4 ? Kind::write : Kind::fetch;
                report.describe("%s of a page of %s at level %u, U/S, R/W and XD of the levels cleared or set: %x",
                                kind_names[static_cast<u32>(kind)], size_names[size], s.cpl, set);
                if (size == page_1g && !features().pages_1g) {
                    report.skip("needs pages of 1 GiB");
                    continue;
                }
                const Walk w = map(size);
                Rights r{true, true, false};
                for (u32 level = 0; level < depth; ++level) {
                    const u32 bits = set >> (3 * level) & 7;
                    if (bits & 1) *w.entry[level] &= ~user, r.user = false;
                    if (bits & 2) *w.entry[level] &= ~writable, r.writable = false;
                    if ((bits & 4) && features().nx) *w.entry[level] |= no_execute, r.no_execute = true;
                }
                const Context c = start(programs, w, s, kind);
                Exit e;
                {
                    const Modes modes(s);
                    flush();
                    e = run(c);
                }
                check(report, c, e, w, s, kind, judge(r, s, kind));
            }
        }
    }
    protect_kernel(false);
}

/// Entries that are not present at each level, and every reserved bit (SDM 3A 4.5, tables 4-15 to 4-20).
void entries(Report& report) {
    const Programs programs;
    protect_kernel(true);
    for (const PageSize size : {page_4k, page_2m, page_1g}) {
        const u32 depth = 2 + (2 - size);
        for (u32 level = 0; level < depth; ++level) {
            for (u32 bit = 0; bit < 64; ++bit) {
                for (u32 n = 0; n < 8; ++n) {
                    if ((bit >= 1 && bit < 7) || !report.next()) continue;
                    const bool nxe = features().nx && (n & 4) == 0;
                    const State s{n & 1 ? 3u : 0u, true, nxe, false, false, false, false, false, false};
                    const Kind kind = n & 2 ? (bit & 1 ? Kind::fetch : Kind::write) : Kind::read;
                    report.describe("%s of a page of %s at level %u: bit %u of the entry at depth %u changed, NXE %u",
                                    kind_names[static_cast<u32>(kind)], size_names[size], s.cpl, bit, level, nxe);
                    if (size == page_1g && !features().pages_1g) {
                        report.skip("needs pages of 1 GiB");
                        continue;
                    }
                    const Walk w = map(size);
                    const bool leaf = level == depth - 1;
                    const u32 width = features().physical_bits;
                    const bool is_address = bit >= 12 && bit < width;
                    const u32 low_address = !leaf || size == page_4k ? 12 : size == page_2m ? 21 : 30;
                    bool reserved = bit >= width && bit < 52;
                    if (is_address && bit < low_address) reserved = bit != 12; // 12 is PAT
                    if (bit == 7 && level == 0) reserved = true;
                    if (bit == 63) reserved = !nxe;
                    if (bit == 7 && level == 1 && !leaf && !features().pages_1g) reserved = true;
                    const bool changes_walk =
                        (bit == 7 && level != 0 && !leaf && !reserved) || (bit == 7 && leaf && size != page_4k);
                    if ((is_address && !reserved && bit >= low_address) || changes_walk) {
                        report.skip("leads elsewhere");
                        continue;
                    }
                    const Context c = start(programs, w, s, kind);
                    *w.entry[level] ^= u64{1} << bit;
                    Exit e;
                    {
                        const Modes modes(s);
                        flush();
                        e = run(c);
                    }
                    const u32 basic = (kind == Kind::write ? error_write : 0) | (s.cpl == 3 ? error_user : 0) |
                                      (kind == Kind::fetch && nxe ? error_fetch : 0);
                    u32 verdict = allowed;
                    if (bit == 0) verdict = basic;
                    if (reserved) verdict = basic | error_reserved;
                    if (bit == 63 && nxe && kind == Kind::fetch) verdict = basic;
                    check(report, c, e, w, s, kind, verdict, bit == 0 ? 0 : error_present);
                    top_table[slot] = 0;
                }
            }
        }
    }
    protect_kernel(false);
}

/// Which level's accessed bits an access sets, and which dirty bit, from every state that they can be in.
void accessed_dirty(Report& report) {
    const Programs programs;
    for (const PageSize size : {page_4k, page_2m, page_1g}) {
        const u32 depth = 2 + (2 - size);
        for (u32 set = 0; set < 1u << (depth + 1); ++set) {
            for (u32 k = 0; k < static_cast<u32>(Kind::count); ++k) {
                for (const u32 cpl : {0u, 3u}) {
                    for (const bool cached : {false, true}) {
                        if (!report.next()) continue;
                        const Kind kind = static_cast<Kind>(k);
                        report.describe("%s of a page of %s at level %u, A and D before: %x%s", kind_names[k],
                                        size_names[size], cpl, set, cached ? ", read before" : "");
                        if (size == page_1g && !features().pages_1g) {
                            report.skip("needs pages of 1 GiB");
                            continue;
                        }
                        const Walk w = map(size);
                        u64 before[4];
                        for (u32 n = 0; n < depth; ++n) *w.entry[n] |= set >> n & 1 ? accessed : 0;
                        *w.entry[depth - 1] |= set >> depth & 1 ? dirty : 0;
                        for (u32 n = 0; n < depth; ++n) before[n] = *w.entry[n];
                        const State s{cpl, true, false, false, false, false, false, false, false};
                        Context c = start(programs, w, s, kind);
                        if (cpl == 3) c.rip -= alias, c.rsp -= alias; // the kernel is not protected here
                        flush();
                        if (cached) (void)*const_cast<volatile u32*>(&dword(w.linear));
                        const Exit e = run(c);
                        load_ldt(ldt_selector);
                        report.expect_exit(e, end_vector, 0);
                        const bool writes = kind == Kind::write || kind == Kind::read_modify_write;
                        for (u32 n = 0; n < depth; ++n)
                            report.expect("entry", before[n] | accessed | (writes && n == depth - 1 ? dirty : 0),
                                          *w.entry[n]);
                    }
                }
            }
        }
    }
}

/// PKRU's two bits of each of the 16 keys; supervisor pages have none (SDM 3A 4.6.2).
void keys(Report& report) {
    const Programs programs;
    for (u32 key = 0; key < 16; ++key) {
        for (u32 bits = 0; bits < 4; ++bits) {
            for (const bool own : {false, true}) {
                for (const bool user_page : {false, true}) {
                    for (u32 k = 0; k < static_cast<u32>(Kind::count); ++k) {
                        if (!report.next()) continue;
                        const Kind kind = static_cast<Kind>(k);
                        report.describe("%s of a %s page with key %u, PKRU %x for %s", kind_names[k],
                                        user_page ? "user" : "supervisor", key, bits, own ? "it" : "the others");
                        if (!features().pku) {
                            report.skip("needs PKU");
                            continue;
                        }
                        const Walk w = map(page_4k);
                        if (!user_page) *w.entry[3] &= ~user;
                        *w.entry[3] |= u64{key} << 59;
                        const State s{0, true, false, false, false, false, false, false, false};
                        const Context c = start(programs, w, s, kind);
                        u32 pkru = bits << (2 * key);
                        if (!own) {
                            pkru = 0;
                            for (u32 other = 1; other < 16; ++other) pkru |= other == key ? 0 : bits << (2 * other);
                        }
                        const u64 cr4 = read_cr4();
                        // The kernel's own pages are user pages with key 0 here: what key 0 forbids, forbids them.
                        protect_kernel(true);
                        write_cr4(cr4 | cr4::pke);
                        asm volatile(".byte 0x0f, 0x01, 0xef" ::"a"(pkru), "c"(0), "d"(0) : "memory");
                        flush();
                        const Exit e = run(c);
                        asm volatile(".byte 0x0f, 0x01, 0xef" ::"a"(0), "c"(0), "d"(0) : "memory");
                        write_cr4(cr4);
                        protect_kernel(false);
                        load_ldt(ldt_selector);
                        const bool write = kind == Kind::write || kind == Kind::read_modify_write;
                        const bool denied =
                            own && user_page && kind != Kind::fetch && ((bits & 1) != 0 || ((bits & 2) != 0 && write));
                        check(report, c, e, w, s, kind, denied ? error_key | (write ? error_write : 0) : allowed);
                    }
                }
            }
        }
    }
}

/// CLAC and STAC, RDPKRU and WRPKRU.
void instructions(Report& report) {
    struct Instruction {
        const char* name;
        u8 bytes[5];
    };
    constexpr Instruction clac{"CLAC", {0x0F, 0x01, 0xCA, 0xCD, end_vector}},
        stac{"STAC", {0x0F, 0x01, 0xCB, 0xCD, end_vector}};
    for (const Instruction& i : {clac, stac}) {
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            for (const bool ac : {false, true}) {
                for (const bool on : {false, true}) {
                    if (!report.next()) continue;
                    report.describe("%s, CPL %u, AC %u, CR4.SMAP %u", i.name, cpl, ac, on);
                    if (!features().smap) {
                        report.skip("needs SMAP");
                        continue;
                    }
                    Context c = ring(cpl, code(i.bytes) + (cpl == 3 && on ? alias : 0));
                    if (cpl == 3 && on) c.rsp += alias;
                    c.rflags |= ac ? flag_ac : 0;
                    if (on) protect_kernel(true), write_cr4(read_cr4() | cr4::smap);
                    const Exit e = run(c);
                    if (on) write_cr4(read_cr4() & ~cr4::smap), protect_kernel(false);
                    report.expect_exit(e, cpl == 0 ? end_vector : ud_vector, 0);
                    const bool set = cpl == 0 ? i.bytes[2] == 0xCB : ac;
                    report.expect("AC", set, (e.rflags & flag_ac) != 0);
                }
            }
        }
    }
    for (u32 n = 0; n < 2; ++n) {
        const u8 bytes[] = {0x0F, 0x01, static_cast<u8>(n ? 0xEF : 0xEE), 0xCD, end_vector};
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            for (u32 m = 0; m < 8; ++m) {
                if (!report.next()) continue;
                const bool on = m & 1, ecx = m & 2, edx = m & 4;
                report.describe("%s, CPL %u, CR4.PKE %u, ECX %u, EDX %u", n ? "WRPKRU" : "RDPKRU", cpl, on, ecx, edx);
                if (!features().pku) {
                    report.skip("needs PKU");
                    continue;
                }
                Context c = ring(cpl, code(bytes));
                c.rcx = ecx ? 1 : 0;
                c.rdx = edx ? 1 : 0;
                c.rax = n ? 0xFFFF'FFFC : 0x1234;
                c.rcx |= u64{1} << 32; // upper halves do not count
                c.rdx |= u64{1} << 33;
                if (on) write_cr4(read_cr4() | cr4::pke);
                const Exit e = run(c);
                if (on) {
                    u32 now = 0, zero = 0;
                    asm volatile(".byte 0x0f, 0x01, 0xee" : "=a"(now), "=d"(zero) : "c"(0));
                    asm volatile(".byte 0x0f, 0x01, 0xef" ::"a"(0), "c"(0), "d"(0) : "memory");
                    const bool wrote = n && !ecx && !edx;
                    report.expect("PKRU", wrote ? 0xFFFF'FFFC : 0, now);
                }
                write_cr4(read_cr4() & ~cr4::pke);
                const bool bad = ecx || (n && edx);
                report.expect_exit(e, !on ? ud_vector : bad ? gp_vector : end_vector, 0);
                if (on && !bad && !n) {
                    report.expect("RAX", 0, e.rax);
                    report.expect("RDX", 0, e.rdx);
                }
            }
        }
    }
}

/// Five levels: addresses of 57 bits, the table above, its reserved bits, and the edge of the canonical range.
extern "C" void set_five_levels(u64 cr3, u64 cr4);
void five_levels(Report& report) {
    constexpr u64 top = tables + 0x4000, high = u64{1} << 55; // slot 128 of the PML5
    const Programs programs;
    const auto inside = [&](auto body) {
        memset(reinterpret_cast<void*>(top), 0, 0x1000);
        qword(top) = address(top_table) | present | writable | user;
        qword(top + 8 * 128) = address(top_table) | present | writable | user;
        set_five_levels(top, read_cr4() | cr4::la57);
        body();
        set_five_levels(address(top_table), read_cr4() & ~cr4::la57);
    };
    constexpr u64 wide_edge = u64{1} << 56;
    constexpr u64 list[] = {u64{1} << 47,  high,          wide_edge - 4,       wide_edge,    u64{1} << 57,
                            ~u64{0} << 57, ~u64{0} << 56, (~u64{0} << 56) - 1, u64{1} << 63, ~u64{0} << 47};
    for (const u64 where : list) {
        for (const bool five : {false, true}) {
            if (!report.next()) continue;
            report.describe("read of %x with %u levels", where, five ? 5u : 4u);
            if (!features().la57) {
                report.skip("needs LA57");
                continue;
            }
            Context c = ring(0, programs.at[0]);
            c.rbx = where;
            Exit e;
            if (five)
                inside([&] { e = run(c); });
            else
                e = run(c);
            const bool ok = canonical(where, five ? 57 : 48);
            if (ok && five && where == high) {
                report.expect_exit(e, end_vector, 0);
                report.expect("EAX", dword(0), e.rax);
            } else if (ok) {
                report.expect_exit(e, pf_vector, 0);
                report.expect("CR2", where, e.cr2);
            } else {
                report.expect_exit(e, gp_vector, 0);
            }
        }
    }
    for (u32 bit = 0; bit < 64; ++bit) {
        for (const u32 cpl : {0u, 3u}) {
            if ((bit > 4 && bit < 7) || (bit == 3 || bit == 4) || !report.next()) continue;
            report.describe("bit %u of a PML5 entry changed, CPL %u", bit, cpl);
            if (!features().la57) {
                report.skip("needs LA57");
                continue;
            }
            const u32 width = features().physical_bits;
            if (bit >= 12 && bit < width) {
                report.skip("leads elsewhere");
                continue;
            }
            const Walk w = map(page_4k);
            Context c = ring(cpl, programs.at[0]);
            c.rbx = high | w.linear;
            qword(w.memory) = 0x1122'3344;
            Exit e;
            inside([&] {
                qword(top + 8 * 128) ^= u64{1} << bit;
                flush();
                e = run(c);
            });
            const u32 basic = cpl == 3 ? error_user : 0;
            const bool reserved = bit == 7 || (bit >= width && bit < 52) || bit == 63; // NXE is off
            if (bit == 0) {
                report.expect_exit(e, pf_vector, basic);
            } else if (reserved) {
                report.expect_exit(e, pf_vector, basic | error_present | error_reserved);
            } else if (bit == 2 && cpl == 3) {
                report.expect_exit(e, pf_vector, basic | error_present);
            } else {
                report.expect_exit(e, end_vector, 0);
                report.expect("EAX", 0x1122'3344, e.rax);
                report.expect("A", accessed, qword(top + 8 * 128) & accessed);
            }
            top_table[slot] = 0;
        }
    }
}

constexpr Form forms[] = {
    {"long/paging-rights", "SDM 3A 4.6, 4.7", rights_4k},
    {"long/paging-rights-2m", "SDM 3A 4.6, 4.7", rights_2m},
    {"long/paging-rights-1g", "SDM 3A 4.6, 4.7", rights_1g},
    {"long/paging-combined", "SDM 3A 4.6.1", combined},
    {"long/paging-entries", "SDM 3A 4.5.4, 4.7", entries},
    {"long/paging-accessed", "SDM 3A 4.8", accessed_dirty},
    {"long/paging-keys", "SDM 3A 4.6.2", keys},
    {"long/paging-instructions", "SDM 2A CLAC; 2B RDPKRU, STAC, WRPKRU", instructions},
    {"long/paging-crossing", "SDM 3A 4.7", paging::crossing},
    {"long/paging-crossing-code", "SDM 3A 4.7", paging::crossing_code},
    {"long/paging-implicit", "SDM 3A 4.6, 4.6.1", paging::implicit},
    {"long/paging-five-levels", "SDM 3A 4.5", five_levels},
};

} // namespace

Group paging_forms() { return group(forms); }
