// Unmasked SSE exceptions against the host: which instructions trap, and which flags MXCSR then shows. The host
// delivers them as SIGFPE with MXCSR in the signal frame; only on x86-64 Linux.
#include "cpu/fpu/softfloat/arith.hpp"
#include "cpu/fpu/softfloat/compare.hpp"
#include "cpu/fpu/softfloat/convert.hpp"
#include "host.hpp"
#include "operands.hpp"

#include <doctest/doctest.h>

#if defined(__x86_64__) && defined(__linux__)

#include <csetjmp>
#include <csignal>
#include <string>
#include <type_traits>
#include <ucontext.h>

using namespace glassbox;
using namespace glassbox::softfloat;

namespace {

// A signal handler reaches nothing but statics.
sigjmp_buf resume;
volatile u32 trapped_mxcsr;

void on_sigfpe(int, siginfo_t*, void* context) {
    trapped_mxcsr = static_cast<ucontext_t*>(context)->uc_mcontext.fpregs->mxcsr;
    siglongjmp(resume, 1);
}

class TrapScope {
  public:
    TrapScope() {
        struct sigaction action{};
        action.sa_sigaction = on_sigfpe;
        action.sa_flags = SA_SIGINFO | SA_NODEFER;
        sigaction(SIGFPE, &action, &old_);
    }
    ~TrapScope() { sigaction(SIGFPE, &old_, nullptr); }
    TrapScope(const TrapScope&) = delete;
    TrapScope& operator=(const TrapScope&) = delete;

  private:
    struct sigaction old_{};
};

/// Runs the instruction; returns MXCSR after it, or at its trap.
[[gnu::noinline]] u32 mxcsr_after(const host::Code& code, host::Frame& frame) {
    if (sigsetjmp(resume, 0) != 0) return trapped_mxcsr;
    code.run(frame);
    return frame.mxcsr;
}

template <class T, class Ours>
void flags_against_host(const std::string& name, std::initializer_list<u8> instruction, Ours ours) {
    const TrapScope scope;
    const host::Code code(host::Code::Unit::sse, instruction);
    Operands random(name.size() + 41);
    int different = 0;
    for (int i = 0; i < 10000; ++i) {
        T a, b;
        if constexpr (std::is_same_v<T, F32>) {
            a = random.narrow();
            b = random.narrow();
        } else {
            a = random.wide();
            b = random.wide();
        }
        const u32 masks = random.below(64), mode = random.below(4);
        const bool flush = random.below(4) == 0, null = random.below(4) == 0;
        FloatEnv env{.rounding = static_cast<Rounding>(mode),
                     .masks = static_cast<u8>(masks),
                     .denormals_are_zero = null,
                     .flush_to_zero = flush};
        ours(env, a, b);
        host::Frame frame;
        frame.mxcsr = masks << 7 | mode << 13 | (flush ? 0x8000 : 0) | (null ? 0x40 : 0);
        std::memcpy(frame.a, &a, sizeof a);
        std::memcpy(frame.b, &b, sizeof b);
        if ((mxcsr_after(code, frame) & 0x3f) != env.flags) ++different;
    }
    CHECK_MESSAGE(different == 0, name);
}

template <class T> void all_operations(u8 prefix) {
    const auto op = [&](const char* name, u8 code, auto ours) {
        flags_against_host<T>(name, {prefix, 0x0f, code, 0xc1}, ours);
    };
    op("add", 0x58, [](FloatEnv& e, T a, T b) { add<T>(e, a, b); });
    op("sub", 0x5c, [](FloatEnv& e, T a, T b) { subtract<T>(e, a, b); });
    op("mul", 0x59, [](FloatEnv& e, T a, T b) { multiply<T>(e, a, b); });
    op("div", 0x5e, [](FloatEnv& e, T a, T b) { divide<T>(e, a, b); });
    op("min", 0x5d, [](FloatEnv& e, T a, T b) { minimum<T>(e, a, b); });
    op("sqrt", 0x51, [](FloatEnv& e, T, T b) { square_root<T>(e, b); });
    op("cvt2si", 0x2d, [](FloatEnv& e, T, T b) { to_integer<i32, T>(e, b, e.rounding); });
}

} // namespace

TEST_CASE("unmasked SSE exceptions leave the host's flags") {
    all_operations<F32>(0xf3);
    all_operations<F64>(0xf2);
    flags_against_host<F64>("cvtsd2ss", {0xf2, 0x0f, 0x5a, 0xc1}, [](FloatEnv& e, F64, F64 b) { convert<F32>(e, b); });
    flags_against_host<F32>("cvtss2sd", {0xf3, 0x0f, 0x5a, 0xc1}, [](FloatEnv& e, F32, F32 b) { convert<F64>(e, b); });
}

#endif
