// The child's side of Native. Everything from the first signal of a batch to its last runs with foreign segment
// registers: FS leads to no thread-local storage, so nothing there may call the C library, and the sanitizers must keep
// out.
#include "tests/x86-conformance/host/native_child.hpp"

#if defined(__x86_64__) && defined(__linux__)

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <csignal>
#include <cstddef>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__clang__)
#define GLASSBOX_BARE __attribute__((no_sanitize("address", "undefined", "memory", "thread"), no_stack_protector))
#else
#define GLASSBOX_BARE __attribute__((no_sanitize("address,undefined,thread"), no_stack_protector))
#endif

namespace glassbox::conformance::host {

namespace {

/// The signal handler's side of a run: signals come to a function, not to an object.
struct Child {
    NativeShared* shared = nullptr;
    u8* code = nullptr; ///< writable aliases of the two regions
    u8* data = nullptr;
    std::array<u8, data_size> pattern;
    u64 fs_base = 0;
    bool entering = false, inside = false;
    bool has_bases = false, has_ymm = false;
    u16 outside_seg[4] = {};
    gregset_t outside;
    alignas(16) u8 outside_fx[sizeof(Image::fx)], outside_ymm[sizeof(Image::ymm)];
};
Child child;

constexpr int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                           REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
constexpr SegmentName loaded[4] = {ES, DS, FS, GS};

/// A loop of single bytes would become a call of memcpy.
GLASSBOX_BARE inline void copy(void* to, const void* from, std::size_t size) {
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size)::"memory");
}
GLASSBOX_BARE inline void fill(void* to, u8 value, std::size_t size) {
    asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
}

GLASSBOX_BARE inline void load_segments(const u16 (&value)[4]) {
    asm volatile("mov %0, %%es\n\tmov %1, %%ds\n\tmov %2, %%fs\n\tmov %3, %%gs" ::"r"(value[0]), "r"(value[1]),
                 "r"(value[2]), "r"(value[3]));
}
GLASSBOX_BARE inline void store_segments(u16 (&value)[4]) {
    asm volatile("mov %%es, %0\n\tmov %%ds, %1\n\tmov %%fs, %2\n\tmov %%gs, %3"
                 : "=r"(value[0]), "=r"(value[1]), "=r"(value[2]), "=r"(value[3]));
}

GLASSBOX_BARE inline void load_bases(u64 fs, u64 gs) { asm volatile("wrfsbase %0\n\twrgsbase %1" ::"r"(fs), "r"(gs)); }
GLASSBOX_BARE inline void store_bases(u64& fs, u64& gs) {
    asm volatile("rdfsbase %0\n\trdgsbase %1" : "=r"(fs), "=r"(gs));
}

/// The signal frame's register image (SDM 1, 13.4): FXSAVE's 512 bytes; if the magic number is there, XSAVE's header
/// with XSTATE_BV, which says what is not in its initial state, and the components in standard format.
constexpr u32 xstate_at = 512, ymm_at = 576, frame_magic_at = 464, frame_magic = 0x4650'5853;
constexpr u64 x87_sse = 3, avx = 4;

GLASSBOX_BARE inline bool has_xstate(const u8* frame) {
    return *reinterpret_cast<const u32*>(frame + frame_magic_at) == frame_magic;
}
/// Bytes 28-31 of the image are the kernel's business (MXCSR_MASK).
GLASSBOX_BARE inline void load_units(u8* frame, const u8* image, const u8* ymm) {
    copy(frame, image, 28);
    copy(frame + 32, image + 32, sizeof(Image::fx) - 32);
    if (!has_xstate(frame)) return;
    *reinterpret_cast<u64*>(frame + xstate_at) |= x87_sse | (child.has_ymm ? avx : 0);
    if (child.has_ymm) copy(frame + ymm_at, ymm, sizeof(Image::ymm));
}
GLASSBOX_BARE inline void store_units(const u8* frame, u8* image, u8* ymm) {
    copy(image, frame, sizeof(Image::fx));
    if (child.has_ymm && has_xstate(frame) && (*reinterpret_cast<const u64*>(frame + xstate_at) & avx))
        copy(ymm, frame + ymm_at, sizeof(Image::ymm));
    else
        fill(ymm, 0, sizeof(Image::ymm));
}

GLASSBOX_BARE inline void load_case(ucontext_t& context, const Input& in) {
    gregset_t& r = context.uc_mcontext.gregs;
    const Image& before = in.before;
    for (unsigned i = 0; i < 16; ++i) r[order[i]] = static_cast<greg_t>(before.gpr[i]);
    r[REG_EFL] = before.eflags;
    r[REG_RIP] = static_cast<greg_t>(before.rip);
    r[REG_CSGSFS] = static_cast<greg_t>(u64{before.seg[CS]} | u64{before.seg[SS]} << 48);
    load_units(reinterpret_cast<u8*>(context.uc_mcontext.fpregs), before.fx.data(), before.ymm.data());
    copy(child.code + in.code_at, in.code.data(), in.code_size);
    const u8* bytes = in.bytes.data();
    for (unsigned i = 0; i < in.fills; ++i) {
        copy(child.data + in.fill[i].at, bytes, in.fill[i].size);
        bytes += in.fill[i].size;
    }
    const u16 seg[4] = {before.seg[ES], before.seg[DS], before.seg[FS], before.seg[GS]};
    load_segments(seg);
    if (child.has_bases && before.seg[CS] == long_code) load_bases(before.fs_base, before.gs_base);
}

GLASSBOX_BARE inline void store_case(const ucontext_t& context, const Input& in, Output& out) {
    const gregset_t& r = context.uc_mcontext.gregs;
    const u64 selectors = static_cast<u64>(r[REG_CSGSFS]);
    const bool wide = in.before.seg[CS] == long_code;
    const u64 visible = wide ? ~u64{0} : 0xFFFF'FFFF;
    for (unsigned i = 0; i < 16; ++i) out.after.gpr[i] = wide || i < 8 ? static_cast<u64>(r[order[i]]) & visible : 0;
    out.after.eflags = static_cast<u32>(r[REG_EFL]);
    out.after.rip = static_cast<u64>(r[REG_RIP]) & visible;
    out.after.seg[CS] = static_cast<u16>(selectors);
    out.after.seg[SS] = static_cast<u16>(selectors >> 48);
    u16 seg[4];
    store_segments(seg);
    for (unsigned i = 0; i < 4; ++i) out.after.seg[loaded[i]] = seg[i];
    out.after.fs_base = out.after.gs_base = 0;
    if (child.has_bases && wide) store_bases(out.after.fs_base, out.after.gs_base);
    out.vector = static_cast<int>(r[REG_TRAPNO]);
    out.error = static_cast<u32>(r[REG_ERR]);
    out.cr2 = static_cast<u64>(r[REG_CR2]) & visible;
    store_units(reinterpret_cast<const u8*>(context.uc_mcontext.fpregs), out.after.fx.data(), out.after.ymm.data());
    fill(child.code + in.code_at, code_filler, in.code_size);
    gather_changes(child.data, child.pattern.data(), out);
}

extern "C" GLASSBOX_BARE __attribute__((used)) void glassbox_native_signal(int, siginfo_t*, void* raw) {
    auto& context = *static_cast<ucontext_t*>(raw);
    NativeShared& shared = *child.shared;
    if (child.entering) {
        child.entering = false;
        child.inside = true;
        copy(&child.outside, &context.uc_mcontext.gregs, sizeof(gregset_t));
        store_units(reinterpret_cast<const u8*>(context.uc_mcontext.fpregs), child.outside_fx, child.outside_ymm);
        store_segments(child.outside_seg);
        load_case(context, shared.in[shared.progress]);
        return;
    }
    if (!child.inside) { // a bug of the child itself
        asm volatile("syscall" ::"a"(SYS_exit_group), "D"(2) : "rcx", "r11", "memory");
        return;
    }
    u32 at = shared.progress.load(std::memory_order_relaxed);
    store_case(context, shared.in[at], shared.out[at]);
    shared.progress.store(++at, std::memory_order_relaxed);
    if (at < shared.count) {
        load_case(context, shared.in[at]);
        return;
    }
    child.inside = false;
    load_segments(child.outside_seg);
    i64 status = SYS_arch_prctl;
    asm volatile("syscall" : "+a"(status) : "D"(ARCH_SET_FS), "S"(child.fs_base) : "rcx", "r11", "memory");
    copy(&context.uc_mcontext.gregs, &child.outside, sizeof(gregset_t));
    load_units(reinterpret_cast<u8*>(context.uc_mcontext.fpregs), child.outside_fx, child.outside_ymm);
    context.uc_mcontext.gregs[REG_RIP] += 2; // after the UD2
}

extern "C" void glassbox_native_entry(int, siginfo_t*, void*);
// A case may leave AC, NT and ID set: none may live on into the next, and the handler's own accesses must not end in
// #AC.
asm(R"(
    .text
    .type glassbox_native_entry, @function
glassbox_native_entry:
    pushfq
    andq $~0x244000, (%rsp)
    popfq
    jmp glassbox_native_signal
    .size glassbox_native_entry, .-glassbox_native_entry
)");

bool map_at(u64 start, u32 size, int protection, int file, u32 offset) {
    void* wanted = reinterpret_cast<void*>(start);
    void* got = mmap(wanted, size, protection, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, file, offset);
    if (got != wanted) return false;
    mlock(got, size); // as far as the limit allows
    for (u32 at = 0; at < size; at += page) (void)*reinterpret_cast<volatile u8*>(start + at);
    return true;
}

/// Anonymous memory with a name for a second, writable mapping.
u8* memory_file(u32 size, int& file) {
    file = static_cast<int>(syscall(SYS_memfd_create, "glassbox", 0u));
    if (file < 0 || ftruncate(file, size) != 0) return nullptr;
    void* alias = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
    return alias == MAP_FAILED ? nullptr : static_cast<u8*>(alias);
}

bool map_window(const Window& window, int code, int data) {
    if (!map_at(window.code, code_size, PROT_READ | PROT_EXEC, code, 0)) return false;
    for (u32 i = 0; i < data_pages.size(); ++i) {
        if (data_pages[i] == PageKind::unmapped) continue;
        const int protection = data_pages[i] == PageKind::read_only ? PROT_READ : PROT_READ | PROT_WRITE;
        if (!map_at(window.data + i * page, page, protection, data, i * page)) return false;
    }
    return true;
}

bool map_memory() {
    int code = -1, data = -1;
    child.code = memory_file(code_size, code);
    child.data = memory_file(data_size, data);
    if (!child.code || !child.data) return false;
    child.pattern = data_pattern();
    fill(child.code, code_filler, code_size);
    copy(child.data, child.pattern.data(), data_size);
    for (const Window& window : windows) {
        if (!map_window(window, code, data)) return false;
    }
    return true;
}

bool fill_ldt() {
    constexpr int write_new = 0x11;
    for (unsigned i = 0; i < ldt.size(); ++i) {
        const SegmentSpec& s = ldt[i];
        if (s.absent) continue;
        user_desc d{};
        d.entry_number = i;
        d.base_addr = s.base;
        d.limit = s.limit;
        d.seg_32bit = s.big;
        d.contents = s.contents & 3u;
        d.read_exec_only = s.read_exec_only;
        d.limit_in_pages = s.pages;
        d.seg_not_present = s.not_present;
        d.useable = s.available;
        if (syscall(SYS_modify_ldt, write_new, &d, sizeof d) != 0) return false;
    }
    return true;
}

bool catch_signals() {
    constexpr std::size_t stack_size = 256 << 10;
    stack_t stack{};
    stack.ss_sp = mmap(nullptr, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    stack.ss_size = stack_size;
    if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, nullptr) != 0) return false;
    struct sigaction action{};
    action.sa_sigaction = glassbox_native_entry;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigset_t all;
    sigemptyset(&all);
    for (const int s : {SIGSEGV, SIGILL, SIGFPE, SIGBUS, SIGTRAP}) {
        sigaddset(&all, s);
        if (sigaction(s, &action, nullptr) != 0) return false;
    }
    // Ctrl-C is the runner's to answer: it ends, and the child with it.
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    return sigprocmask(SIG_UNBLOCK, &all, nullptr) == 0;
}

} // namespace

const char* prepare_child(NativeShared& shared) {
    child.shared = &shared;
    child.has_bases = has_base_instructions();
    child.has_ymm = __builtin_cpu_supports("avx");
    if (syscall(SYS_arch_prctl, ARCH_GET_FS, &child.fs_base) != 0) return "arch_prctl";
    if (!map_memory()) return "memory at fixed addresses";
    if (!fill_ldt()) return "modify_ldt";
    if (!catch_signals()) return "signals";
    return nullptr;
}

void run_batch() {
    if (child.shared->progress >= child.shared->count) return;
    child.entering = true;
    asm volatile("ud2" ::: "memory", "cc");
}

} // namespace glassbox::conformance::host

#endif
