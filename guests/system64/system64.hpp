// The 64-bit kernel of the `system` conformance suite: what its forms build on. It works as its 32-bit sibling does
// (guests/system/system.hpp): a form runs a numbered matrix of cases and compares what the processor did with what the
// manual says; results go to port E9h. It needs a processor with long mode and uses no library.
//
// How a case goes: build descriptors, gates, page tables; `run(context)` enters the context and comes back with
// whatever exception or interrupt ended it; compare with `Report::expect`.
#pragma once

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long;
using i32 = int;
using i64 = long;

// What `for (x : {...})` needs: the language asks for this name and, of its members, for this layout.
namespace std {
template <class E> class initializer_list {
  public:
    constexpr initializer_list() = default;
    constexpr const E* begin() const { return array_; }
    constexpr const E* end() const { return array_ + size_; }
    constexpr __SIZE_TYPE__ size() const { return size_; }

  private:
    constexpr initializer_list(const E* array, __SIZE_TYPE__ size) : array_(array), size_(size) {}
    const E* array_ = nullptr;
    __SIZE_TYPE__ size_ = 0;
};
} // namespace std

// --- contexts --------------------------------------------------------------------------------------------------------

/// Everything a context starts with; all levels, 64-bit and compatibility code. FS and GS have their descriptors'
/// bases.
struct Context {
    u64 rax = 0, rcx = 0, rdx = 0, rbx = 0, rsp = 0, rbp = 0, rsi = 0, rdi = 0;
    u64 r8 = 0, r9 = 0, r10 = 0, r11 = 0, r12 = 0, r13 = 0, r14 = 0, r15 = 0;
    u64 rip = 0, rflags = 2, cs = 0, ss = 0, ds = 0, es = 0, fs = 0, gs = 0;
};
/// What ended it, and the state then.
struct Exit : Context {
    u64 vector = 0, error = 0, cr2 = 0; ///< error: 0 for vectors without a code
    u64 handler_rsp = 0;                ///< where the stub found the vector on the handler's stack
    u64 fs_base = 0, gs_base = 0, kernel_gs_base = 0;
};
/// Runs from `context` until an exception, INT or interrupt arrives at one of the kernel's own gates.
Exit run(const Context& context);
/// A context of the level with its flat code, data and stack; RIP at `code`; interrupts off.
Context ring(unsigned cpl, u64 code);
/// The same in 32-bit compatibility code.
Context ring32(unsigned cpl, u64 code);

/// Copies bytes to a fresh place in the code arena (identity-mapped, writable, executable by every level) and returns
/// its address. INT 80h (CD 80) is the usual end of a case: `Exit::vector == 0x80`.
u64 code(const u8* bytes, u32 size);
template <u32 N> u64 code(const u8 (&bytes)[N]) { return code(bytes, N); }
inline constexpr u32 end_vector = 0x80, other_end = 0x81;
/// Where the first GiB of linear memory is mapped again.
inline constexpr u64 alias = 0x4000'0000;
/// Takes the identity-mapped GiB from level 3, which then has the alias alone, and gives it back.
void protect_kernel(bool on);

// --- tables ----------------------------------------------------------------------------------------------------------

/// Selectors of the standard GDT, with their RPL.
inline constexpr u16 kernel_code = 0x08, kernel_data = 0x10, tss_selector = 0x70, ldt_selector = 0x80,
                     first_free = 0x90, gdt_size = 0x400;
constexpr u16 flat_code(unsigned cpl) {
    constexpr u16 at[] = {0x08, 0x29, 0x3A, 0x4B};
    return at[cpl];
}
constexpr u16 flat_data(unsigned cpl) {
    constexpr u16 at[] = {0x10, 0x31, 0x42, 0x53};
    return at[cpl];
}
constexpr u16 flat_code32(unsigned cpl) {
    constexpr u16 at[] = {0x18, 0x59, 0x62, 0x6B};
    return at[cpl];
}

enum Size : u32 { size16 = 0, size64 = 1, size32 = 2, size_both = 3 }; ///< bits L and D
/// A segment descriptor (SDM 3A, figure 5-1). `type`: bits 0-4 of the access byte, S included.
constexpr u64 descriptor(u64 base, u32 limit, u32 type, u32 dpl, bool present = true, u32 size = size32,
                         bool granular = false) {
    const u64 low = ((base & 0xFFFF) << 16) | (limit & 0xFFFF);
    const u64 high = (base & 0xFF00'0000) | (granular ? 1u << 23 : 0) | (size << 21) | (limit & 0xF0000) |
                     (present ? 1u << 15 : 0) | (dpl << 13) | (type << 8) | ((base >> 16) & 0xFF);
    return low | high << 32;
}
/// The lower half of a call, interrupt or trap gate (SDM 3A, figures 5-9 and 6-8).
constexpr u64 gate(u32 selector, u64 offset, u32 type, u32 dpl, bool present = true, u32 ist = 0) {
    const u64 low = (u64{selector} << 16) | (offset & 0xFFFF);
    const u64 high = (offset & 0xFFFF'0000) | (present ? 1u << 15 : 0) | (dpl << 13) | (type << 8) | ist;
    return low | high << 32;
}
struct Wide {
    u64 low, high;
};
/// A 64-bit task-state segment (SDM 3A, figure 7-11).
struct __attribute__((packed)) Tss {
    u32 reserved0;
    u64 rsp[3];
    u64 ist[8]; ///< 0: reserved
    u64 reserved1;
    u16 reserved2, io_map;
};

// Live tables: write to them freely; `reset_tables` restores the standard ones.
extern u64 gdt[gdt_size / 8];
extern Wide idt[256];
extern u64 ldt[32];
extern Tss tss;
extern "C" u64 top_table[512], pointer_table[512];
/// Standard GDT, IDT (every vector to its stub: interrupt gates, DPL 3 for 3, 4, 80h and 81h, else 0), LDT (empty), TSS
/// (stacks for levels 0-2 and seven more: #DF has the sixth, #SS, #GP and #PF the seventh; no I/O map) and their
/// registers. Control registers are not touched.
void reset_tables();
/// The address of the stub that ends a context with this vector.
u64 stub(u32 vector);
void set_gate(u32 vector, u32 selector, u64 offset, u32 type, u32 dpl, bool present = true, u32 ist = 0);
/// LDT or TSS in two entries of the GDT from `selector` on.
void set_wide(u16 selector, u64 base, u32 limit, u32 type, u32 dpl = 0, bool present = true);
void load_gdt(u32 limit, u64 base);
void load_idt(u32 limit, u64 base);
void load_ldt(u16 selector);
/// Loads TR; the descriptor may say busy.
void load_task(u16 selector);

constexpr bool is_code(u32 type) { return (type & 0x18) == 0x18; }
constexpr bool is_data(u32 type) { return (type & 0x18) == 0x10; }
constexpr bool is_writable_data(u32 type) { return (type & 0x1A) == 0x12; }
constexpr bool is_readable(u32 type) { return is_data(type) || (type & 0x1A) == 0x1A; }
constexpr bool is_conforming(u32 type) { return (type & 0x1C) == 0x1C; }
constexpr bool is_expand_down(u32 type) { return (type & 0x1C) == 0x14; }
constexpr u32 code_type = 0x1B, conforming_type = 0x1F, data_type = 0x13, ldt_type = 2, tss_type = 9, busy = 2,
              call_gate = 12, interrupt_gate = 14, trap_gate = 15;
constexpr u32 db_vector = 1, ud_vector = 6, nm_vector = 7, df_vector = 8, ts_vector = 10, np_vector = 11,
              ss_vector = 12, gp_vector = 13, pf_vector = 14, ac_vector = 17;
constexpr u64 flag_cf = 1, flag_zf = 0x40, flag_tf = 0x100, flag_if = 0x200, flag_df = 0x400, flag_of = 0x800,
              flag_iopl = 0x3000, flag_nt = 0x4000, flag_rf = 0x10000, flag_vm = 0x20000, flag_ac = 0x40000,
              flag_id = 0x200000;

/// Memory at an address that the compiler must not reason about.
template <class T> T& memory_at(u64 at) {
    asm("" : "+r"(at));
    return *reinterpret_cast<T*>(at);
}
inline u64& qword(u64 at) { return memory_at<u64>(at); }
inline u32& dword(u64 at) { return memory_at<u32>(at); }
inline u16& word(u64 at) { return memory_at<u16>(at); }
inline u8& byte(u64 at) { return memory_at<u8>(at); }
inline u64 address(const void* p) { return reinterpret_cast<u64>(p); }

// --- registers and ports ---------------------------------------------------------------------------------------------

inline void out8(u16 port, u8 value) { asm volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
#define SYSTEM_REGISTER(name)                                                                                          \
    inline u64 read_##name() {                                                                                         \
        u64 value;                                                                                                     \
        asm volatile("movq %%" #name ", %0" : "=r"(value));                                                            \
        return value;                                                                                                  \
    }                                                                                                                  \
    inline void write_##name(u64 value) { asm volatile("movq %0, %%" #name ::"r"(value) : "memory"); }
SYSTEM_REGISTER(cr0)
SYSTEM_REGISTER(cr2)
SYSTEM_REGISTER(cr3)
SYSTEM_REGISTER(cr4)
SYSTEM_REGISTER(cr8)
SYSTEM_REGISTER(dr0)
SYSTEM_REGISTER(dr1)
SYSTEM_REGISTER(dr2)
SYSTEM_REGISTER(dr3)
SYSTEM_REGISTER(dr6)
SYSTEM_REGISTER(dr7)
#undef SYSTEM_REGISTER
inline void write_msr(u32 msr, u64 value) {
    asm volatile("wrmsr" ::"c"(msr), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32)) : "memory");
}
inline u64 read_msr(u32 msr) {
    u32 low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return low | u64{high} << 32;
}
inline void invlpg(u64 linear) { asm volatile("invlpg (%0)" ::"r"(linear) : "memory"); }
namespace msr {
inline constexpr u32 efer = 0xC000'0080, star = 0xC000'0081, lstar = 0xC000'0082, cstar = 0xC000'0083,
                     fmask = 0xC000'0084, fs_base = 0xC000'0100, gs_base = 0xC000'0101, kernel_gs_base = 0xC000'0102,
                     tsc_aux = 0xC000'0103, sysenter_cs = 0x174, sysenter_esp = 0x175, sysenter_eip = 0x176;
}
namespace cr4 {
inline constexpr u64 vme = 1, pvi = 2, tsd = 4, de = 8, pse = 0x10, pae = 0x20, mce = 0x40, pge = 0x80, pce = 0x100,
                     osfxsr = 0x200, osxmmexcpt = 0x400, umip = 0x800, la57 = 0x1000, fsgsbase = 0x1'0000,
                     pcide = 0x2'0000, osxsave = 0x4'0000, smep = 0x10'0000, smap = 0x20'0000, pke = 0x40'0000;
}
inline constexpr u64 efer_sce = 1, efer_lme = 0x100, efer_lma = 0x400, efer_nxe = 0x800;

struct Leaf {
    u32 eax, ebx, ecx, edx;
};
/// Zeros where there is no such leaf.
Leaf cpuid(u32 leaf, u32 subleaf = 0);
struct Features {
    bool amd, nx, pages_1g, rdtscp, syscall, null_clears_base;
    bool fsgsbase, smep, smap, umip, pku, la57, rdpid, invpcid, pcid, pge, x2apic, xsave, monitor, cx16, tsc_deadline;
    bool avx, clflush;
    u32 physical_bits;
};
const Features& features();
/// Whether an address of 48 (or `bits`) is the sign extension of its low bits (SDM 1, 3.3.7.1).
constexpr bool canonical(u64 a, unsigned bits = 48) {
    return static_cast<u64>(static_cast<i64>(a << (64 - bits)) >> (64 - bits)) == a;
}

/// Memory that belongs to nobody: for page tables, stacks and code of the forms.
inline constexpr u64 arena_begin = 0x80'0000, arena_end = 0x140'0000;

// --- results ---------------------------------------------------------------------------------------------------------

class Report {
  public:
    /// Begins the next case of the form. False when this one is not to run: only counted, or left out by the caller's
    /// choice; nothing else may be called for it then.
    bool next();
    /// What the case is, put together and printed only when it fails: strings must live until then. %s %u %x with
    /// widths, at most 12 arguments.
    template <class... Values> void describe(const char* format, Values... values) {
        static_assert(sizeof...(values) <= most_words);
        description_ = format;
        u32 n = 0;
        ((words_[n++] = as_word(values)), ...);
    }
    /// One comparison of the case.
    void expect(const char* what, u64 expected, u64 got);
    /// The same for what is only right or wrong.
    void require(const char* what, bool right) { expect(what, 1, right ? 1 : 0); }
    /// The vector and error code that must end a context.
    void expect_exit(const Exit& exit, u64 vector, u64 error);
    /// The case cannot run on this processor; it still counts.
    void skip(const char* reason);
    /// This case must end in a shutdown (triple fault): call `describe` first, then this, then cause it. What follows
    /// in the function is reached only when the processor did not shut down, and the case has then failed.
    void expect_shutdown();

  private:
    friend void run_form(Report& report, const struct Form& form);
    friend void configure(Report& report, const char* command_line);
    static u64 as_word(const char* s) { return address(s); }
    template <class Number> static u64 as_word(Number n) { return static_cast<u64>(n); }
    void finish_case();
    void print_description();
    static constexpr u32 most_words = 12;
    bool counting_ = false, open_ = false, failed_ = false, shutdown_expected_ = false;
    u32 next_ = 0, from_ = 0, until_ = ~0u, only_ = ~0u, failures_ = 0;
    const char* skipped_ = nullptr;
    const char* description_ = "";
    u64 words_[most_words] = {};
};

struct Form {
    const char* name;    ///< "long/what", in lower case with dashes
    const char* section; ///< of the manual: "SDM 3A 5.5"
    void (*run)(Report& report);
};
struct Group {
    const Form* forms;
    u32 count;
};
template <u32 N> constexpr Group group(const Form (&forms)[N]) { return {forms, N}; }

/// What must come of an instruction: `end_vector` when it must succeed.
struct Fault {
    u64 vector, error;
};
inline constexpr Fault none{end_vector, 0};

// One for each file of forms.
Group segment_forms();
Group transfer_forms();
Group gate_forms();
Group canonical_forms();
Group syscall_forms();
Group paging_forms();
Group tlb_forms();
Group control_forms();
Group debug_forms();
Group apic_forms();

// Freestanding: the compiler may call these.
extern "C" void* memcpy(void* to, const void* from, u64 size);
extern "C" void* memset(void* to, int value, u64 size);
