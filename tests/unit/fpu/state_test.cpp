// The x87 registers: stack, tags, control and status words, and every memory image byte for byte.
#include "cpu/fpu/state.hpp"
#include "host.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace glassbox;
using softfloat::F80;

namespace {

constexpr F80 one{u64{1} << 63, 0x3fff};

u16 word(const std::vector<u8>& v, std::size_t at) { return static_cast<u16>(v[at] | v[at + 1] << 8); }
u32 dword(const std::vector<u8>& v, std::size_t at) { return word(v, at) | u32{word(v, at + 2)} << 16; }

FpuState sample() {
    FpuState s;
    s.init();
    s.push(F80{0, 0x8000});
    s.push(F80{u64{3} << 62, 0x7fff});
    s.push(one);
    s.set_control(0x027e); // IE unmasked
    s.status = 0x4700 | 0x21;
    s.instruction_pointer = 0x0012'3456;
    s.instruction_selector = 0x0023;
    s.data_pointer = 0x89ab'cdef;
    s.data_selector = 0x002b;
    s.opcode = 0x5a5;
    return s;
}

} // namespace

TEST_CASE("power-up and FNINIT") {
    FpuState s;
    s.reset();
    CHECK(s.control == 0x0040);
    CHECK(s.status_word() == 0);
    CHECK(s.tag_word() == 0x5555);
    s.init();
    CHECK(s.control == 0x037f);
    CHECK(s.tag_word() == 0xffff);
}

TEST_CASE("the stack turns and tags follow the contents") {
    FpuState s = sample();
    CHECK(s.top == 5);
    CHECK(s.st(0) == one);
    CHECK(s.tag_word() == 0x63ff); // R5 valid, R6 special, R7 zero
    s.pop();
    CHECK(s.empty(7));
    CHECK(s.tag_word() == 0x6fff);
    s.set_tag_word(0x0000);
    CHECK(s.valid == 0xff);
    CHECK((s.tag_word() >> 14) == 1); // the written value is not kept: it follows from the register
}

TEST_CASE("ES and B follow exceptions and masks") {
    FpuState s = sample();
    CHECK(s.pending());
    CHECK(s.status_word() == (0x4700 | 0x21 | 5 << 11 | 0x8080));
    s.set_control(0x037f);
    CHECK_FALSE(s.pending());
    CHECK((s.status_word() & 0x8080) == 0);
    s.set_control(0xffff);
    CHECK(s.control == 0x1f7f);
    const softfloat::FloatEnv env = s.float_env();
    CHECK(env.rounding == softfloat::Rounding::truncate);
    CHECK(env.precision == 64);
}

TEST_CASE("the environment in its four formats") {
    const FpuState s = sample();
    std::vector<u8> out(28);
    s.store_environment(out, {.wide = true, .protected_mode = true});
    CHECK(dword(out, 0) == 0xffff027e);
    CHECK(dword(out, 4) == (0xffff0000u | s.status_word()));
    CHECK(dword(out, 8) == 0xffff63ff);
    CHECK(dword(out, 12) == 0x00123456);
    CHECK(dword(out, 16) == 0x05a50023);
    CHECK(dword(out, 20) == 0x89abcdef);
    CHECK(dword(out, 24) == 0xffff002b);

    s.store_environment(out, {.wide = true, .protected_mode = false});
    CHECK(dword(out, 12) == 0xffff3686); // 0x123456 + 0x230
    CHECK(dword(out, 16) == (0x12u << 12 | 0x5a5));
    CHECK(dword(out, 20) == 0xffffd09f); // 0x89abcdef + 0x2b0
    CHECK(dword(out, 24) == 0x89abu << 12);

    out.assign(14, 0);
    s.store_environment(out, {.wide = false, .protected_mode = true});
    CHECK(word(out, 0) == 0x027e);
    CHECK(word(out, 4) == 0x63ff);
    CHECK(word(out, 6) == 0x3456);
    CHECK(word(out, 8) == 0x0023);
    CHECK(word(out, 10) == 0xcdef);
    CHECK(word(out, 12) == 0x002b);

    s.store_environment(out, {.wide = false, .protected_mode = false});
    CHECK(word(out, 6) == 0x3686);
    CHECK(word(out, 8) == (0x2000 | 0x5a5)); // linear bits 19-16 on top
    CHECK(word(out, 10) == 0xd09f);
    CHECK(word(out, 12) == 0xb000);
}

TEST_CASE("what FSTENV and FSAVE store, FLDENV and FRSTOR bring back") {
    const FpuState s = sample();
    for (const bool wide : {false, true}) {
        for (const bool is_protected : {false, true}) {
            const FpuImageFormat format{wide, is_protected};
            std::vector<u8> image(format.state_size()), again(format.state_size());
            CHECK(image.size() == (wide ? 108 : 94));
            s.store_state(image, format);
            FpuState t;
            t.load_state(image, format);
            t.store_state(again, format);
            if (wide || !is_protected) {
                CHECK(image == again);
            }
            CHECK(t.st(0) == s.st(0));
            CHECK(t.st(2) == s.st(2));
            CHECK(t.valid == s.valid);
            CHECK(t.status_word() == s.status_word());
        }
    }
}

TEST_CASE("the x87 part of FXSAVE") {
    const FpuState s = sample();
    std::vector<u8> out(512, 0xcc);
    s.store_fx(out);
    CHECK(word(out, 0) == 0x027e);
    CHECK(out[4] == 0xe0);
    CHECK(word(out, 6) == 0x5a5);
    CHECK(dword(out, 8) == 0x00123456);
    CHECK(dword(out, 12) == 0x23);
    CHECK(dword(out, 16) == 0x89abcdef);
    CHECK(dword(out, 20) == 0x2b);
    CHECK(dword(out, 24) == 0xcccccccc); // MXCSR is not ours
    CHECK(word(out, 40) == 0x3fff);      // ST(0)
    CHECK(dword(out, 160) == 0xcccccccc);
    FpuState t;
    t.load_fx(out);
    std::vector<u8> again(512, 0xcc);
    t.store_fx(again);
    CHECK(out == again);
}

TEST_CASE("MMX registers are the significands of the physical registers") {
    FpuState s = sample();
    s.enter_mmx();
    s.set_mmx(3, 0x1122334455667788);
    CHECK(s.top == 0);
    CHECK(s.st(3) == F80{0x1122334455667788, 0xffff});
    CHECK(s.mmx(5) == u64{1} << 63);
    s.emms();
    CHECK(s.tag_word() == 0xffff);
}

TEST_CASE("a snapshot keeps the state and refuses nonsense") {
    FpuState s = sample();
    Archive save = Archive::saver();
    save(s);
    FpuState t;
    Archive load = Archive::loader(save.bytes());
    load(t);
    CHECK(load.ok());
    std::vector<u8> a(512), b(512);
    s.store_fx(a);
    t.store_fx(b);
    CHECK(a == b);

    s.top = 9;
    Archive bad = Archive::saver();
    bad(s);
    Archive refuse = Archive::loader(bad.bytes());
    refuse(t);
    CHECK_FALSE(refuse.ok());
}
