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
struct alignas(32) State {
    std::array<std::array<u64, 4>, 8> xmm{}; ///< with the upper halves of the YMM registers
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
    /// The same processor with every feature, and what the operating system turns on for them.
    void give_everything() {
        everything_ = *cpu.model;
        for (unsigned f = 0; f < static_cast<unsigned>(Feature::count); ++f) {
            const auto feature = static_cast<Feature>(f);
            if (feature < Feature::only_8086 || feature > Feature::only_386) everything_.features.add(feature);
        }
        cpu.model = &everything_;
        cpu.cr4 |= cr4::OSXSAVE;
        cpu.xcr0 = 7;
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
            cpu.sse.xmm(i).q = {s.xmm[i][0], s.xmm[i][1]};
            cpu.sse.ymm_high(i).q = {s.xmm[i][2], s.xmm[i][3]};
            cpu.fpu.set_mmx(i, s.mm[i]);
        }
        for (unsigned i = 0; i < 4; ++i) cpu.gpr[i] = s.gpr[i];
        std::memcpy(memory.ram().data() + data, s.memory.data(), s.memory.size());
        cpu.sse.mxcsr = s.mxcsr;
        cpu.flags.load(s.flags);
        s.fault = step();
        for (unsigned i = 0; i < 8; ++i) {
            const Ymm y = cpu.sse.ymm(i);
            s.xmm[i] = {y.part[0].q[0], y.part[0].q[1], y.part[1].q[0], y.part[1].q[1]};
            s.mm[i] = cpu.fpu.mmx(i);
        }
        for (unsigned i = 0; i < 4; ++i) s.gpr[i] = cpu.gpr[i];
        std::memcpy(s.memory.data(), memory.ram().data() + data, s.memory.size());
        s.mxcsr = cpu.sse.mxcsr;
        s.flags = (s.fault < 0 ? cpu.flags.value() : s.flags & eflags::arithmetic);
    }

  private:
    CpuModel everything_;
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
            u32 avx; ///< the host has YMM registers
            u64 flags;
        } frame{&s, code_, 0x1F80, __builtin_cpu_supports("avx") ? 1u : 0u, (s.flags & eflags::arithmetic) | 2};
        // r12: the frame, r13: the state. Offsets: xmm 0, memory 256, mm 288, gpr 352, mxcsr 384.
        static_assert(offsetof(State, memory) == 256 && offsetof(State, mm) == 288 && offsetof(State, gpr) == 352 &&
                      offsetof(State, mxcsr) == 384);
        __asm__ volatile("mov %[frame], %%r12\n mov (%%r12), %%r13\n"
                         "sub $256, %%rsp\n"
                         "testl $1, 20(%%r12)\n jnz 1f\n"
                         "movaps (%%r13), %%xmm0\n movaps 32(%%r13), %%xmm1\n movaps 64(%%r13), %%xmm2\n"
                         "movaps 96(%%r13), %%xmm3\n movaps 128(%%r13), %%xmm4\n movaps 160(%%r13), %%xmm5\n"
                         "movaps 192(%%r13), %%xmm6\n movaps 224(%%r13), %%xmm7\n jmp 2f\n"
                         "1: vmovups (%%r13), %%ymm0\n vmovups 32(%%r13), %%ymm1\n vmovups 64(%%r13), %%ymm2\n"
                         "vmovups 96(%%r13), %%ymm3\n vmovups 128(%%r13), %%ymm4\n vmovups 160(%%r13), %%ymm5\n"
                         "vmovups 192(%%r13), %%ymm6\n vmovups 224(%%r13), %%ymm7\n"
                         "2: movq 288(%%r13), %%mm0\n movq 296(%%r13), %%mm1\n movq 304(%%r13), %%mm2\n"
                         "movq 312(%%r13), %%mm3\n movq 320(%%r13), %%mm4\n movq 328(%%r13), %%mm5\n"
                         "movq 336(%%r13), %%mm6\n movq 344(%%r13), %%mm7\n"
                         "push 24(%%r12)\n popfq\n"
                         "mov 352(%%r13), %%rax\n mov 360(%%r13), %%rcx\n mov 368(%%r13), %%rdx\n"
                         "mov 376(%%r13), %%rbx\n lea 256(%%r13), %%rsi\n"
                         "ldmxcsr 384(%%r13)\n"
                         "call *8(%%r12)\n"
                         "stmxcsr 384(%%r13)\n ldmxcsr 16(%%r12)\n"
                         "pushfq\n pop 24(%%r12)\n"
                         "mov %%rax, 352(%%r13)\n mov %%rcx, 360(%%r13)\n mov %%rdx, 368(%%r13)\n"
                         "mov %%rbx, 376(%%r13)\n"
                         "testl $1, 20(%%r12)\n jnz 3f\n"
                         "movaps %%xmm0, (%%r13)\n movaps %%xmm1, 32(%%r13)\n movaps %%xmm2, 64(%%r13)\n"
                         "movaps %%xmm3, 96(%%r13)\n movaps %%xmm4, 128(%%r13)\n movaps %%xmm5, 160(%%r13)\n"
                         "movaps %%xmm6, 192(%%r13)\n movaps %%xmm7, 224(%%r13)\n jmp 4f\n"
                         "3: vmovups %%ymm0, (%%r13)\n vmovups %%ymm1, 32(%%r13)\n vmovups %%ymm2, 64(%%r13)\n"
                         "vmovups %%ymm3, 96(%%r13)\n vmovups %%ymm4, 128(%%r13)\n vmovups %%ymm5, 160(%%r13)\n"
                         "vmovups %%ymm6, 192(%%r13)\n vmovups %%ymm7, 224(%%r13)\n vzeroupper\n"
                         "4: movq %%mm0, 288(%%r13)\n movq %%mm1, 296(%%r13)\n movq %%mm2, 304(%%r13)\n"
                         "movq %%mm3, 312(%%r13)\n movq %%mm4, 320(%%r13)\n movq %%mm5, 328(%%r13)\n"
                         "movq %%mm6, 336(%%r13)\n movq %%mm7, 344(%%r13)\n"
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

/// The bytes of a row's instruction; memory forms use [ESI]. With VEX, `more` chooses the register of vvvv, and L where
/// the row leaves it open.
inline Bytes encode(const Row& row, bool memory, unsigned reg, unsigned rm, u8 imm, unsigned more = 0) {
    Bytes bytes;
    const auto has = [&](std::initializer_list<Arg> wanted) {
        for (const Arg a : row.args) {
            for (const Arg w : wanted) {
                if (a == w) return true;
            }
        }
        return false;
    };
    if (row.at.encoding == Encoding::vex) {
        const bool vvvv = has({Arg::Hx, Arg::Hdq, Arg::Hqq, Arg::By});
        const unsigned second = vvvv ? more % (has({Arg::By}) ? 4 : 8) : 0;
        const unsigned l = row.at.l_ >= 0 ? static_cast<unsigned>(row.at.l_) : more >> 3 & 1;
        const unsigned pp = row.at.mandatory == Mandatory::p66   ? 1
                            : row.at.mandatory == Mandatory::pF3 ? 2
                            : row.at.mandatory == Mandatory::pF2 ? 3
                                                                 : 0;
        bytes = {0xC4, static_cast<u8>(0xE0 | row.at.map),
                 static_cast<u8>((row.at.w_ == 1 ? 0x80 : 0) | (15 - second) << 3 | l << 2 | pp)};
    } else {
        switch (row.at.mandatory) {
        case Mandatory::p66: bytes.push_back(0x66); break;
        case Mandatory::pF3: bytes.push_back(0xF3); break;
        case Mandatory::pF2: bytes.push_back(0xF2); break;
        default: break;
        }
        bytes.push_back(0x0F);
        if (row.at.map == 2) bytes.push_back(0x38);
        if (row.at.map == 3) bytes.push_back(0x3A);
    }
    bytes.push_back(row.at.opcode);
    if (row.at.digit_ >= 0) reg = static_cast<unsigned>(row.at.digit_);
    bytes.push_back(static_cast<u8>((memory ? 6 : 0xC0 | rm) | reg << 3));
    if (has({Arg::Ib, Arg::Lx, Arg::Ldq})) bytes.push_back(has({Arg::Ib}) ? imm : imm & 0x70);
    return bytes;
}

#if defined(GLASSBOX_TEST_NATIVE)
/// Whether the host's processor has a row's instruction, and `encode` can write it: gathers need a SIB byte.
inline bool host_has(const Row& row) {
    for (const Arg a : row.args) {
        if (a == Arg::Mvd || a == Arg::Mvq) return false;
    }
    switch (row.feature) {
    case Feature::sse3: return __builtin_cpu_supports("sse3") != 0;
    case Feature::ssse3: return __builtin_cpu_supports("ssse3") != 0;
    case Feature::sse41: return __builtin_cpu_supports("sse4.1") != 0;
    case Feature::sse42: return __builtin_cpu_supports("sse4.2") != 0;
    case Feature::sse4a: return __builtin_cpu_supports("sse4a") != 0;
    case Feature::avx: return __builtin_cpu_supports("avx") != 0;
    case Feature::avx2: return __builtin_cpu_supports("avx2") != 0;
    case Feature::fma: return __builtin_cpu_supports("fma") != 0;
    case Feature::f16c: return __builtin_cpu_supports("f16c") != 0;
    case Feature::aes: return __builtin_cpu_supports("aes") != 0 && row.at.encoding == Encoding::legacy;
    case Feature::pclmulqdq: return __builtin_cpu_supports("pclmul") != 0 && row.at.encoding == Encoding::legacy;
    default: return row.at.encoding == Encoding::legacy && row.feature <= Feature::sse2;
    }
}
#endif

} // namespace glassbox::sse_test
