// Constants, and F2XM1, FYL2X, FYL2XP1, FPATAN, FPTAN, FSIN, FCOS, FSINCOS (SDM 2).
#include "cpu/fpu/exec.hpp"
#include "cpu/fpu/softfloat/x87.hpp"

namespace glassbox::x87 {

namespace {

using enum Arg;
using softfloat::Constant;
using softfloat::Trigonometric;

template <Constant which> struct LoadConstant {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        clear_c1(cpu);
        push_or_fault(cpu, op, softfloat::constant(cpu.fpu.float_env().rounding, which));
        return true;
    }
};

struct Exp2Minus1 {
    static constexpr OpInfo info{"f2xm1"};
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        FpuState& f = cpu.fpu;
        if (f.empty(0)) {
            if (stack_underflow(cpu, op)) f.set_st(0, indefinite());
            return true;
        }
        FloatEnv env = f.float_env();
        const F80 result = softfloat::exp2_minus_1(env, f.st(0));
        if (settle(cpu, op, env)) f.set_st(0, result);
        return true;
    }
};

/// ST(1) = function(ST(1), ST(0)), then pop.
template <F80 (*function)(FloatEnv&, F80, F80)> struct TwoToOne {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        FpuState& f = cpu.fpu;
        if (f.empty(0) || f.empty(1)) {
            if (!stack_underflow(cpu, op)) return true;
            f.set_st(1, indefinite());
        } else {
            FloatEnv env = f.float_env();
            const F80 result = function(env, f.st(1), f.st(0));
            if (!settle(cpu, op, env)) return true;
            f.set_st(1, result);
        }
        f.pop();
        return true;
    }
};

void set_c2(Cpu& cpu, bool value) {
    cpu.fpu.status = static_cast<u16>((cpu.fpu.status & ~FpuState::c2) | (value ? FpuState::c2 : 0));
}

/// FSIN, FCOS: one result in the place of the operand.
template <Trigonometric (*function)(FloatEnv&, F80)> struct OneAngle {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        FpuState& f = cpu.fpu;
        if (f.empty(0)) {
            set_c2(cpu, false);
            if (stack_underflow(cpu, op)) f.set_st(0, indefinite());
            return true;
        }
        FloatEnv env = f.float_env();
        const Trigonometric t = function(env, f.st(0));
        set_c2(cpu, t.out_of_range);
        if (settle(cpu, op, env) && !t.out_of_range) f.set_st(0, t.first);
        return true;
    }
};

/// FSINCOS, FPTAN: the first result replaces the operand, the second is pushed.
template <Trigonometric (*function)(FloatEnv&, F80)> struct TwoResults {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        FpuState& f = cpu.fpu;
        const bool underflow = f.empty(0);
        if (underflow || !f.empty(7)) {
            set_c2(cpu, false);
            if (!stack_fault(cpu, op, !underflow)) return true;
            f.set_st(0, indefinite());
            f.push(indefinite());
            return true;
        }
        FloatEnv env = f.float_env();
        const Trigonometric t = function(env, f.st(0));
        set_c2(cpu, t.out_of_range);
        if (!settle(cpu, op, env) || t.out_of_range) return true;
        f.set_st(0, t.first);
        f.push(t.second);
        return true;
    }
};

constexpr OpInfo fld1{"fld1"}, fldl2t{"fldl2t"}, fldl2e{"fldl2e"}, fldpi{"fldpi"}, fldlg2{"fldlg2"}, fldln2{"fldln2"},
    fldz{"fldz"};
constexpr OpInfo fyl2x{"fyl2x"}, fyl2xp1{"fyl2xp1"}, fpatan{"fpatan"}, fptan{"fptan"}, fsin{"fsin"}, fcos{"fcos"},
    fsincos{"fsincos"};

constexpr std::array rows = {
    on_registers<LoadConstant<Constant::one>>(fld1, at(0xD9).digit(5).rm(0), {ST0}),
    on_registers<LoadConstant<Constant::log2_10>>(fldl2t, at(0xD9).digit(5).rm(1), {ST0}),
    on_registers<LoadConstant<Constant::log2_e>>(fldl2e, at(0xD9).digit(5).rm(2), {ST0}),
    on_registers<LoadConstant<Constant::pi>>(fldpi, at(0xD9).digit(5).rm(3), {ST0}),
    on_registers<LoadConstant<Constant::log10_2>>(fldlg2, at(0xD9).digit(5).rm(4), {ST0}),
    on_registers<LoadConstant<Constant::ln_2>>(fldln2, at(0xD9).digit(5).rm(5), {ST0}),
    on_registers<LoadConstant<Constant::zero>>(fldz, at(0xD9).digit(5).rm(6), {ST0}),
    on_registers<Exp2Minus1>(Exp2Minus1::info, at(0xD9).digit(6).rm(0), {ST0}),
    on_registers<TwoToOne<softfloat::y_log2_x>>(fyl2x, at(0xD9).digit(6).rm(1), {ST0}),
    on_registers<TwoResults<softfloat::tangent>>(fptan, at(0xD9).digit(6).rm(2), {ST0}),
    on_registers<TwoToOne<softfloat::arctangent>>(fpatan, at(0xD9).digit(6).rm(3), {ST0}),
    on_registers<TwoToOne<softfloat::y_log2_x_plus_1>>(fyl2xp1, at(0xD9).digit(7).rm(1), {ST0}),
    on_registers<TwoResults<softfloat::sine_cosine>>(fsincos, at(0xD9).digit(7).rm(3), {ST0}),
    on_registers<OneAngle<softfloat::sine>>(fsin, at(0xD9).digit(7).rm(6), {ST0}),
    on_registers<OneAngle<softfloat::cosine>>(fcos, at(0xD9).digit(7).rm(7), {ST0}),
};

} // namespace

std::span<const Row> transcendental_rows() { return rows; }

} // namespace glassbox::x87
