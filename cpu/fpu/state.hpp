// The x87 unit's registers (SDM 1, chapter 8): the stack as physical registers, control, status and tags, the pointers
// to the last instruction and its operand, and the memory images of FNSTENV, FNSAVE and FXSAVE. The MMX registers are
// the significands of the same physical registers.
#pragma once

#include "bus/archive.hpp"
#include "bus/types.hpp"
#include "cpu/fpu/softfloat/values.hpp"

#include <array>
#include <span>

namespace glassbox {

/// Layouts of the environment image (SDM 1, 8.1.10): 14 bytes with a 16-bit operand size, else 28.
struct FpuImageFormat {
    bool wide = true;           ///< 32-bit operand size
    bool protected_mode = true; ///< false in real-address and virtual-8086 mode: linear pointers
    constexpr std::size_t environment_size() const { return wide ? 28 : 14; }
    constexpr std::size_t state_size() const { return environment_size() + 80; }
};

struct FpuState {
    /// Bits of the status word.
    static constexpr u16 stack_fault = 0x40, summary = 0x80, c0 = 0x100, c1 = 0x200, c2 = 0x400, c3 = 0x4000,
                         busy = 0x8000, conditions = c0 | c1 | c2 | c3;
    static constexpr u16 control_after_init = 0x037f;

    /// A register by its physical number: ST(i) is physical (top + i) & 7, MMi is physical i.
    struct Register {
        u64 significand = 0;
        u16 sign_exponent = 0;
        void persist(Archive& archive) { archive(significand, sign_exponent); }
    };
    std::array<Register, 8> registers{};
    u16 control = 0x0040; ///< bit 6 always reads as one
    u16 status = 0;       ///< without TOP, ES and B: `status_word` adds them
    u8 top = 0;
    u8 valid = 0xff; ///< bit n: physical register n is not empty
    u64 instruction_pointer = 0;
    u64 data_pointer = 0;
    u16 instruction_selector = 0, data_selector = 0;
    u16 opcode = 0; ///< low three bits of the first byte, then the second byte: 11 bits

    /// Power-up and RESET (SDM 3A, table 9-1): zeros, all registers tagged as holding zero. INIT changes nothing.
    void reset() { *this = FpuState{}; }
    /// FNINIT.
    void init();

    // --- stack --------------------------------------------------------------------------------------------------
    unsigned physical(unsigned i) const { return (top + i) & 7; }
    bool empty(unsigned i) const { return !(valid >> physical(i) & 1); }
    softfloat::F80 st(unsigned i) const {
        const Register& r = registers[physical(i)];
        return {r.significand, r.sign_exponent};
    }
    /// Writes ST(i) and marks it valid.
    void set_st(unsigned i, softfloat::F80 value) {
        registers[physical(i)] = {value.significand, value.sign_exponent};
        valid = static_cast<u8>(valid | 1u << physical(i));
    }
    void mark_empty(unsigned i) { valid = static_cast<u8>(valid & ~(1u << physical(i))); }
    void push(softfloat::F80 value) {
        top = (top - 1) & 7;
        set_st(0, value);
    }
    void pop() {
        mark_empty(0);
        top = (top + 1) & 7;
    }

    // --- control and status -------------------------------------------------------------------------------------
    u8 masks() const { return control & softfloat::flag::all; }
    /// An unmasked exception is pending: ES and B.
    bool pending() const { return (status & ~control & softfloat::flag::all) != 0; }
    u16 status_word() const { return static_cast<u16>(status | (top << 11) | (pending() ? summary | busy : 0)); }
    void set_status_word(u16 value) {
        status = value & (conditions | stack_fault | softfloat::flag::all);
        top = (value >> 11) & 7;
    }
    /// Bits 6, 7 and 13-15 are reserved; 6 reads as one. Infinity control (12) is stored and has no effect.
    void set_control(u16 value) { control = static_cast<u16>((value & 0x1f3f) | 0x40); }
    /// The tag word, computed from the contents: 0 valid, 1 zero, 2 special, 3 empty (SDM 1, 8.1.7).
    u16 tag_word() const;
    void set_tag_word(u16 value);
    /// The environment for an arithmetic operation under the current control word.
    softfloat::FloatEnv float_env() const {
        constexpr u8 precisions[4] = {24, 64, 53, 64}; // 01 is reserved: taken as extended
        return {.rounding = static_cast<softfloat::Rounding>((control >> 10) & 3),
                .precision = precisions[(control >> 8) & 3],
                .masks = masks()};
    }

    // --- MMX ----------------------------------------------------------------------------------------------------
    u64 mmx(unsigned i) const { return registers[i & 7].significand; }
    /// Writes MMi: exponent and sign become ones (SDM 1, 9.5.1). Call `enter_mmx` too.
    void set_mmx(unsigned i, u64 value) { registers[i & 7] = {value, 0xffff}; }
    /// What every MMX instruction but EMMS does: TOP to 0, all tags valid.
    void enter_mmx() {
        top = 0;
        valid = 0xff;
    }
    /// TOP becomes 0 with it, as with all others (SDM 3A, table 12-3).
    void emms() {
        top = 0;
        valid = 0;
    }

    // --- images -------------------------------------------------------------------------------------------------
    /// FNSTENV's image into format.environment_size() bytes; the caller then masks all exceptions (`control |= 0x3f`).
    void store_environment(std::span<u8> out, FpuImageFormat format) const;
    void load_environment(std::span<const u8> in, FpuImageFormat format);
    /// FNSAVE's image into format.state_size() bytes; the caller then calls `init`.
    void store_state(std::span<u8> out, FpuImageFormat format) const;
    void load_state(std::span<const u8> in, FpuImageFormat format);
    /// The x87 part of FXSAVE's 512 bytes (SDM 1, 10.5): bytes 0-23 and 32-159; MXCSR and XMM are left alone.
    /// `wide_pointers` is FXSAVE64's form: 64-bit pointers instead of selector and offset.
    void store_fx(std::span<u8> out, bool wide_pointers = false) const;
    void load_fx(std::span<const u8> in, bool wide_pointers = false);

    void persist(Archive& archive);
};

} // namespace glassbox
