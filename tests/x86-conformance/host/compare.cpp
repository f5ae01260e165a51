#include "tests/x86-conformance/host/compare.hpp"

#include "debugger/hex.hpp"

#include "cpu/decode/decoder.hpp"
#include "cpu/decode/undefined.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

namespace glassbox::conformance::host {

namespace {

constexpr u32 compared_flags = eflags::arithmetic | eflags::DF | eflags::TF | eflags::IF | eflags::IOPL | eflags::NT |
                               eflags::RF | eflags::AC | eflags::ID;
constexpr const char* gpr_names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                       "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
constexpr const char* segment_names[6] = {"es", "cs", "ss", "ds", "fs", "gs"};

template <class T> T get(const Image& image, std::size_t at) {
    T value;
    std::memcpy(&value, image.fx.data() + at, sizeof value);
    return value;
}

u32 decoding_mode(const Input& in) {
    constexpr u32 user_mode = mode::protected_mode | mode::user;
    if (in.before.code64()) return user_mode | mode::long64;
    const u16 cs = in.before.seg[CS];
    return user_mode | (!(cs & 4) || ldt[cs >> 3].big ? mode::code32 : 0);
}

std::string exception_text(const Output& out) {
    constexpr const char* names[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "#9",
                                     "#TS", "#NP", "#SS", "#GP", "#PF", "#15", "#MF", "#AC", "#MC", "#XM"};
    switch (out.vector) {
    case -2: return "killed the process";
    case -3:
    case -4: return "did not end";
    default: break;
    }
    std::string text = out.vector >= 0 && out.vector < 20 ? names[out.vector] : "vector " + std::to_string(out.vector);
    if (out.vector >= 10 && out.vector <= 14) text += "(" + hex(out.error, 4) + ")";
    if (out.vector == 14) text += " cr2 " + hex(out.cr2, 16);
    return text;
}

/// What has no defined value, or none that this host shows.
struct Masks {
    u32 flags = compared_flags;
    std::array<u64, 16> gpr_bits;
    bool memory = true, x87_values = true, x87_ip = true, x87_dp = true, x87_opcode = true;
    u16 status = 0xFFFF;
    unsigned ulps = 0;          ///< tolerated in x87 registers
    bool approximation = false; ///< RCPPS and the like
    Masks() { gpr_bits.fill(~u64{0}); }
};

bool named(const Row& row, std::string_view name) { return name == row.info->mnemonic; }

bool transcendental(const Row& row) {
    for (const char* name : {"f2xm1", "fyl2x", "fyl2xp1", "fpatan", "fptan", "fsin", "fcos", "fsincos"}) {
        if (named(row, name)) return true;
    }
    return false;
}

/// Units in the last place between two x87 values, as points on the line of all encodings.
u64 distance(u64 a, u16 a_exponent, u64 b, u16 b_exponent) {
    const auto point = [](u64 significand, u16 exponent) {
        __extension__ typedef __int128 Wide;
        const Wide magnitude = (static_cast<Wide>(exponent & 0x7FFF) << 63) | (significand & ~(u64{1} << 63));
        return exponent & 0x8000 ? -magnitude : magnitude;
    };
    const auto d = point(a, a_exponent) - point(b, b_exponent);
    const auto size = d < 0 ? -d : d;
    return size > 1'000'000 ? 1'000'000 : static_cast<u64>(size);
}

/// The SDM's bound for RCPPS and RSQRTPS; both sides keep it, so they are at most twice that apart.
bool near(u32 a, u32 b) {
    float x = 0, y = 0;
    std::memcpy(&x, &a, 4);
    std::memcpy(&y, &b, 4);
    if (a == b) return true;
    if (!std::isfinite(x) || !std::isfinite(y)) return false;
    // Results this close to the least normal number may or may not count as tiny (SDM 2B, RCPPS).
    constexpr float least = 1.001f * 0x1p-126f;
    if (std::abs(x) <= least && std::abs(y) <= least) return std::signbit(x) == std::signbit(y);
    return std::abs(x - y) <= 2 * 1.5f / 4096 * std::abs(y) && std::signbit(x) == std::signbit(y);
}

/// F2XM1 and FYL2XP1 are defined for small operands only (SDM 2A).
bool out_of_range(const Row& row, const Input& in) {
    const u16 exponent = get<u16>(in.before, fx_registers + 8);
    const u64 significand = get<u64>(in.before, fx_registers);
    constexpr u64 one = u64{1} << 63;
    if (named(row, "f2xm1"))
        return (exponent & 0x7FFF) > 0x3FFF || ((exponent & 0x7FFF) == 0x3FFF && significand > one);
    // 1 - sqrt(1/2) is 0.29289..., and what is beyond it on either side is left out.
    return named(row, "fyl2xp1") &&
           ((exponent & 0x7FFF) > 0x3FFD || ((exponent & 0x7FFF) == 0x3FFD && significand > 0x95F6'1998'0C43'36F7));
}

class Detail {
  public:
    Detail(Vendor vendor, const Row& row, const Input& in, const Output& host, const Output& ours)
        : row_(&row), in_(in), host_(host), ours_(ours) {
        decoded_ =
            decode(in.instruction(), decoding_mode(in), find_cpu_model("max")->features, insn_) == DecodeStatus::ok;
        if (decoded_) row_ = insn_.row; // where a prefix has made it another
        // A fault leaves EIP where it was; a repetition that faults later too, and it has undefined flags only then.
        completed_ = host.after.rip != in.before.rip || host.vector == 1;
        if (decoded_) set_masks();
        Situation s{*row_, in, decoded_ ? &insn_ : nullptr, host_, ours_, completed_};
        settle(vendor, s);
        masks_.x87_ip = s.x87_ip;
        masks_.x87_dp = s.x87_dp;
        masks_.x87_opcode = s.x87_opcode;
    }
    std::vector<Difference> list() {
        exceptions();
        registers();
        segments();
        memory();
        x87();
        sse();
        return std::move(list_);
    }

  private:
    void add(Kind kind, std::string field, std::string expected, std::string got) {
        list_.push_back({kind, std::move(field), std::move(expected), std::move(got)});
    }
    void set_masks();
    void exceptions();
    void registers();
    void segments();
    void memory();
    void x87();
    void sse();
    void vector_half(const std::string& name, const u8* host, const u8* ours);

    const Row* row_;
    const Input& in_;
    Output host_, ours_; ///< copies: known differences are taken out of them
    Insn insn_;
    bool decoded_ = false, completed_ = false;
    Masks masks_;
    std::vector<Difference> list_;
};

void Detail::set_masks() {
    const FeatureSet& features = find_cpu_model("max")->features;
    if (completed_) {
        const Undefined undefined = undefined_after(insn_, static_cast<u8>(in_.before.gpr[RCX]), features);
        masks_.flags &= ~undefined.flags;
        if (undefined.result) {
            masks_.memory = false;
            if (insn_.operand[0].kind == OperandKind::reg)
                masks_.gpr_bits[insn_.operand[0].number / 8] = insn_.opsize == 2 ? ~u64{0xFFFF} : 0;
        }
    } else if (host_.vector >= 0) {
        masks_.flags &= ~undefined_after_fault(insn_, static_cast<u8>(host_.vector));
    }
    if (named(*row_, "rdtsc")) masks_.gpr_bits[RAX] = masks_.gpr_bits[RDX] = 0;
    if (named(*row_, "rdtscp")) masks_.gpr_bits[RAX] = masks_.gpr_bits[RDX] = masks_.gpr_bits[RCX] = 0;
    const bool random = named(*row_, "rdrand") || named(*row_, "rdseed") || named(*row_, "rdpid");
    if (random && decoded_) masks_.gpr_bits[insn_.rm_number()] = insn_.opsize == 2 ? ~u64{0xFFFF} : 0;
    if (named(*row_, "rdseed")) masks_.flags &= ~eflags::CF;
    for (const char* name : {"rcpps", "rcpss", "rsqrtps", "rsqrtss", "vrcpps", "vrcpss", "vrsqrtps", "vrsqrtss"})
        masks_.approximation = masks_.approximation || named(*row_, name);
    if (completed_ && out_of_range(*row_, in_)) {
        masks_.x87_values = false;
    } else if (transcendental(*row_)) { // both sides within one unit of the true value
        masks_.ulps = 2;
        masks_.status = static_cast<u16>(~(FpuState::c1 | 0x80B0)); // rounding and tininess follow the last bit
    }
}

void Detail::exceptions() {
    const bool pf = host_.vector == 14, has_error = host_.vector >= 10 && host_.vector <= 14;
    const bool same =
        host_.vector == ours_.vector && (!pf || host_.cr2 == ours_.cr2) && (!has_error || host_.error == ours_.error);
    if (!same) add(Kind::exception, "exception", exception_text(host_), exception_text(ours_));
    if (host_.after.rip != ours_.after.rip)
        add(Kind::exception, "rip", hex(host_.after.rip, 16), hex(ours_.after.rip, 16));
}

void Detail::registers() {
    const unsigned digits = in_.before.code64() ? 16 : 8;
    for (unsigned i = 0; i < 16; ++i) {
        if ((host_.after.gpr[i] ^ ours_.after.gpr[i]) & masks_.gpr_bits[i])
            add(Kind::registers, gpr_names[i], hex(host_.after.gpr[i], digits), hex(ours_.after.gpr[i], digits));
    }
    const u32 different = (host_.after.eflags ^ ours_.after.eflags) & masks_.flags;
    if (different)
        add(Kind::flags, "eflags", hex(host_.after.eflags & masks_.flags, 6),
            hex(ours_.after.eflags & masks_.flags, 6));
}

void Detail::segments() {
    for (unsigned i = 0; i < 6; ++i) {
        // On its way to the signal handler the kernel returns to an outer level, which clears the RPL of null
        // selectors.
        const auto seen = [](u16 selector) { return selector < 4 ? u16{0} : selector; };
        if (seen(host_.after.seg[i]) != seen(ours_.after.seg[i]))
            add(Kind::segments, segment_names[i], hex(host_.after.seg[i], 4), hex(ours_.after.seg[i], 4));
    }
    const auto base = [&](const char* name, u64 host, u64 ours) {
        if (host != ours) add(Kind::segments, name, hex(host, 16), hex(ours, 16));
    };
    base("fs base", host_.after.fs_base, ours_.after.fs_base);
    base("gs base", host_.after.gs_base, ours_.after.gs_base);
}

void Detail::memory() {
    if (!masks_.memory) return;
    const auto text = [](const Output& out) {
        std::string list;
        for (u32 i = 0; i < std::min(out.changes, Output::most_changes); ++i)
            list +=
                (list.empty() ? "" : " ") + hex(data_start + out.change[i].at, 8) + ":" + hex(out.change[i].value, 16);
        return list;
    };
    const u32 listed = std::min(host_.changes, Output::most_changes);
    if (host_.changes == ours_.changes &&
        std::equal(host_.change.begin(), host_.change.begin() + listed, ours_.change.begin()))
        return;
    add(Kind::memory, "memory", text(host_), text(ours_));
}

void Detail::x87() {
    const Image &h = host_.after, &o = ours_.after;
    const auto word = [&](const char* name, std::size_t at, u16 mask) {
        const u16 expected = get<u16>(h, at), got = get<u16>(o, at);
        if ((expected ^ got) & mask) add(Kind::x87, name, hex(expected & mask, 4), hex(got & mask, 4));
    };
    word("control", fx_control, 0xFFFF);
    if (!masks_.x87_values) return;
    word("status", fx_status, masks_.status);
    word("tags", fx_tags, 0xFF);
    const u64 bits = in_.before.code64() ? ~u64{0} : 0xFFFF'FFFF; // else selectors lie above
    const auto pointer = [&](const char* name, std::size_t at) {
        const u64 expected = get<u64>(h, at) & bits, got = get<u64>(o, at) & bits;
        if (expected != got) add(Kind::x87, name, hex(expected, 16), hex(got, 16));
    };
    if (masks_.x87_opcode) word("opcode", fx_opcode, 0x7FF);
    if (masks_.x87_ip) pointer("fip", fx_ip);
    if (masks_.x87_dp) pointer("fdp", fx_dp);
    for (unsigned i = 0; i < 8; ++i) {
        const std::size_t at = fx_registers + 16 * i;
        const u64 a = get<u64>(h, at), b = get<u64>(o, at);
        const u16 ae = get<u16>(h, at + 8), be = get<u16>(o, at + 8);
        if ((a == b && ae == be) || (masks_.ulps && distance(a, ae, b, be) <= masks_.ulps)) continue;
        add(Kind::x87, "st" + std::to_string(i), hex(ae, 4) + ":" + hex(a, 16), hex(be, 4) + ":" + hex(b, 16));
    }
}

void Detail::sse() {
    const Image &h = host_.after, &o = ours_.after;
    if (get<u32>(h, fx_mxcsr) != get<u32>(o, fx_mxcsr))
        add(Kind::sse, "mxcsr", hex(get<u32>(h, fx_mxcsr), 8), hex(get<u32>(o, fx_mxcsr), 8));
    for (unsigned i = 0; i < 16; ++i) {
        vector_half("xmm" + std::to_string(i), h.fx.data() + fx_xmm + 16 * i, o.fx.data() + fx_xmm + 16 * i);
        vector_half("ymm" + std::to_string(i) + " above", h.ymm.data() + 16 * i, o.ymm.data() + 16 * i);
    }
}

void Detail::vector_half(const std::string& name, const u8* host, const u8* ours) {
    if (std::memcmp(host, ours, 16) == 0) return;
    bool same = masks_.approximation;
    for (unsigned k = 0; k < 4 && same; ++k) {
        u32 a = 0, b = 0;
        std::memcpy(&a, host + 4 * k, 4);
        std::memcpy(&b, ours + 4 * k, 4);
        same = near(a, b);
    }
    const auto text = [](const u8* at) {
        u64 low = 0, high = 0;
        std::memcpy(&low, at, 8);
        std::memcpy(&high, at + 8, 8);
        return hex(high, 16) + hex(low, 16);
    };
    if (!same) add(Kind::sse, name, text(host), text(ours));
}

} // namespace

bool Comparison::same(const Row& row, const Input& in, const Output& host, const Output& ours) const {
    const Image &h = host.after, &o = ours.after;
    const bool has_error = host.vector >= 10 && host.vector <= 14;
    bool equal = host.vector == ours.vector && h.gpr == o.gpr && h.rip == o.rip && h.fs_base == o.fs_base &&
                 h.gs_base == o.gs_base && h.seg == o.seg && ((h.eflags ^ o.eflags) & compared_flags) == 0 &&
                 (!has_error || host.error == ours.error) && (host.vector != 14 || host.cr2 == ours.cr2) &&
                 host.changes == ours.changes;
    const u64 pointer = in.before.code64() ? ~u64{0} : 0xFFFF'FFFF;
    equal = equal && std::memcmp(h.fx.data(), o.fx.data(), fx_ip) == 0 &&
            ((get<u64>(h, fx_ip) ^ get<u64>(o, fx_ip)) & pointer) == 0 &&
            ((get<u64>(h, fx_dp) ^ get<u64>(o, fx_dp)) & pointer) == 0 &&
            get<u32>(h, fx_mxcsr) == get<u32>(o, fx_mxcsr) && h.ymm == o.ymm &&
            std::memcmp(h.fx.data() + 32, o.fx.data() + 32, h.fx.size() - 32) == 0;
    const u32 listed = std::min(host.changes, Output::most_changes);
    equal = equal && std::equal(host.change.begin(), host.change.begin() + listed, ours.change.begin());
    return equal || differences(row, in, host, ours).empty();
}

std::vector<Difference> Comparison::differences(const Row& row, const Input& in, const Output& host,
                                                const Output& ours) const {
    return Detail(vendor_, row, in, host, ours).list();
}

} // namespace glassbox::conformance::host
