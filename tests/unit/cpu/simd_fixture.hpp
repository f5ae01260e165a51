// Runs vector instructions of 64-bit mode on the engine, and the very same bytes on the host where it is an x86-64 with
// AVX2: all sixteen YMM registers, MMX registers, four general registers, flags, and 96 bytes of memory at [RSI].
#pragma once

#include "ext_fixture.hpp"

#include "cpu/sse/exec.hpp"

#include <array>
#include <vector>

#if defined(__x86_64__) && defined(__linux__)
#define GLASSBOX_TEST_NATIVE_AVX 1
#include <csetjmp>
#include <csignal>
#include <sys/mman.h>
#endif

namespace glassbox::simd_test {

using Bytes = std::vector<u8>;

struct alignas(32) State {
    std::array<std::array<u64, 4>, 16> ymm{};
    std::array<u8, 96> memory{};
    std::array<u64, 8> mm{};
    std::array<u64, 4> gpr{}; ///< RAX, RCX, RDX, RBX
    u64 flags = 2;            ///< arithmetic flags
    u64 offset = 0;           ///< of RSI in `memory`
    i64 fault = -1;           ///< vector, or -1
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

struct Guest : ext_test::Guest {
    using ext_test::Guest::Guest;
    void run(const Bytes& bytes, State& s) {
        for (unsigned i = 0; i < 16; ++i) cpu.sse.set_ymm(i, std::bit_cast<Ymm>(s.ymm[i]));
        for (unsigned i = 0; i < 8; ++i) cpu.fpu.set_mmx(i, s.mm[i]);
        for (unsigned i = 0; i < 4; ++i) cpu.gpr[i] = s.gpr[i];
        std::memcpy(memory.ram().data() + data, s.memory.data(), s.memory.size());
        cpu.gpr[RSI] = data + s.offset;
        cpu.flags.load(static_cast<u32>(s.flags));
        s.fault = step(std::span(bytes));
        for (unsigned i = 0; i < 16; ++i) s.ymm[i] = std::bit_cast<std::array<u64, 4>>(cpu.sse.ymm(i));
        for (unsigned i = 0; i < 8; ++i) s.mm[i] = cpu.fpu.mmx(i);
        for (unsigned i = 0; i < 4; ++i) s.gpr[i] = cpu.gpr[i];
        std::memcpy(s.memory.data(), memory.ram().data() + data, s.memory.size());
        s.flags = s.fault < 0 ? cpu.flags.value() : s.flags & eflags::arithmetic;
    }
};

#if defined(GLASSBOX_TEST_NATIVE_AVX)
/// The host's processor; a fault arrives as a signal and leaves the state as it was.
class Native {
  public:
    Native() {
        if (!__builtin_cpu_supports("avx2")) return;
        void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) return;
        code_ = static_cast<u8*>(page);
        struct sigaction action{};
        action.sa_sigaction = [](int number, siginfo_t*, void*) { siglongjmp(resume(), number); };
        action.sa_flags = SA_SIGINFO | SA_NODEFER;
        for (unsigned i = 0; i < signals.size(); ++i) sigaction(signals[i], &action, &old_[i]);
    }
    ~Native() {
        if (!code_) return;
        for (unsigned i = 0; i < signals.size(); ++i) sigaction(signals[i], &old_[i], nullptr);
        munmap(code_, 4096);
    }
    Native(const Native&) = delete;
    Native& operator=(const Native&) = delete;
    bool usable() const { return code_ != nullptr; }

    void run(const Bytes& bytes, State& s) {
        std::memcpy(code_, bytes.data(), bytes.size());
        code_[bytes.size()] = 0xC3;
        const int number = sigsetjmp(resume(), 1);
        if (number == 0) {
            execute(s);
            s.fault = -1;
        } else {
            __asm__ volatile("emms\n vzeroupper");
            s.fault = number == SIGILL ? 6 : number == SIGFPE ? 19 : 13;
        }
        s.flags &= eflags::arithmetic;
    }

  private:
    static constexpr std::array<int, 4> signals = {SIGILL, SIGSEGV, SIGBUS, SIGFPE};
    static sigjmp_buf& resume() {
        static sigjmp_buf buffer;
        return buffer;
    }
    void execute(State& s) {
        struct Frame {
            State* state;
            void* code;
            u64 flags;
        } frame{&s, code_, (s.flags & eflags::arithmetic) | 2};
        // r12: the frame, r13: the state. Offsets: ymm 0, memory 512, mm 608, gpr 672, flags 704, offset 712.
        static_assert(offsetof(State, memory) == 512 && offsetof(State, mm) == 608 && offsetof(State, gpr) == 672 &&
                      offsetof(State, offset) == 712);
        __asm__ volatile("mov %[frame], %%r12\n mov (%%r12), %%r13\n"
                         "sub $256, %%rsp\n"
                         "vmovups (%%r13), %%ymm0\n vmovups 32(%%r13), %%ymm1\n vmovups 64(%%r13), %%ymm2\n"
                         "vmovups 96(%%r13), %%ymm3\n vmovups 128(%%r13), %%ymm4\n vmovups 160(%%r13), %%ymm5\n"
                         "vmovups 192(%%r13), %%ymm6\n vmovups 224(%%r13), %%ymm7\n vmovups 256(%%r13), %%ymm8\n"
                         "vmovups 288(%%r13), %%ymm9\n vmovups 320(%%r13), %%ymm10\n vmovups 352(%%r13), %%ymm11\n"
                         "vmovups 384(%%r13), %%ymm12\n vmovups 416(%%r13), %%ymm13\n vmovups 448(%%r13), %%ymm14\n"
                         "vmovups 480(%%r13), %%ymm15\n"
                         "movq 608(%%r13), %%mm0\n movq 616(%%r13), %%mm1\n movq 624(%%r13), %%mm2\n"
                         "movq 632(%%r13), %%mm3\n movq 640(%%r13), %%mm4\n movq 648(%%r13), %%mm5\n"
                         "movq 656(%%r13), %%mm6\n movq 664(%%r13), %%mm7\n"
                         "push 16(%%r12)\n popfq\n"
                         "mov 672(%%r13), %%rax\n mov 680(%%r13), %%rcx\n mov 688(%%r13), %%rdx\n"
                         "mov 696(%%r13), %%rbx\n lea 512(%%r13), %%rsi\n mov 712(%%r13), %%rdi\n"
                         "lea (%%rsi,%%rdi), %%rsi\n"
                         "call *8(%%r12)\n"
                         "pushfq\n pop 16(%%r12)\n"
                         "mov %%rax, 672(%%r13)\n mov %%rcx, 680(%%r13)\n mov %%rdx, 688(%%r13)\n"
                         "mov %%rbx, 696(%%r13)\n"
                         "vmovups %%ymm0, (%%r13)\n vmovups %%ymm1, 32(%%r13)\n vmovups %%ymm2, 64(%%r13)\n"
                         "vmovups %%ymm3, 96(%%r13)\n vmovups %%ymm4, 128(%%r13)\n vmovups %%ymm5, 160(%%r13)\n"
                         "vmovups %%ymm6, 192(%%r13)\n vmovups %%ymm7, 224(%%r13)\n vmovups %%ymm8, 256(%%r13)\n"
                         "vmovups %%ymm9, 288(%%r13)\n vmovups %%ymm10, 320(%%r13)\n vmovups %%ymm11, 352(%%r13)\n"
                         "vmovups %%ymm12, 384(%%r13)\n vmovups %%ymm13, 416(%%r13)\n vmovups %%ymm14, 448(%%r13)\n"
                         "vmovups %%ymm15, 480(%%r13)\n"
                         "movq %%mm0, 608(%%r13)\n movq %%mm1, 616(%%r13)\n movq %%mm2, 624(%%r13)\n"
                         "movq %%mm3, 632(%%r13)\n movq %%mm4, 640(%%r13)\n movq %%mm5, 648(%%r13)\n"
                         "movq %%mm6, 656(%%r13)\n movq %%mm7, 664(%%r13)\n"
                         "emms\n vzeroupper\n add $256, %%rsp\n"
                         :
                         : [frame] "r"(&frame)
                         : "rax", "rcx", "rdx", "rbx", "rsi", "rdi", "r12", "r13", "xmm0", "xmm1", "xmm2", "xmm3",
                           "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                           "xmm15", "memory", "cc");
        s.flags = frame.flags;
    }
    u8* code_ = nullptr;
    std::array<struct sigaction, 4> old_{};
};
#endif

// --- encoding -------------------------------------------------------------------------------------------------------
inline bool has_arg(const Row& row, std::initializer_list<Arg> list) {
    for (const Arg a : row.args) {
        for (const Arg b : list) {
            if (a == b) return true;
        }
    }
    return false;
}

enum class Place : u8 { reg, rsi, fs_rsi, rip }; ///< of the r/m operand

struct Form {
    Place place = Place::reg;
    unsigned reg = 1, vvvv = 3, rm = 2;
    bool w = false, l = false;
    std::array<u8, 2> imm{};
    i32 rip = 0;                   ///< from the instruction's first byte
    unsigned vsib = 16, scale = 0; ///< number of the index register; 16: none
};

/// The bytes of a row's instruction in 64-bit mode.
inline Bytes encode(const Row& row, Form f) {
    using enum Arg;
    Bytes bytes;
    if (row.at.w_ >= 0) f.w = row.at.w_ != 0;
    if (row.at.l_ >= 0) f.l = row.at.l_ != 0;
    if (row.at.digit_ >= 0) f.reg = static_cast<unsigned>(row.at.digit_);
    if (f.place != Place::reg) f.rm = f.place == Place::rip ? 5 : f.vsib < 16 ? 4 : 6;
    const u8 prefix = row.at.mandatory == Mandatory::p66   ? 0x66
                      : row.at.mandatory == Mandatory::pF3 ? 0xF3
                      : row.at.mandatory == Mandatory::pF2 ? 0xF2
                                                           : 0;
    if (f.place == Place::fs_rsi) bytes.push_back(0x64);
    const unsigned r = f.reg >> 3, b = f.place == Place::reg ? f.rm >> 3 : 0, x = f.vsib < 16 ? f.vsib >> 3 : 0;
    if (row.at.encoding == Encoding::vex) {
        const unsigned pp = prefix == 0x66 ? 1 : prefix == 0xF3 ? 2 : prefix == 0xF2 ? 3 : 0;
        const unsigned vvvv = has_arg(row, {Hx, Hdq, Hqq, By}) ? f.vvvv : 0;
        const unsigned low = (~vvvv & 15) << 3 | (f.l ? 4u : 0) | pp;
        if (row.at.map == 1 && !f.w && !b && !x) {
            bytes.insert(bytes.end(), {0xC5, static_cast<u8>((r ^ 1) << 7 | low)});
        } else {
            bytes.insert(bytes.end(), {0xC4, static_cast<u8>((r ^ 1) << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | row.at.map),
                                       static_cast<u8>((f.w ? 0x80u : 0) | low)});
        }
    } else {
        if (prefix) bytes.push_back(prefix);
        const u8 rex = static_cast<u8>(0x40 | (f.w ? 8u : 0) | r << 2 | b);
        if (rex != 0x40) bytes.push_back(rex);
        bytes.push_back(0x0F);
        if (row.at.map > 1) bytes.push_back(row.at.map == 2 ? 0x38 : 0x3A);
    }
    bytes.push_back(row.at.opcode);
    const unsigned mod = f.place == Place::reg ? 0xC0 : 0;
    bytes.push_back(static_cast<u8>(mod | (f.reg & 7) << 3 | (f.rm & 7)));
    if (f.vsib < 16) bytes.push_back(static_cast<u8>(f.scale << 6 | (f.vsib & 7) << 3 | 6));
    const auto at_rip = bytes.size();
    if (f.place == Place::rip) bytes.resize(bytes.size() + 4);
    unsigned immediates = 0;
    for (const Arg a : row.args) {
        if (a == Ib || a == Lx || a == Ldq) bytes.push_back(f.imm[immediates++]);
    }
    if (f.place == Place::rip) {
        const i32 disp = f.rip - static_cast<i32>(bytes.size());
        std::memcpy(bytes.data() + at_rip, &disp, 4);
    }
    return bytes;
}

} // namespace glassbox::simd_test
