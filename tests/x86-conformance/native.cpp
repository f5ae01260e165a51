#include "native.hpp"

#if defined(__x86_64__) && defined(__linux__)

#include <asm/ldt.h>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace glassbox::conformance {

namespace {

constexpr u16 code32 = 0x23, data32 = 0x2B; // of every 64-bit Linux
constexpr u16 based_data = 7;               // entry 0 of the LDT

/// The signal handler's side of a run: signals come to a function, not to an object.
struct Crossing {
    Registers registers;
    bool entering = false, inside = false;
    gregset_t outside;
};
Crossing crossing;

constexpr int order[8] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI};

void on_signal(int number, siginfo_t*, void* context) {
    gregset_t& r = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    if (crossing.entering) {
        crossing.entering = false;
        crossing.inside = true;
        std::memcpy(&crossing.outside, &r, sizeof(gregset_t));
        for (unsigned i = 0; i < 8; ++i) r[order[i]] = crossing.registers.gpr[i];
        r[REG_EFL] = crossing.registers.eflags;
        r[REG_RIP] = crossing.registers.eip;
        r[REG_CSGSFS] = (r[REG_CSGSFS] & ~0xFFFFLL) | code32;
        return;
    }
    if (!crossing.inside) { // a bug of the test itself
        signal(number, SIG_DFL);
        return;
    }
    crossing.inside = false;
    Registers& out = crossing.registers;
    for (unsigned i = 0; i < 8; ++i) out.gpr[i] = static_cast<u32>(r[order[i]]);
    out.eflags = static_cast<u32>(r[REG_EFL]);
    out.eip = static_cast<u32>(r[REG_RIP]);
    out.vector = static_cast<int>(r[REG_TRAPNO]);
    out.error = static_cast<u32>(r[REG_ERR]);
    out.cr2 = static_cast<u32>(r[REG_CR2]);
    std::memcpy(&r, &crossing.outside, sizeof(gregset_t));
    r[REG_RIP] += 2; // after the UD2
}

bool map_fixed(u32 start, u32 size) {
    void* wanted = reinterpret_cast<void*>(u64{start});
    return mmap(wanted, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
                0) == wanted;
}

bool describe_segment() {
    user_desc d{};
    d.base_addr = data_start;
    d.limit = 0xFFFF;
    d.seg_32bit = 1;
    d.useable = 1;
    return syscall(SYS_modify_ldt, 1, &d, sizeof d) == 0;
}

bool has_code32() {
    u32 rights = 0;
    u8 found = 0;
    asm("lar %2, %0\n\tsetz %1" : "=r"(rights), "=q"(found) : "r"(u32{code32}) : "cc");
    return found != 0 && (rights & 0x0040'0000) != 0;
}

} // namespace

Native::Native() {
    if (!has_code32() || !map_fixed(code_start, code_size) || !map_fixed(data_start, data_size) || !describe_segment())
        return;
    constexpr std::size_t stack_size = 256 << 10;
    stack_t stack{};
    // For as long as the process lives, as the handlers are.
    stack.ss_sp = mmap(nullptr, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack.ss_size = stack_size;
    if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, nullptr) != 0) return;
    struct sigaction action{};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (const int s : {SIGSEGV, SIGILL, SIGFPE, SIGBUS, SIGTRAP}) {
        if (sigaction(s, &action, nullptr) != 0) return;
    }
    available_ = true;
}

Registers Native::run(const Registers& before, bool based) {
    const u16 es = based ? based_data : data32;
    asm volatile("mov %0, %%ds\n\tmov %1, %%es\n\tmov %2, %%gs" ::"r"(data32), "r"(es), "r"(based_data));
    crossing.registers = before;
    crossing.entering = true;
    asm volatile("ud2" ::: "memory", "cc");
    return crossing.registers;
}

} // namespace glassbox::conformance

#else

namespace glassbox::conformance {
Native::Native() = default;
Registers Native::run(const Registers& before, bool) { return before; }
} // namespace glassbox::conformance

#endif
