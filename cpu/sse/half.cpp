// F16C: half precision in memory and registers (SDM 1, 14.4; SDM 2, VCVTPH2PS and VCVTPS2PH).
#include "cpu/sse/float.hpp"

#include "cpu/fpu/softfloat/half.hpp"

namespace glassbox::sse {

namespace {

using enum Arg;
using softfloat::F16;

/// Halves are half a register: 8 bytes, or an XMM register's.
template <class File> using Halves = std::array<F16, File::bytes / 4>;
template <class File> using Singles = std::array<F32, File::bytes / 4>;

/// Four halves by the host: their bits, moved up, are the single 2^112 times too small. False for infinities and NaN.
inline bool widen_four(const F16* from, F32* to) {
    typedef u16 Four __attribute__((vector_size(8)));
    using Bits4 = Vector<u32>;
    Four halves;
    std::memcpy(&halves, static_cast<const void*>(from), sizeof halves);
    const Bits4 bits = __builtin_convertvector(halves, Bits4), magnitude = bits & 0x7FFF;
    constexpr float scale = 5192296858534827628530496329220096.0f; // 2^112
    const auto scaled = std::bit_cast<Vector<float>>(magnitude << 13) * scale;
    const Bits4 result = std::bit_cast<Bits4>(scaled) | (bits & 0x8000) << 16;
    std::memcpy(static_cast<void*>(to), &result, sizeof result);
    return all_lanes(std::bit_cast<Vector<i32>>(magnitude) < 0x7C00);
}
template <class File> struct FromHalves {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const FastOp& op, Flags&)
            requires TriedFirst<Source>
        {
            if constexpr (!host_is_exact) return false;
            std::conditional_t<File::bytes == 16, u64, Xmm> source;
            if (!ready_at_once<File>(cpu)) return false;
            if constexpr (File::bytes == 16) {
                if (!try_low<u64, Source>(cpu, op, source)) return false;
            } else {
                if (!try_source<V128, Source>(cpu, op, source)) return false;
            }
            const auto halves = std::bit_cast<Halves<File>>(source);
            Singles<File> r;
            for (std::size_t i = 0; i < r.size(); i += 4) {
                if (!widen_four(&halves[i], &r[i])) return false;
            }
            File::set(cpu, op.reg, std::bit_cast<typename File::Value>(r));
            return true;
        }
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            std::conditional_t<File::bytes == 16, u64, Xmm> source;
            if (!avx_ready(cpu)) return false;
            if constexpr (File::bytes == 16) {
                if (!fetch_low<u64, Source>(cpu, op, source)) return false;
            } else {
                if (!V128::template source<Source>(cpu, op, source)) return false;
            }
            const auto halves = std::bit_cast<Halves<File>>(source);
            Singles<File> r;
            FloatEnv env = float_env(cpu.sse.mxcsr);
            for (std::size_t i = 0; i < r.size(); ++i) r[i] = softfloat::from_half(env, halves[i]);
            if (!settle(cpu, env)) return false;
            File::set(cpu, op.reg, std::bit_cast<typename File::Value>(r));
            return true;
        }
    };
};

/// The destination is the r/m operand; imm8[2] chooses MXCSR.RC, else imm8[1:0] is the mode.
template <class File> struct ToHalves {
    template <class Destination> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            if (!avx_ready(cpu)) return false;
            const auto singles = std::bit_cast<Singles<File>>(File::get(cpu, op.reg));
            const auto imm = static_cast<u8>(Destination::immediate(op));
            FloatEnv env = float_env(cpu.sse.mxcsr);
            const auto mode = (imm & 4) ? env.rounding : static_cast<softfloat::Rounding>(imm & 3);
            Halves<File> halves;
            for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = softfloat::to_half(env, singles[i], mode);
            // A page fault of the destination comes before the exception that keeps it from being written.
            if (env.flags & ~env.masks) return writable<Destination>(cpu, op) && settle(cpu, env);
            if (!put_halves<Destination>(cpu, op, halves)) return false;
            return settle(cpu, env);
        }
    };
    template <class Destination> static bool writable(Cpu& cpu, const Op& op) {
        if constexpr (in_register<Destination>) {
            return true;
        } else {
            constexpr unsigned size = File::bytes / 2;
            u64 linear = 0;
            return Destination::write(cpu, op, size, linear) && probe_write(cpu, linear, size, Privilege::current, &op);
        }
    }
    template <class Destination> static bool put_halves(Cpu& cpu, const Op& op, const Halves<File>& halves) {
        if constexpr (in_register<Destination>) {
            Xmm value{};
            std::memcpy(static_cast<void*>(&value), static_cast<const void*>(&halves), sizeof halves);
            V128::set(cpu, op.base, value);
            return true;
        } else if constexpr (File::bytes == 16) {
            return put<u64, Destination>(cpu, op, std::bit_cast<u64>(halves));
        } else {
            return put_vector<Alignment::free, Destination>(cpu, op, std::bit_cast<Xmm>(halves));
        }
    }
};

constexpr At to_single = at(0x0F3813).p66().vex().w(0), to_half = at(0x0F3A1D).p66().vex().w(0);
constexpr std::array rows = {
    row<FromHalves<V128>::Body>(info_of<"vcvtph2ps">, to_single.l(0), {Vx, Wh}, Feature::f16c),
    row<FromHalves<V256>::Body>(info_of<"vcvtph2ps">, to_single.l(1), {Vx, Wh}, Feature::f16c),
    row<ToHalves<V128>::Body>(info_of<"vcvtps2ph">, to_half.l(0), {Wh, Vx, Ib}, Feature::f16c),
    row<ToHalves<V256>::Body>(info_of<"vcvtps2ph">, to_half.l(1), {Wh, Vx, Ib}, Feature::f16c),
};

} // namespace

std::span<const Row> half_rows() { return rows; }

} // namespace glassbox::sse
