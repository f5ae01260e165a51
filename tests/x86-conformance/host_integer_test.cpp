// Every row of the integer families in 32-bit user mode against the host's own processor: random operands, all forms of
// addresses, prefixes and faults. GLASSBOX_HOST_CASES sets how many cases a row gets, GLASSBOX_HOST_SEED where to
// start.
#include "tests/x86-conformance/host/encoding.hpp"
#include "native.hpp"

#include "cpu/decode/decoder.hpp"
#include "cpu/ops/families.hpp"

#include <Zydis/Zydis.h>
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <map>
#include <string>

using namespace glassbox;
using namespace glassbox::conformance;

namespace {

constexpr u32 compared_flags = eflags::arithmetic | eflags::DF;

/// The processor under test, in user mode behind page tables that map what `Native` maps.
class Guest {
  public:
    Guest() : machine_(4u << 20, "max") {
        Cpu& cpu = machine_.cpu;
        map_region(0x2000, code_start, code_size, code_at);
        map_region(0x3000, data_start, data_size, data_at);
        reset_state(cpu);
        cpu.cr3 = directory;
        cpu.cr0 = cr0::PE | cr0::ET | cr0::WP | cr0::PG;
        cpu.cpl = 3;
        cpu.idtr = {0, 0}; // every exception shuts down: it is found in `fault_chain`
        constexpr u32 rights = Segment::DB | Segment::P | Segment::S | 3u << 5;
        const u32 data = rights | Segment::writable | Segment::accessed;
        cpu.seg[CS] = segment(rights | Segment::code | Segment::readable | Segment::accessed, 0, ~u32{0});
        for (const unsigned name : {SS, DS, ES}) cpu.seg[name] = segment(data, 0, ~u32{0});
        cpu.seg[GS] = segment(data, data_start, 0xFFFF);
        cpu.seg[FS] = segment(Segment::unusable, 0, 0);
        cpu.flush_tlb(false);
        cpu.update_mode();
    }
    Cpu& cpu() { return machine_.cpu; }
    std::span<u8> data() { return machine_.ram().subspan(data_at, data_size); }
    void write_code(u32 offset, std::span<const u8> bytes) {
        machine_.memory.write_block(PhysAddress{code_at + offset}, bytes);
    }
    /// Runs up to the exception that ends it; one instruction at a time when `single`.
    Registers run(const Registers& before, bool based, bool single) {
        Cpu& cpu = machine_.cpu;
        for (unsigned i = 0; i < 8; ++i) cpu.set_r32(static_cast<Gpr>(i), before.gpr[i]);
        cpu.set_full_eflags(before.eflags);
        cpu.ip = before.eip;
        cpu.seg[ES] = cpu.seg[based ? GS : DS];
        cpu.update_mode();
        cpu.shutdown = false;
        cpu.fault_chain_length = 0;
        for (unsigned i = 0; i < 1000 && !cpu.shutdown; ++i) cpu.run(single ? 1 : 1000);
        Registers after;
        for (unsigned i = 0; i < 8; ++i) after.gpr[i] = cpu.r32(static_cast<Gpr>(i));
        after.eflags = cpu.full_eflags();
        after.eip = static_cast<u32>(cpu.ip);
        if (cpu.fault_chain_length == 0) return after;
        after.vector = static_cast<int>(cpu.fault_chain[0].vector);
        after.error = cpu.fault_chain[0].error;
        after.cr2 = static_cast<u32>(cpu.fault_chain[0].cr2);
        return after;
    }

  private:
    static constexpr u32 directory = 0x1000, code_at = 0x10'0000, data_at = 0x20'0000;

    static Segment segment(u32 access, u32 base, u32 limit) {
        Segment s;
        s.selector = 3;
        s.access = access;
        s.base = base;
        s.limit = limit;
        s.update(false);
        return s;
    }
    void map_region(u32 table, u32 linear, u32 size, u32 phys) {
        constexpr u32 user_page = 7;
        machine_.put<u32>(directory + (linear >> 22) * 4, table | user_page);
        for (u32 at = 0; at < size; at += 0x1000)
            machine_.put<u32>(table + ((linear + at) >> 12 & 1023) * 4, (phys + at) | user_page);
    }

    Machine machine_;
};

struct Case {
    std::vector<u8> bytes;
    Registers before;
    bool based = false; ///< ES has the base of GS
    u32 target = 0;     ///< where in the data the operand lies
};

bool is_string(const Row& row) { return (row.attributes & attr::string) != 0; }
bool is_relative(const Row& row) { return (row.attributes & attr::branch) != 0; }
bool is_bit_string(const Row& row) {
    return row.at.map == 1 &&
           (row.at.opcode == 0xA3 || row.at.opcode == 0xAB || row.at.opcode == 0xB3 || row.at.opcode == 0xBB);
}
bool is_xlat(const Row& row) { return row.at.map == 0 && row.at.opcode == 0xD7; }
bool divides(const Row& row) { return row.at.map == 0 && (row.at.opcode & 0xFE) == 0xF6 && row.at.digit_ >= 6; }
bool is_enter(const Row& row) { return row.at.map == 0 && row.at.opcode == 0xC8; }

u32 anywhere(Random& random) {
    if (random.chance(24)) return data_size - random.below(20);
    return 0x400 + random.below(data_size - 0x800);
}

/// Chooses a 32-bit ModRM address and the registers that make it point at `linear`.
void aim(Encoding& e, Registers& r, Random& random, u32 linear) {
    e.mod = static_cast<u8>(random.below(3));
    e.rm = static_cast<u8>(random.below(8));
    e.sib = static_cast<u8>(random.next());
    const unsigned base = e.rm == 4 ? e.sib & 7u : e.rm;
    const unsigned index = e.rm == 4 ? (e.sib >> 3) & 7u : 4;
    const bool no_base = e.mod == 0 && base == 5;
    if (!no_base && e.mod != 2 && (index == base || base == RCX)) e.mod = 2; // ECX may be a count: leave it
    const u32 offset = index == 4 ? 0 : r.gpr[index] << (e.sib >> 6);
    e.displacement = static_cast<u32>(random.next());
    if (no_base)
        e.displacement = linear - offset;
    else if (e.mod == 2)
        e.displacement = linear - offset - r.gpr[base];
    else
        r.gpr[base] = linear - offset - (e.mod == 1 ? static_cast<u32>(static_cast<i8>(e.displacement)) : 0);
}

Case make_case(const Row& row, Random& random) {
    Case c;
    Encoding e;
    Registers& r = c.before;
    for (u32& g : r.gpr) g = biased(random);
    r.eflags = 0x202 | (static_cast<u32>(random.next()) & eflags::arithmetic) | (random.chance(4) ? eflags::DF : 0);
    r.gpr[RSP] = data_start + 0x8000 + random.below(0x100);
    if (row.info->mnemonic == std::string_view("leave") || is_enter(row))
        r.gpr[RBP] = data_start + 0xC000 + random.below(0x100);
    e.immediate = u64{biased(random)} | random.next() << 32;
    if (is_enter(row))
        e.immediate = random.below(0x200) | u64{random.chance(2) ? random.below(32) : random.below(3)} << 16;
    if (is_relative(row)) { // to one of the UD2s that follow
        e.immediate = 2 * random.below(6);
        if (random.chance(2)) r.gpr[RCX] = random.below(3);
    }
    e.opsize_prefix = random.chance(3);
    if (random.chance(20)) e.segment = static_cast<u8>(random.chance(2) ? 0x3E : random.chance(2) ? 0x36 : 0x2E);
    const bool modrm = has_modrm(row);
    const bool may_be_memory = modrm && row.at.mod != Mod::reg;
    e.memory = may_be_memory && (row.at.mod == Mod::memory || random.chance(2));
    e.reg = static_cast<u8>(random.below(8));
    e.mod = 3;
    e.rm = static_cast<u8>(random.below(8));
    c.target = anywhere(random);
    if (divides(row) && random.chance(2)) r.gpr[RDX] = random.chance(2) ? 0 : ~u32{0};
    if (divides(row) && random.chance(2)) r.gpr[RAX] &= 0xFFF;

    const bool implied = is_string(row) || is_xlat(row) || is_offset(row);
    const bool locks = row.at.map == 0 && (row.at.opcode & 0xFE) == 0x86;
    e.lock = (row.attributes & attr::lockable) != 0 && e.memory ? random.chance(6) : random.chance(100);
    if (e.lock || locks) c.target &= 0xFFF8; // a locked access across lines is very slow on the host
    if ((e.memory || implied) && random.chance(e.lock || locks ? 1000 : 4)) e.segment = 0x65;
    if (e.segment == 0x65 && random.chance(2)) e.addrsize_prefix = true;
    if (random.chance(60)) e.addrsize_prefix = !e.lock && !locks;
    const u32 linear = e.segment == 0x65 ? c.target : data_start + c.target;
    if (is_bit_string(row) && e.memory && !random.chance(20)) r.gpr[e.reg] = random.below(0x2000) - 0x1000;
    if (e.memory && e.addrsize_prefix) {
        e.mod = static_cast<u8>(random.below(3));
        e.displacement = static_cast<u32>(random.next());
    } else if (e.memory) {
        aim(e, r, random, linear);
    }
    if (is_offset(row)) e.displacement = linear;
    if (is_xlat(row)) r.gpr[RBX] = linear - 0x80;
    if (is_string(row)) {
        c.based = random.chance(4);
        r.gpr[RSI] = linear;
        r.gpr[RDI] = (c.based ? 0 : data_start) + anywhere(random);
        r.gpr[RCX] = random.chance(8) ? 0 : random.below(60);
        if (e.addrsize_prefix) r.gpr[RCX] |= static_cast<u32>(random.next()) << 16;
        if (random.chance(2)) e.rep = random.chance(2) ? 0xF3 : 0xF2;
        if (random.chance(4))
            r.gpr[RDI] = r.gpr[RSI] + random.below(9) - 4 - (c.based && e.segment != 0x65 ? data_start : 0);
    }
    c.bytes = encode(row, e, true);
    return c;
}

/// Flags that have no defined value after this instruction with these operands.
u32 undefined_flags(const Row& row, const Case& c, const Insn& insn) {
    const bool shifts =
        row.attributes & attr::flags_conditional && row.at.map == 0 && row.at.opcode >= 0xC0 && row.at.opcode <= 0xD3;
    const bool doubles = row.at.map == 1 && (row.at.opcode & 0xF6) == 0xA4;
    if (!shifts && !doubles) return row.info->undefined;
    const bool by_cl = doubles ? (row.at.opcode & 1) != 0 : row.at.opcode >= 0xD2;
    const u32 count = (by_cl ? c.before.gpr[RCX] : static_cast<u32>(insn.imm)) & 31;
    if (count == 0) return 0;
    const u32 width = 8u * insn.operand[0].width;
    u32 undefined = row.info->undefined;
    if (count != 1) undefined |= eflags::OF;
    if (doubles && count > width) return eflags::arithmetic;
    if (!doubles && count >= width && row.at.digit_ >= 4) undefined |= eflags::CF;
    return undefined;
}
bool undefined_result(const Row& row, const Insn& insn, const Case& c) {
    const bool doubles = row.at.map == 1 && (row.at.opcode & 0xF6) == 0xA4;
    if (row.at.map == 1 && row.at.opcode >= 0xC8 && row.at.opcode <= 0xCF) return insn.opsize == 2;
    return doubles && insn.opsize == 2 &&
           ((row.at.opcode & 1 ? c.before.gpr[RCX] : static_cast<u32>(insn.imm)) & 31) > 16;
}

std::string text_of(const std::vector<u8>& bytes) {
    std::string text;
    char piece[128];
    for (const u8 b : bytes) {
        std::snprintf(piece, sizeof piece, "%02x ", b);
        text += piece;
    }
    ZydisDisassembledInstruction i;
    if (ZYAN_SUCCESS(ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LEGACY_32, code_start, bytes.data(), bytes.size(), &i)))
        text += std::string(" ") + i.text;
    return text;
}
std::string text_of(const char* who, const Registers& r) {
    std::string text = std::string("\n  ") + who;
    char piece[128];
    const char* names[8] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    for (unsigned i = 0; i < 8; ++i) {
        std::snprintf(piece, sizeof piece, " %s=%08x", names[i], r.gpr[i]);
        text += piece;
    }
    std::snprintf(piece, sizeof piece, " flags=%04x eip=%08x exception %d error %x cr2 %08x", r.eflags & compared_flags,
                  r.eip, r.vector, r.error, r.cr2);
    return text + piece;
}

class Comparison {
  public:
    Comparison(Guest& guest, Native& native, u64 seed) : guest_(guest), native_(native), random_(seed) {
        for (u32 i = 0; i < data_size; i += 4) put(i, biased(random_));
    }
    /// One random case of the row: true when both agree.
    bool run(const Row& row) {
        Case c = make_case(row, random_);
        Insn insn;
        const DecodeStatus status = decode(c.bytes, guest_.cpu().mode, guest_.cpu().model->features, insn);
        if (c.target <= data_size - 8) put(c.target, biased(random_));
        c.before.eip = place(c.bytes);
        const Registers theirs = native_.run(c.before, c.based);
        const Registers ours = guest_.run(c.before, c.based, random_.chance(2));
        ++cases_;
        if (theirs.vector == 6) ++completed_;
        std::string why;
        if (ours.gpr != theirs.gpr) why = "registers";
        if (ours.eip != theirs.eip || ours.vector != theirs.vector) why = "exception";
        const bool pf = theirs.vector == 14;
        if (pf && (ours.cr2 != theirs.cr2 || (ours.error ^ theirs.error) & 6)) why = "page fault";
        if (theirs.vector == 13 && ours.error != theirs.error) why = "error code";
        const bool done = theirs.eip == c.before.eip + c.bytes.size();
        const u32 mask = compared_flags & ~(done && status == DecodeStatus::ok ? undefined_flags(row, c, insn) : 0);
        if ((ours.eflags ^ theirs.eflags) & mask) why = "flags";
        const bool same_memory = std::memcmp(guest_.data().data(), native_.data().data(), data_size) == 0;
        if (!same_memory) {
            why = "memory";
            std::memcpy(guest_.data().data(), native_.data().data(), data_size);
        }
        if (why.empty() || (done && status == DecodeStatus::ok && undefined_result(row, insn, c))) return true;
        report_ = why + " differ: " + text_of(c.bytes) + text_of("before", c.before) + text_of("ours  ", ours) +
                  text_of("host  ", theirs) + (c.based ? "\n  with ES based" : "");
        return false;
    }
    const std::string& report() const { return report_; }
    u64 cases() const { return cases_; }
    u64 completed() const { return completed_; }

  private:
    void put(u32 at, u32 value) {
        std::memcpy(guest_.data().data() + at, &value, 4);
        std::memcpy(native_.data().data() + at, &value, 4);
    }
    /// Writes the instruction and the UD2 after it to a fresh place on both sides.
    u32 place(const std::vector<u8>& bytes) {
        constexpr u32 slot = 32;
        std::vector<u8> code = bytes;
        code.resize(slot, 0x0F);
        for (std::size_t i = bytes.size(); i + 1 < slot; i += 2) code[i] = 0x0F, code[i + 1] = 0x0B;
        const u32 at = next_;
        next_ = (next_ + slot) % code_size;
        std::memcpy(native_.code().data() + at, code.data(), slot);
        guest_.write_code(at, code);
        return code_start + at;
    }

    Guest& guest_;
    Native& native_;
    Random random_;
    std::string report_;
    u32 next_ = 0;
    u64 cases_ = 0, completed_ = 0;
};

u64 setting(const char* name, u64 otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 0) : otherwise;
}

} // namespace

TEST_CASE("integer instructions against the host's processor") {
    Native native;
    if (!native.available()) {
        MESSAGE("skipped: this host runs no 32-bit code");
        return;
    }
    Guest guest;
    Comparison comparison(guest, native, setting("GLASSBOX_HOST_SEED", 1));
    const u64 rounds = setting("GLASSBOX_HOST_CASES", 300);
    u64 wrong = 0;
    for (const auto family :
         {families::alu(), families::move(), families::shift(), families::muldiv(), families::bit(), families::bcd(),
          families::flagops(), families::stack(), families::string(), families::branch()}) {
        for (const Row& row : family) {
            // Through registers and memory a jump would lead anywhere.
            if (!is_relative(row) && (row.attributes & attr::ends_block)) continue;
            if (is_string(row) && row.at.opcode >= 0x6C && row.at.opcode <= 0x6F) continue; // INS, OUTS: privileged
            u64 wrong_here = 0;
            for (u64 i = 0; i < rounds; ++i) {
                if (comparison.run(row)) continue;
                if (wrong_here++ < 2) MESSAGE(std::string(row.info->mnemonic) << ": " << comparison.report());
            }
            if (wrong_here)
                MESSAGE(std::string(row.info->mnemonic) << ": " << wrong_here << " of " << rounds << " cases differ");
            wrong += wrong_here;
        }
    }
    MESSAGE(comparison.cases() << " cases, " << comparison.completed() << " without a fault");
    CHECK(wrong == 0);
}
