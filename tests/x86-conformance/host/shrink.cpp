#include "tests/x86-conformance/host/shrink.hpp"

#include "tests/x86-conformance/host/values.hpp"

#include <algorithm>
#include <cstring>

namespace glassbox::conformance::host {

namespace {

bool is_prefix(u8 b, bool code64) {
    if (code64 && (b & 0xF0) == 0x40) return true;
    constexpr u8 prefixes[] = {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3};
    return std::ranges::find(prefixes, b) != std::end(prefixes);
}

void drop_byte(Input& in, unsigned at) {
    std::copy(in.code.begin() + at + 1, in.code.end(), in.code.begin() + at);
    --in.code_size;
}

class Shrinker {
  public:
    Shrinker(const Input& in, Kind kind, const Judge& judge) : best_(in), kind_(kind), judge_(judge) {}
    Input run() {
        bool better = true;
        for (unsigned round = 0; better && round < 4; ++round) {
            better = prefixes();
            better |= state();
            better |= registers();
            better |= memory();
        }
        return best_;
    }

  private:
    bool try_one(const Input& candidate) {
        if (tries_ >= most_tries || candidate == best_) return false;
        ++tries_;
        const auto list = judge_(candidate);
        if (list.empty() || list.front().kind != kind_) return false;
        best_ = candidate;
        return true;
    }
    template <class F> bool change(F&& f) {
        Input candidate = best_;
        f(candidate);
        return try_one(candidate);
    }
    bool prefixes() {
        bool any = false;
        for (unsigned i = 0; i < best_.code_size && is_prefix(best_.code[i], best_.before.code64());) {
            const bool done = change([&](Input& in) { drop_byte(in, i); });
            any = any || done;
            if (!done) ++i;
        }
        return any;
    }
    bool state() {
        bool any = change([](Input& in) { in.before.eflags = 0x202; });
        for (const u32 bit : {eflags::CF, eflags::PF, eflags::AF, eflags::ZF, eflags::SF, eflags::TF, eflags::DF,
                              eflags::OF, eflags::AC})
            any |= change([&](Input& in) { in.before.eflags &= ~bit; });
        any |= change([](Input& in) { quiet_units(in.before.fx); });
        for (unsigned i = 0; i < 8; ++i)
            any |= change([&](Input& in) { std::memset(in.before.fx.data() + fx_registers + 16 * i, 0, 16); });
        any |= change([](Input& in) { in.before.ymm = {}; });
        for (unsigned i = 0; i < 16; ++i) {
            any |= change([&](Input& in) { std::memset(in.before.fx.data() + fx_xmm + 16 * i, 0, 16); });
            any |= change([&](Input& in) { std::memset(in.before.ymm.data() + 16 * i, 0, 16); });
        }
        any |= change([](Input& in) { std::memcpy(in.before.fx.data() + fx_mxcsr, "\x80\x1F\0\0", 4); });
        any |= change([](Input& in) { std::memcpy(in.before.fx.data() + fx_control, "\x7F\x03", 2); });
        for (const SegmentName name : {DS, ES, FS, GS})
            any |= change([&](Input& in) { in.before.seg[name] = flat_data; });
        any |= change([](Input& in) { in.before.fs_base = 0; });
        any |= change([](Input& in) { in.before.gs_base = 0; });
        return any;
    }
    bool registers() {
        bool any = false;
        for (unsigned i = 0; i < 16; ++i) {
            any |= change([&](Input& in) { in.before.gpr[i] = 0; });
            for (const u64 mask : {u64{0xFFFF'FFFF}, u64{0xFFFF}, u64{0xFF}, ~u64{0xFF}})
                any |= change([&](Input& in) { in.before.gpr[i] &= mask; });
        }
        return any;
    }
    bool memory() {
        bool any = change([](Input& in) { in.fills = 0, in.bytes_used = 0; });
        for (unsigned at = 0; at < best_.bytes_used; at += 4) {
            const unsigned size = std::min(4u, best_.bytes_used - at);
            any |= change([&](Input& in) { std::memset(in.bytes.data() + at, 0, size); });
        }
        return any;
    }

    static constexpr unsigned most_tries = 600;
    Input best_;
    Kind kind_;
    const Judge& judge_;
    unsigned tries_ = 0;
};

} // namespace

Input shrink(const Input& in, Kind kind, const Judge& judge) { return Shrinker(in, kind, judge).run(); }

} // namespace glassbox::conformance::host
