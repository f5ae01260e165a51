// Runs MMX and SSE code bytes on the engine, and, where the host is an x86-64, the very same bytes on the host: the
// encodings used here (registers 0-7, memory at [ESI] or [RSI]) mean the same in both.
#pragma once

#include "system_fixture.hpp"

#include "cpu/decode/row.hpp"

#include <array>
#include <initializer_list>
#include <span>
#include <vector>

#if defined(__x86_64__) && defined(__linux__)
#define GLASSBOX_TEST_NATIVE 1
#include <csetjmp>
#include <csignal>
#include <sys/mman.h>
#include <ucontext.h>
#endif

namespace glassbox::sse_test {

using Bytes = std::vector<u8>;

/// Everything that an instruction under test may read or change.
struct alignas(16) State {
    std::array<std::array<u64, 2>, 8> xmm{};
    alignas(16) std::array<u8, 32> memory{}; ///< ESI points to it
    std::array<u64, 8> mm{};
    std::array<u64, 4> gpr{}; ///< EAX, ECX, EDX, EBX
    u32 mxcsr = 0x1F80;
    u32 flags = 2;  ///< arithmetic flags
    int fault = -1; ///< vector, or -1
    bool operator==(const State&) const = default;
};

struct Rng {
    u64 state;
    u64 next() { // splitmix64
        u64 z = (state += 0x9E3779B97F4A7C15);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
    u64 below(u64 n) { return next() % n; }
};

/// The engine: flat protected mode at level 0, an interrupt gate per vector.
struct Guest : system_test::Machine {
    static constexpr u32 code = 0x10000, handlers = 0x20000, data = 0x30000;

    explicit Guest(std::string_view model = "max") : Machine(model) {
        for (u32 v = 0; v < 32; ++v)
            put<u64>(system_test::idt + 8 * v, system_test::gate(system_test::code0, handlers + 16 * v, 0x8E));
        cpu.cr4 = cr4::OSFXSR | cr4::OSXMMEXCPT;
        cpu.cr0 |= cr0::NE;
        cpu.set_r32(RSP, 0xF000);
        cpu.set_r32(RSI, data);
    }
    void write_code(std::span<const u8> bytes) {
        u8* at = memory.ram().data() + code;
        if (std::memcmp(at, bytes.data(), bytes.size()) == 0) return;
        std::memcpy(at, bytes.data(), bytes.size());
        cpu.memory_written(PhysAddress{code}, bytes.size());
    }
    /// Runs one instruction at `code`; the vector of its fault, or -1.
    int step() {
        cpu.ip = code;
        cpu.set_r32(RSP, 0xF000);
        cpu.eflags = 2;
        cpu.run(1);
        if (cpu.ip >= handlers && cpu.ip < handlers + 512) return static_cast<int>(cpu.ip - handlers) / 16;
        return -1;
    }
    int step(std::initializer_list<u8> bytes) {
        write_code(std::span(bytes.begin(), bytes.size()));
        return step();
    }
    void run(const Bytes& bytes, State& s) {
        write_code(bytes);
        for (unsigned i = 0; i < 8; ++i) {
            cpu.sse.xmm(i).q = s.xmm[i];
            cpu.fpu.set_mmx(i, s.mm[i]);
        }
        for (unsigned i = 0; i < 4; ++i) cpu.gpr[i] = s.gpr[i];
        std::memcpy(memory.ram().data() + data, s.memory.data(), s.memory.size());
        cpu.sse.mxcsr = s.mxcsr;
        cpu.flags.load(s.flags);
        s.fault = step();
        for (unsigned i = 0; i < 8; ++i) {
            s.xmm[i] = cpu.sse.xmm(i).q;
            s.mm[i] = cpu.fpu.mmx(i);
        }
        for (unsigned i = 0; i < 4; ++i) s.gpr[i] = cpu.gpr[i];
        std::memcpy(s.memory.data(), memory.ram().data() + data, s.memory.size());
        s.mxcsr = cpu.sse.mxcsr;
        s.flags = (s.fault < 0 ? cpu.flags.value() : s.flags & eflags::arithmetic);
    }
};

#if defined(GLASSBOX_TEST_NATIVE)
/// The host's processor. An unmasked exception arrives as SIGFPE; the registers are then as before, but for MXCSR.
class Native {
  public:
    Native() {
        code_ = static_cast<u8*>(
            mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        if (code_ == MAP_FAILED) code_ = nullptr;
        struct sigaction action{};
        action.sa_sigaction = [](int, siginfo_t*, void* context) {
            trapped_mxcsr() = static_cast<ucontext_t*>(context)->uc_mcontext.fpregs->mxcsr;
            siglongjmp(resume(), 1);
        };
        action.sa_flags = SA_SIGINFO | SA_NODEFER;
        sigaction(SIGFPE, &action, &old_);
    }
    ~Native() {
        sigaction(SIGFPE, &old_, nullptr);
        if (code_) munmap(code_, 4096);
    }
    Native(const Native&) = delete;
    Native& operator=(const Native&) = delete;
    bool usable() const { return code_ != nullptr; }

    void run(const Bytes& bytes, State& s) {
        std::memcpy(code_, bytes.data(), bytes.size());
        code_[bytes.size()] = 0xC3;
        if (sigsetjmp(resume(), 1) == 0) {
            execute(s);
            s.fault = -1;
        } else {
            const u32 usual = 0x1F80;
            __asm__ volatile("emms\n ldmxcsr %0" : : "m"(usual));
            s.mxcsr = trapped_mxcsr();
            s.fault = 19;
        }
        s.flags &= eflags::arithmetic;
    }

  private:
    static u32& trapped_mxcsr() {
        static u32 value;
        return value;
    }
    static sigjmp_buf& resume() {
        static sigjmp_buf buffer;
        return buffer;
    }
    void execute(State& s) {
        struct Frame {
            State* state;
            void* code;
            u32 usual;
            u32 unused;
            u64 flags;
        } frame{&s, code_, 0x1F80, 0, (s.flags & eflags::arithmetic) | 2};
        // r12: the frame, r13: the state. Offsets: xmm 0, memory 128, mm 160, gpr 224, mxcsr 256.
        static_assert(offsetof(State, memory) == 128 && offsetof(State, mm) == 160 && offsetof(State, gpr) == 224 &&
                      offsetof(State, mxcsr) == 256);
        __asm__ volatile("mov %[frame], %%r12\n mov (%%r12), %%r13\n"
                         "sub $256, %%rsp\n"
                         "movaps (%%r13), %%xmm0\n movaps 16(%%r13), %%xmm1\n movaps 32(%%r13), %%xmm2\n"
                         "movaps 48(%%r13), %%xmm3\n movaps 64(%%r13), %%xmm4\n movaps 80(%%r13), %%xmm5\n"
                         "movaps 96(%%r13), %%xmm6\n movaps 112(%%r13), %%xmm7\n"
                         "movq 160(%%r13), %%mm0\n movq 168(%%r13), %%mm1\n movq 176(%%r13), %%mm2\n"
                         "movq 184(%%r13), %%mm3\n movq 192(%%r13), %%mm4\n movq 200(%%r13), %%mm5\n"
                         "movq 208(%%r13), %%mm6\n movq 216(%%r13), %%mm7\n"
                         "push 24(%%r12)\n popfq\n"
                         "mov 224(%%r13), %%rax\n mov 232(%%r13), %%rcx\n mov 240(%%r13), %%rdx\n"
                         "mov 248(%%r13), %%rbx\n lea 128(%%r13), %%rsi\n"
                         "ldmxcsr 256(%%r13)\n"
                         "call *8(%%r12)\n"
                         "stmxcsr 256(%%r13)\n ldmxcsr 16(%%r12)\n"
                         "pushfq\n pop 24(%%r12)\n"
                         "mov %%rax, 224(%%r13)\n mov %%rcx, 232(%%r13)\n mov %%rdx, 240(%%r13)\n"
                         "mov %%rbx, 248(%%r13)\n"
                         "movaps %%xmm0, (%%r13)\n movaps %%xmm1, 16(%%r13)\n movaps %%xmm2, 32(%%r13)\n"
                         "movaps %%xmm3, 48(%%r13)\n movaps %%xmm4, 64(%%r13)\n movaps %%xmm5, 80(%%r13)\n"
                         "movaps %%xmm6, 96(%%r13)\n movaps %%xmm7, 112(%%r13)\n"
                         "movq %%mm0, 160(%%r13)\n movq %%mm1, 168(%%r13)\n movq %%mm2, 176(%%r13)\n"
                         "movq %%mm3, 184(%%r13)\n movq %%mm4, 192(%%r13)\n movq %%mm5, 200(%%r13)\n"
                         "movq %%mm6, 208(%%r13)\n movq %%mm7, 216(%%r13)\n"
                         "emms\n add $256, %%rsp\n"
                         :
                         : [frame] "r"(&frame)
                         : "rax", "rcx", "rdx", "rbx", "rsi", "rdi", "r12", "r13", "xmm0", "xmm1", "xmm2", "xmm3",
                           "xmm4", "xmm5", "xmm6", "xmm7", "memory", "cc");
        s.flags = static_cast<u32>(frame.flags);
    }
    u8* code_ = nullptr;
    struct sigaction old_{};
};
#endif

/// The bytes of a row's instruction; memory forms use [ESI].
inline Bytes encode(const Row& row, bool memory, unsigned reg, unsigned rm, u8 imm) {
    Bytes bytes;
    switch (row.at.mandatory) {
    case Mandatory::p66: bytes.push_back(0x66); break;
    case Mandatory::pF3: bytes.push_back(0xF3); break;
    case Mandatory::pF2: bytes.push_back(0xF2); break;
    default: break;
    }
    bytes.push_back(0x0F);
    bytes.push_back(row.at.opcode);
    if (row.at.digit_ >= 0) reg = static_cast<unsigned>(row.at.digit_);
    bytes.push_back(static_cast<u8>((memory ? 6 : 0xC0 | rm) | reg << 3));
    for (const Arg a : row.args) {
        if (a == Arg::Ib) bytes.push_back(imm);
    }
    return bytes;
}

} // namespace glassbox::sse_test
