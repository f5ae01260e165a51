// POPCNT, LZCNT, TZCNT, BMI1, BMI2, ADX, MOVBE and CRC32: the manual's definitions bit by bit, every row against the
// host's processor in 64-bit mode, and what earlier models make of the encodings.
#include "ext_fixture.hpp"

#include "cpu/ops/bmi.hpp"
#include "cpu/ops/families.hpp"

#include <string>

#if defined(__x86_64__) && defined(__linux__)
#define GLASSBOX_TEST_NATIVE 1
#include <cpuid.h>
#include <sys/mman.h>
#endif

using namespace glassbox;
using namespace glassbox::ext_test;

namespace {

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
u64 interesting(Rng& rng) {
    switch (rng.below(6)) {
    case 0: return 0;
    case 1: return ~u64{0};
    case 2: return u64{1} << rng.below(64);
    case 3: return rng.below(80) | rng.below(80) << 8; // positions and lengths
    case 4: return rng.next() & rng.next() & rng.next();
    default: return rng.next();
    }
}

template <class S, Word T> T with(Flags& f, T a, T b) { return S::template apply<T>(f, a, b); }

} // namespace

TEST_CASE("PDEP and PEXT move bits by the mask, one after the other") {
    Rng rng{1};
    for (unsigned i = 0; i < 2000; ++i) {
        const u64 mask = interesting(rng), value = interesting(rng);
        u64 deposited = 0, extracted = 0;
        unsigned n = 0;
        for (unsigned bit = 0; bit < 64; ++bit) {
            if (!(mask >> bit & 1)) continue;
            deposited |= (value >> n & 1) << bit;
            extracted |= (value >> bit & 1) << n;
            ++n;
        }
        Flags f;
        REQUIRE(with<bmi::Pdep, u64>(f, mask, value) == deposited);
        REQUIRE(with<bmi::Pext, u64>(f, mask, value) == extracted);
    }
}

TEST_CASE("counts, fields and lowest bits: values and flags of the manual") {
    Flags f;
    const auto flags = [&](u32 mask) { return f.value() & mask; };
    using namespace eflags;
    f.load(OSZAPC);
    CHECK(with<bmi::Popcnt, u16>(f, 0, 0xF00F) == 8);
    CHECK(flags(OSZAPC) == 0);
    CHECK(with<bmi::Popcnt, u64>(f, 0, 0) == 0);
    CHECK(flags(OSZAPC) == ZF);
    CHECK(with<bmi::Lzcnt, u32>(f, 7, 0) == 32);
    CHECK(flags(CF | ZF) == CF);
    CHECK(with<bmi::Lzcnt, u64>(f, 7, ~u64{0}) == 0);
    CHECK(flags(CF | ZF) == ZF);
    CHECK(with<bmi::Tzcnt, u16>(f, 7, 0) == 16);
    CHECK(flags(CF | ZF) == CF);
    CHECK(with<bmi::Tzcnt, u64>(f, 7, u64{1} << 40) == 40);
    CHECK(flags(CF | ZF) == 0);
    CHECK(with<bmi::Andn, u32>(f, 0xFF00'FF00, 0x0FFF'0000) == 0xF000'FF00);
    CHECK(flags(CF | ZF | SF | OF) == SF);
    CHECK(with<bmi::Bextr, u32>(f, 0x1234'5678, 0x0804) == 0x67);
    CHECK(with<bmi::Bextr, u32>(f, 0x1234'5678, 0xFF04) == 0x0123'4567);
    CHECK(with<bmi::Bextr, u32>(f, 0x1234'5678, 0x0820) == 0);
    CHECK(flags(CF | ZF | OF) == ZF);
    CHECK(with<bmi::Bzhi, u32>(f, 0x1234'5678, 12) == 0x678);
    CHECK(flags(CF) == 0);
    CHECK(with<bmi::Bzhi, u32>(f, 0x1234'5678, 0x120) == 0x1234'5678); // only bits 7-0 count
    CHECK(flags(CF) == CF);
    CHECK(with<bmi::Bzhi, u64>(f, ~u64{0}, 63) == ~u64{0} >> 1);
    CHECK(bmi::Blsi::apply<u32>(f, 0x50) == 0x10);
    CHECK(flags(CF | ZF) == CF);
    CHECK(bmi::Blsr::apply<u32>(f, 0x50) == 0x40);
    CHECK(flags(CF | ZF) == 0);
    CHECK(bmi::Blsmsk::apply<u32>(f, 0x50) == 0x1F);
    CHECK(bmi::Blsmsk::apply<u32>(f, 0) == 0xFFFF'FFFF);
    CHECK(flags(CF | ZF | SF) == (CF | SF));
    CHECK(with<bmi::Rorx, u32>(f, 0x1234'5678, 8) == 0x7812'3456);
    CHECK(with<bmi::Sarx, u64>(f, u64{1} << 63, 0x7F) == ~u64{0}); // counts are taken modulo the width
    CHECK(with<bmi::Shlx, u32>(f, 3, 33) == 6);
    CHECK(with<bmi::Shrx, u32>(f, 6, 33) == 3);
}

TEST_CASE("ADCX and ADOX: two chains of carries that leave each other alone") {
    using namespace eflags;
    for (u32 start = 0; start < 64; ++start) {
        const u32 all[6] = {CF, PF, AF, ZF, SF, OF};
        u32 before = 0;
        for (unsigned i = 0; i < 6; ++i) before |= (start >> i & 1) ? all[i] : 0;
        for (const u32 b : {0u, 1u, 0xFFFF'FFFFu}) {
            Flags f;
            f.load(before);
            const u64 wide = u64{0xFFFF'FFFE} + b + ((before & CF) ? 1 : 0);
            CHECK(bmi::Adcx::apply<u32>(f, 0xFFFF'FFFE, b) == static_cast<u32>(wide));
            CHECK(f.value() == ((before & ~CF) | (wide >> 32 ? CF : 0)));
            f.load(before);
            const u64 other = u64{0xFFFF'FFFE} + b + ((before & OF) ? 1 : 0);
            CHECK(bmi::Adox::apply<u32>(f, 0xFFFF'FFFE, b) == static_cast<u32>(other));
            CHECK(f.value() == ((before & ~OF) | (other >> 32 ? OF : 0)));
        }
    }
}

TEST_CASE("CRC32 is CRC-32C") {
    const char text[] = "123456789"; // whose check value is E3069283
    u32 crc = ~u32{0};
    for (unsigned i = 0; i < 9; ++i) crc = bmi::crc32c(crc, static_cast<u8>(text[i]), 1);
    CHECK(~crc == 0xE306'9283);
    u64 eight;
    std::memcpy(&eight, text, 8);
    CHECK(~bmi::crc32c(bmi::crc32c(~u32{0}, eight, 8), '9', 1) == 0xE306'9283);
    Guest g;
    g.cpu.gpr[RAX] = ~u64{0};
    g.put<u64>(Guest::data, eight);
    CHECK(g.step({0xF2, 0x48, 0x0F, 0x38, 0xF1, 0x06}) == none); // CRC32 rax, qword [rsi]
    CHECK(g.cpu.gpr[RAX] == bmi::crc32c(~u32{0}, eight, 8));
    g.cpu.gpr[RAX] = ~u64{0};
    CHECK(g.step({0xF2, 0x48, 0x0F, 0x38, 0xF0, 0x06}) == none); // byte: the upper half becomes zero
    CHECK(g.cpu.gpr[RAX] == bmi::crc32c(~u32{0}, '1', 1));
}

TEST_CASE("models without them: F3 BSF and F3 BSR, and nothing for the rest") {
    Guest g(
        {Feature::lzcnt, Feature::bmi1, Feature::bmi2, Feature::popcnt, Feature::movbe, Feature::adx, Feature::sse42});
    Guest with_bmi;
    g.cpu.gpr[RBX] = with_bmi.cpu.gpr[RBX] = 0x0100;
    CHECK(with_bmi.step({0xF3, 0x0F, 0xBD, 0xC3}) == none); // LZCNT eax, ebx
    CHECK(with_bmi.cpu.gpr[RAX] == 23);
    CHECK(g.step({0xF3, 0x0F, 0xBD, 0xC3}) == none); // BSR
    CHECK(g.cpu.gpr[RAX] == 8);
    CHECK(with_bmi.step({0xF3, 0x0F, 0xBC, 0xC3}) == none);
    CHECK(with_bmi.cpu.gpr[RAX] == 8);
    g.cpu.gpr[RBX] = 0;
    g.cpu.gpr[RAX] = 77;
    CHECK(g.step({0xF3, 0x0F, 0xBC, 0xC3}) == none); // BSF leaves its destination alone
    CHECK(g.cpu.gpr[RAX] == 77);
    CHECK(g.cpu.flags.zf());
    for (const Bytes& bytes : {Bytes{0xF3, 0x0F, 0xB8, 0xC3}, Bytes{0x0F, 0x38, 0xF0, 0x06},
                               Bytes{0xF2, 0x0F, 0x38, 0xF1, 0xC3}, Bytes{0x66, 0x0F, 0x38, 0xF6, 0xC3},
                               Bytes{0xC4, 0xE2, 0x60, 0xF2, 0xC1}, Bytes{0xC4, 0xE2, 0x60, 0xF5, 0xC1}}) {
        CHECK(g.step(bytes) == UD);
        CHECK(with_bmi.step(bytes) == none);
    }
}

TEST_CASE("encodings that are reserved") {
    Guest g;
    CHECK(g.step({0xC4, 0xE2, 0x64, 0xF2, 0xC1}) == UD);    // ANDN with VEX.L
    CHECK(g.step({0xC4, 0xE3, 0x73, 0xF0, 0xC1, 5}) == UD); // RORX with a register in vvvv
    CHECK(g.step({0xC4, 0xE3, 0x7B, 0xF0, 0xC1, 5}) == none);
    CHECK(g.step({0xC4, 0xE2, 0x78, 0xF3, 0xC1}) == UD); // group 17 /0
    CHECK(g.step({0xF3, 0x0F, 0x38, 0xF0, 0x06}) == UD); // MOVBE takes no F3
    CHECK(g.step({0x0F, 0x38, 0xF0, 0xC1}) == UD);       // nor a register
    CHECK(g.step({0x66, 0x0F, 0x38, 0xF1, 0x06}) == none);
}

TEST_CASE("outside 64-bit mode the top bit of vvvv names no register, but counts where vvvv must be 1111b") {
    Guest g;
    g.compatible(0);
    g.cpu.gpr[RCX] = 0xFF00'FF00;
    CHECK(g.step({0xC4, 0xE3, 0x7B, 0xF0, 0xC1, 4}) == none); // RORX eax, ecx, 4
    CHECK(g.cpu.gpr[RAX] == 0x0FF0'0FF0);
    g.compatible(0);
    CHECK(g.step({0xC4, 0xE3, 0x3B, 0xF0, 0xC1, 4}) == UD);
    g.compatible(0);
    g.cpu.gpr[RCX] = 0xFF00'FF00;
    g.cpu.gpr[RBX] = 0x0F00'0000;
    g.cpu.gpr[R11] = 0;
    CHECK(g.step({0xC4, 0xE2, 0x20, 0xF2, 0xC1}) == none); // ANDN eax, ebx, ecx
    CHECK(g.cpu.gpr[RAX] == 0xF000'FF00);
}

TEST_CASE("MULX: both halves, the high one last") {
    Guest g;
    g.cpu.gpr[RDX] = 0xFFFF'FFFF'FFFF'FFFF;
    g.cpu.gpr[RCX] = 0xFFFF'FFFF'FFFF'FFFE;
    CHECK(g.step({0xC4, 0xE2, 0xE3, 0xF6, 0xC1}) == none); // MULX rax, rbx, rcx
    CHECK(g.cpu.gpr[RAX] == 0xFFFF'FFFF'FFFF'FFFD);
    CHECK(g.cpu.gpr[RBX] == 2);
    CHECK(g.step({0xC4, 0xE2, 0xFB, 0xF6, 0xC1}) == none); // MULX rax, rax, rcx
    CHECK(g.cpu.gpr[RAX] == 0xFFFF'FFFF'FFFF'FFFD);
}

#if defined(GLASSBOX_TEST_NATIVE)

namespace {

struct State {
    std::array<u64, 8> gpr{};    ///< RAX, RCX, RDX, RBX, R8-R11
    std::array<u64, 2> memory{}; ///< RSI points to it
    u64 flags = 0;
    bool operator==(const State&) const = default;
};
constexpr unsigned numbers[8] = {RAX, RCX, RDX, RBX, R8, R9, R10, R11};

/// How one row is encoded: width, registers.
struct Choice {
    bool wide, narrow, memory;
    unsigned reg, vvvv, rm;
    u8 imm;
};

bool has(const Row& row, std::initializer_list<Arg> wanted) {
    for (const Arg a : row.args) {
        for (const Arg w : wanted) {
            if (a == w) return true;
        }
    }
    return false;
}
Bytes encode(const Row& row, const Choice& c) {
    Bytes bytes;
    const unsigned reg = row.at.digit_ >= 0 ? static_cast<unsigned>(row.at.digit_) : c.reg,
                   rm = c.memory ? unsigned{RSI} : c.rm;
    const unsigned pp = row.at.mandatory == Mandatory::p66   ? 1
                        : row.at.mandatory == Mandatory::pF3 ? 2
                        : row.at.mandatory == Mandatory::pF2 ? 3
                                                             : 0;
    const unsigned extensions = (reg >> 3) << 2 | rm >> 3;
    if (row.at.encoding == Encoding::vex) {
        const unsigned second = has(row, {Arg::By}) ? c.vvvv : 0;
        bytes = {0xC4, static_cast<u8>((~extensions << 5 & 0xE0) | row.at.map),
                 static_cast<u8>((c.wide ? 0x80 : 0) | (15 - second) << 3 | pp)};
    } else {
        if (c.narrow || pp == 1) bytes.push_back(0x66);
        if (pp >= 2) bytes.push_back(pp == 2 ? 0xF3 : 0xF2);
        bytes.push_back(static_cast<u8>(0x40 | (c.wide ? 8 : 0) | extensions));
        bytes.push_back(0x0F);
        if (row.at.map == 2) bytes.push_back(0x38);
    }
    bytes.push_back(row.at.opcode);
    bytes.push_back(static_cast<u8>((c.memory ? 0 : 0xC0) | (reg & 7) << 3 | (rm & 7)));
    if (has(row, {Arg::Ib})) bytes.push_back(c.imm);
    return bytes;
}

class Native {
  public:
    Native()
        : code_(static_cast<u8*>(
              mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {}
    ~Native() { munmap(code_, 4096); }
    Native(const Native&) = delete;
    Native& operator=(const Native&) = delete;
    bool usable() const { return code_ != MAP_FAILED; }
    void run(const Bytes& bytes, State& s) {
        std::memcpy(code_, bytes.data(), bytes.size());
        code_[bytes.size()] = 0xC3;
        s.flags |= 2;
        static_assert(offsetof(State, memory) == 64 && offsetof(State, flags) == 80);
        __asm__ volatile("mov %[state], %%r12\n mov %[code], %%r13\n sub $256, %%rsp\n"
                         "push 80(%%r12)\n popfq\n"
                         "mov (%%r12), %%rax\n mov 8(%%r12), %%rcx\n mov 16(%%r12), %%rdx\n mov 24(%%r12), %%rbx\n"
                         "mov 32(%%r12), %%r8\n mov 40(%%r12), %%r9\n mov 48(%%r12), %%r10\n mov 56(%%r12), %%r11\n"
                         "lea 64(%%r12), %%rsi\n"
                         "call *%%r13\n"
                         "pushfq\n pop 80(%%r12)\n"
                         "mov %%rax, (%%r12)\n mov %%rcx, 8(%%r12)\n mov %%rdx, 16(%%r12)\n mov %%rbx, 24(%%r12)\n"
                         "mov %%r8, 32(%%r12)\n mov %%r9, 40(%%r12)\n mov %%r10, 48(%%r12)\n mov %%r11, 56(%%r12)\n"
                         "add $256, %%rsp\n"
                         :
                         : [state] "r"(&s), [code] "r"(code_)
                         : "rax", "rcx", "rdx", "rbx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "memory", "cc");
        s.flags &= eflags::arithmetic;
    }

  private:
    u8* code_;
};

bool host_has(Feature f) {
    u32 a = 0, b = 0, c = 0, d = 0, b7 = 0, c1 = 0, cx = 0;
    __cpuid(1, a, b, c1, d);
    __cpuid_count(7, 0, a, b7, c, d);
    __cpuid(0x8000'0001, a, b, cx, d);
    switch (f) {
    case Feature::popcnt: return c1 >> 23 & 1;
    case Feature::movbe: return c1 >> 22 & 1;
    case Feature::sse42: return c1 >> 20 & 1;
    case Feature::bmi1: return b7 >> 3 & 1;
    case Feature::bmi2: return b7 >> 8 & 1;
    case Feature::adx: return b7 >> 19 & 1;
    case Feature::lzcnt: return cx >> 5 & 1;
    default: return false;
    }
}

void run_guest(Guest& g, const Bytes& bytes, State& s) {
    for (unsigned i = 0; i < 8; ++i) g.cpu.gpr[numbers[i]] = s.gpr[i];
    for (u32 i = 0; i < 2; ++i) g.put<u64>(Guest::data + 8 * i, s.memory[i]);
    g.cpu.gpr[RSI] = Guest::data;
    g.cpu.flags.load(static_cast<u32>(s.flags));
    REQUIRE(g.step(bytes) == none);
    for (unsigned i = 0; i < 8; ++i) s.gpr[i] = g.cpu.gpr[numbers[i]];
    for (u32 i = 0; i < 2; ++i) s.memory[i] = g.get<u64>(Guest::data + 8 * i);
    s.flags = g.cpu.flags.value();
}

} // namespace

TEST_CASE("every row agrees with the host") {
    Guest g;
    Native native;
    REQUIRE(native.usable());
    Rng rng{42};
    for (const Row& row : families::bmi()) {
        if (!host_has(row.feature)) continue;
        for (unsigned i = 0; i < 150; ++i) {
            Choice c{.wide = rng.below(2) != 0,
                     .narrow = false,
                     .memory = rng.below(2) != 0,
                     .reg = numbers[rng.below(8)],
                     .vvvv = numbers[rng.below(8)],
                     .rm = numbers[rng.below(8)],
                     .imm = static_cast<u8>(rng.next())};
            if (row.at.mod == Mod::memory) c.memory = true;
            if (has(row, {Arg::Ev, Arg::Mv})) c.narrow = !c.wide && rng.below(2) != 0;
            const Bytes bytes = encode(row, c);
            State before;
            for (u64& r : before.gpr) r = interesting(rng);
            for (u64& m : before.memory) m = interesting(rng);
            before.flags = rng.next() & eflags::arithmetic;
            State ours = before, theirs = before;
            run_guest(g, bytes, ours);
            native.run(bytes, theirs);
            ours.flags &= ~u64{row.info->undefined};
            theirs.flags &= ~u64{row.info->undefined};
            std::string text = row.info->mnemonic;
            for (const u8 b : bytes) text += " " + std::to_string(b);
            INFO(text);
            REQUIRE(ours == theirs);
        }
    }
}

#endif
