// The kernel of the `system` conformance suite: what test groups build on. A group is a table of forms; a form runs a
// numbered matrix of cases and compares what the processor did with what the manual says. The kernel needs a 386, works
// on any PC (multiboot; results on port E9h; ends through port F4h), and uses no library.
//
// How a case goes: build descriptors, gates, page tables; `run(context)` enters the context and comes back with
// whatever exception or interrupt ended it; compare with `Report::expect`.
#pragma once

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using i32 = int;

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

// --- contexts
// ---------------------------------------------------------------------------------------------------------

/// Everything a context starts with; all rings, 16- and 32-bit segments, virtual-8086 when EFLAGS.VM is set.
struct Context {
    u32 eax = 0, ebx = 0, ecx = 0, edx = 0, esi = 0, edi = 0, ebp = 0, esp = 0, eip = 0, eflags = 2;
    u32 cs = 0, ss = 0, ds = 0, es = 0, fs = 0, gs = 0;
};
/// What ended it, and the state then. ESP and SS are those of the interrupted context.
struct Exit : Context {
    u32 vector = 0, error = 0, cr2 = 0; ///< error: 0 for vectors without a code
    u32 handler_esp = 0;                ///< where the stub found the vector on the handler's stack
};
/// Runs from `context` until an exception, INT or interrupt arrives at one of the kernel's own gates.
Exit run(const Context& context);
/// A context of the ring with its flat code, data and stack; EIP at `code`; interrupts off.
Context ring(unsigned cpl, const void* code);
/// Real-mode-like: CS:IP = code >> 4 : code & 15 and DS = ES = SS below 1 MiB. IOPL 3.
Context virtual_8086(u32 code_linear, u32 stack_linear);

/// Copies bytes to a fresh place in the code arena (below 4 GiB, identity-mapped, writable, executable by every ring)
/// and returns its address. INT 80h (CD 80) is the usual end of a case: `Exit::vector == 0x80`.
const void* code(const u8* bytes, u32 size);
template <u32 N> const void* code(const u8 (&bytes)[N]) { return code(bytes, N); }
inline constexpr u32 end_vector = 0x80;

// --- tables
// -------------------------------------------------------------------------------------------------------------

/// Selectors of the standard GDT; `flat_code(cpl)` and `flat_data(cpl)` carry their RPL.
inline constexpr u16 kernel_code = 0x08, kernel_data = 0x10, tss_selector = 0x48, ldt_selector = 0x50,
                     code16_selector = 0x58, data16_selector = 0x60, first_free = 0x80, gdt_size = 0x400;
constexpr u16 flat_code(unsigned cpl) { return static_cast<u16>(0x08 + 0x10 * cpl + cpl); }
constexpr u16 flat_data(unsigned cpl) { return static_cast<u16>(0x10 + 0x10 * cpl + cpl); }

/// A segment or system descriptor (SDM 3A, figure 3-8). `type`: bits 0-4 of the access byte, S included.
constexpr u64 descriptor(u32 base, u32 limit, u32 type, u32 dpl, bool present = true, bool big = true,
                         bool granular = false) {
    const u32 low = (base << 16) | (limit & 0xFFFF);
    const u32 high = (base & 0xFF00'0000) | (granular ? 1u << 23 : 0) | (big ? 1u << 22 : 0) | (limit & 0xF0000) |
                     (present ? 1u << 15 : 0) | (dpl << 13) | (type << 8) | ((base >> 16) & 0xFF);
    return low | static_cast<u64>(high) << 32;
}
/// A call, task, interrupt or trap gate (SDM 3A, figures 5-8 and 6-2). `type`: 4, 5, 6, 7, 12, 14 or 15.
constexpr u64 gate(u32 selector, u32 offset, u32 type, u32 dpl, bool present = true, u32 parameters = 0) {
    const u32 low = (selector << 16) | (offset & 0xFFFF);
    const u32 high = (offset & 0xFFFF'0000) | (present ? 1u << 15 : 0) | (dpl << 13) | (type << 8) | parameters;
    return low | static_cast<u64>(high) << 32;
}
/// A 32-bit task-state segment (SDM 3A, figure 7-2).
struct Tss {
    u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
    u32 eax, ecx, edx, ebx, esp, ebp, esi, edi;
    u32 es, cs, ss, ds, fs, gs, ldt;
    u16 trap, io_map;
};

// Live tables: write to them freely; `reset_tables` restores the standard ones.
extern u64 gdt[gdt_size / 8];
extern u64 idt[256];
extern u64 ldt[32];
extern Tss tss;
/// Standard GDT, IDT (every vector to its stub: 32-bit interrupt gates, DPL 3 for 3, 4 and 80h, else 0), LDT (empty),
/// TSS (stacks for rings 0-2, no I/O map) and their registers. CR0, CR3 and CR4 are not touched.
void reset_tables();
/// The address of the stub that ends a context with this vector.
u32 stub(u32 vector);

// --- registers and ports
// ------------------------------------------------------------------------------------------------

inline void out8(u16 port, u8 value) { asm volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
inline void out16(u16 port, u16 value) { asm volatile("outw %0, %1" ::"a"(value), "Nd"(port)); }
inline void out32(u16 port, u32 value) { asm volatile("outl %0, %1" ::"a"(value), "Nd"(port)); }
inline u8 in8(u16 port) {
    u8 value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
inline u16 in16(u16 port) {
    u16 value;
    asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
inline u32 in32(u16 port) {
    u32 value;
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
#define SYSTEM_REGISTER(name)                                                                                          \
    inline u32 read_##name() {                                                                                         \
        u32 value;                                                                                                     \
        asm volatile("movl %%" #name ", %0" : "=r"(value));                                                            \
        return value;                                                                                                  \
    }                                                                                                                  \
    inline void write_##name(u32 value) { asm volatile("movl %0, %%" #name ::"r"(value) : "memory"); }
SYSTEM_REGISTER(cr0)
SYSTEM_REGISTER(cr2)
SYSTEM_REGISTER(cr3)
SYSTEM_REGISTER(cr4)
SYSTEM_REGISTER(dr0)
SYSTEM_REGISTER(dr1)
SYSTEM_REGISTER(dr2)
SYSTEM_REGISTER(dr3)
SYSTEM_REGISTER(dr6)
SYSTEM_REGISTER(dr7)
#undef SYSTEM_REGISTER
inline void write_msr(u32 msr, u64 value) { asm volatile("wrmsr" ::"c"(msr), "A"(value)); }
inline u64 read_msr(u32 msr) {
    u64 value;
    asm volatile("rdmsr" : "=A"(value) : "c"(msr));
    return value;
}
inline void invlpg(u32 linear) { asm volatile("invlpg (%0)" ::"r"(linear) : "memory"); }

/// CPUID.1:EDX and ECX, and 80000001h:EDX; zero where there is no CPUID or no such leaf.
struct Features {
    u32 edx = 0, ecx = 0, extended_edx = 0;
    bool pse() const { return edx >> 3 & 1; }
    bool pae() const { return edx >> 6 & 1; }
    bool apic() const { return edx >> 9 & 1; }
    bool pge() const { return edx >> 13 & 1; }
    bool nx() const { return extended_edx >> 20 & 1; }
    bool cpuid = false; ///< a 486 or later: CR0.WP, AC and INVLPG exist
};
const Features& features();

/// Memory that belongs to nobody: for page tables, stacks and code of the groups. All 16 MiB of it are RAM.
inline constexpr u32 arena_begin = 0x40'0000, arena_end = 0x140'0000;

// --- results
// --------------------------------------------------------------------------------------------------------------

class Report {
  public:
    /// Begins the next case of the form. False when this one is not to run: only counted, or left out by the caller's
    /// choice; nothing else may be called for it then.
    bool next();
    /// What the case is, put together and printed only when it fails: strings must live until then. printf's %s %c %u
    /// %d %x %02x %08x, at most 12 arguments.
    void describe(const char* format, ...) __attribute__((format(printf, 2, 3)));
    /// One comparison of the case.
    void expect(const char* what, u32 expected, u32 got);
    /// The same for what is only right or wrong.
    void require(const char* what, bool right) { expect(what, 1, right ? 1 : 0); }
    /// The vector and error code that must end a context, and, for faults, the EIP.
    void expect_exit(const Exit& exit, u32 vector, u32 error);
    /// The case cannot run on this processor; it still counts.
    void skip(const char* reason);
    /// This case must end in a shutdown (triple fault): call `describe` first, then this, then cause it. What follows
    /// in the function is reached only when the processor did not shut down, and the case has then failed.
    void expect_shutdown();

  private:
    friend void run_form(Report& report, const struct Form& form);
    void finish_case();
    bool counting_ = false, open_ = false, failed_ = false, shutdown_expected_ = false;
    u32 next_ = 0, from_ = 0, until_ = ~0u, only_ = ~0u, failures_ = 0;
    void print_description();
    const char* skipped_ = nullptr;
    const char* description_ = "";
    u32 words_[12] = {};
    friend void configure(Report& report, const char* command_line);
};

struct Form {
    const char* name;    ///< group/what, in lower case with dashes: "segments/mov-ds"
    const char* section; ///< of the manual: "SDM 3A 5.5"
    void (*run)(Report& report);
};
struct Group {
    const Form* forms;
    u32 count;
};
template <u32 N> constexpr Group group(const Form (&forms)[N]) { return {forms, N}; }

// One for each file of forms.
Group segment_forms(); // segments.cpp
Group gate_forms();    // gates.cpp
Group iret_forms();    // iret.cpp
Group task_forms();    // tasks.cpp
Group fault_forms();   // faults.cpp: double and triple faults
Group debug_forms();   // debug.cpp: debug exceptions, single step, shadows
Group paging_forms();  // paging.cpp: the permission matrix
Group tlb_forms();     // tlb.cpp
Group code_forms();    // code.cpp: self- and cross-modifying code
Group pic_forms();     // pic.cpp
Group pit_forms();     // pit.cpp
Group apic_forms();    // apic.cpp
Group dma_forms();     // dma.cpp

// Freestanding: the compiler may call these.
extern "C" void* memcpy(void* to, const void* from, u32 size);
extern "C" void* memset(void* to, int value, u32 size);
