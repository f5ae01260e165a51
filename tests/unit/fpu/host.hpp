// The host's own x87 and SSE units as an oracle: a test hands over the bytes of an instruction, its operands and its
// control word, and gets back what the hardware made of them. Only on x86-64 hosts with a POSIX system; elsewhere
// `available` is false and the tests that need it have nothing to compare with.
#pragma once

#include "cpu/fpu/softfloat/values.hpp"

#include <cstring>
#include <initializer_list>
#include <stdexcept>

#if defined(__x86_64__) && defined(__unix__)
#include <sys/mman.h>
#define GLASSBOX_HOST_FPU 1
#endif

namespace glassbox::host {

#ifdef GLASSBOX_HOST_FPU
inline constexpr bool available = true;
#else
inline constexpr bool available = false;
#endif

/// What the generated code reads and writes, at fixed offsets from RDI.
struct alignas(16) Frame {
    u16 control = 0;           // 0
    u16 status = 0;            // 2
    u16 quiet_control = 0x37f; // 4
    u8 gap0[2]{};
    u32 mxcsr = 0x1f80;       // 8
    u32 quiet_mxcsr = 0x1f80; // 12
    u8 a[16]{};               // 16: ST(0), XMM0
    u8 b[16]{};               // 32: ST(1), XMM1
    u8 out0[16]{};            // 48
    u8 out1[16]{};            // 64
    u8 memory[16]{};          // 80: the instruction's memory operand
    u64 rax = 0;              // 96
};
inline constexpr u8 memory_operand = 80; ///< displacement from RDI

inline softfloat::F80 get80(const u8* p) {
    softfloat::F80 v;
    std::memcpy(&v.significand, p, 8);
    std::memcpy(&v.sign_exponent, p + 8, 2);
    return v;
}
inline void put80(u8* p, softfloat::F80 v) {
    std::memcpy(p, &v.significand, 8);
    std::memcpy(p + 8, &v.sign_exponent, 2);
}

/// One instruction between a prologue and an epilogue, as a callable page of code.
class Code {
  public:
    enum class Unit { x87, sse };
    Code(Unit unit, std::initializer_list<u8> instruction) {
#ifdef GLASSBOX_HOST_FPU
        page_ = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page_ == MAP_FAILED) throw std::runtime_error("no memory for host code");
        if (unit == Unit::x87) {
            // fninit; fld tbyte [b]; fld tbyte [a]; fldcw [control]
            emit({0xdb, 0xe3, 0xdb, 0x6f, 32, 0xdb, 0x6f, 16, 0xd9, 0x6f, 0});
            emit(instruction);
            // fnstsw [status]; fnclex; fldcw [quiet]; fstp tbyte [out0]; fstp tbyte [out1]; fninit; ret
            emit({0xdd, 0x7f, 2, 0xdb, 0xe2, 0xd9, 0x6f, 4, 0xdb, 0x7f, 48, 0xdb, 0x7f, 64, 0xdb, 0xe3, 0xc3});
        } else {
            // ldmxcsr [mxcsr]; movups xmm0, [a]; movups xmm1, [b]
            emit({0x0f, 0xae, 0x57, 8, 0x0f, 0x10, 0x47, 16, 0x0f, 0x10, 0x4f, 32});
            emit(instruction);
            // stmxcsr [mxcsr]; movups [out0], xmm0; mov [rax], rax; ldmxcsr [quiet]; ret
            emit({0x0f, 0xae, 0x5f, 8, 0x0f, 0x11, 0x47, 48, 0x48, 0x89, 0x47, 96, 0x0f, 0xae, 0x57, 12, 0xc3});
        }
        mprotect(page_, size, PROT_READ | PROT_EXEC);
#else
        (void)unit;
        (void)instruction;
#endif
    }
    ~Code() {
#ifdef GLASSBOX_HOST_FPU
        munmap(page_, size);
#endif
    }
    Code(const Code&) = delete;
    Code& operator=(const Code&) = delete;

    void run(Frame& frame) const {
        void (*function)(Frame*) = nullptr;
        const u8* entry = static_cast<const u8*>(page_) + lead_in;
        std::memcpy(&function, &entry, sizeof function);
        function(&frame);
    }

  private:
    static constexpr std::size_t size = 4096;
    static constexpr std::size_t lead_in = 64; ///< a sanitizer looks at the bytes before a function it calls
    void emit(std::initializer_list<u8> bytes) {
        std::memcpy(static_cast<u8*>(page_) + used_, bytes.begin(), bytes.size());
        used_ += bytes.size();
    }
    void* page_ = nullptr;
    std::size_t used_ = lead_in;
};

} // namespace glassbox::host
