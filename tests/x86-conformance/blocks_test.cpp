// The engine against itself: a sequence of instructions must leave the same state, undefined flags and all, whether it
// runs as whole blocks, cut into pieces, or one instruction at a time. Nothing a guest can see may depend on where
// blocks begin and end. GLASSBOX_BLOCK_CASES sets the number of sequences, GLASSBOX_BLOCK_SEED where to start.
#include "tests/x86-conformance/host/encoding.hpp"

#include "cpu/decode/decoder.hpp"
#include "cpu/ops/families.hpp"

#include <Zydis/Zydis.h>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <memory>
#include <string>

using namespace glassbox;
using namespace glassbox::conformance;

namespace {

constexpr u32 ram_size = 1u << 20, code_at = 0x1'0000, data_at = 0x4'0000, data_size = 0x1'0000, idt_at = 0x8000,
              handler_at = 0x9000;
constexpr u16 code_selector = 8, data_selector = 16;

/// Protected mode at level 0 without paging; every exception goes to a HLT.
struct Board : Machine {
    Board() : Machine(ram_size, "max") {}
    void write_tables() {
        put<u64>(0x1000 + code_selector, 0x00CF'9B00'0000'FFFF);
        put<u64>(0x1000 + data_selector, 0x00CF'9300'0000'FFFF);
        for (u32 v = 0; v < 256; ++v) {
            put<u64>(idt_at + 8 * v, (handler_at & 0xFFFF) | u64{code_selector} << 16 | u64{0x8E00} << 32);
        }
        const u8 hlt = 0xF4;
        memory.write_block(PhysAddress{handler_at}, {&hlt, 1});
    }
    void start(std::span<const u8> code, u32 at, bool code32, const std::array<u32, 8>& gpr, u32 flags) {
        write_tables();
        reset_state(cpu);
        cpu.cr0 = cr0::PE | cr0::ET;
        cpu.gdtr = {0x1000, 0xFF};
        cpu.idtr = {idt_at, 0x7FF};
        constexpr u32 rights = Segment::G | Segment::DB | Segment::P | Segment::S | Segment::accessed;
        for (unsigned name = 0; name < 6; ++name) {
            Segment& s = cpu.seg[name];
            s.selector = name == CS ? code_selector : data_selector;
            s.access = rights | Segment::writable | (name == CS ? Segment::code : 0);
            s.base = name == GS ? data_at : 0;
            s.limit = name == GS ? 0xFFFF : ~u32{0};
            s.update(false);
        }
        if (!code32) {
            cpu.seg[CS].base = code_at;
            cpu.seg[SS].base = data_at;
            for (const unsigned name : {CS, SS}) {
                cpu.seg[name].access &= ~(Segment::DB | Segment::G);
                cpu.seg[name].limit = 0xFFFF;
                cpu.seg[name].update(false);
            }
        }
        cpu.update_mode();
        cpu.flush_tlb(false);
        memory.write_block(PhysAddress{code_at + at}, code);
        for (u32 i = 0; i < data_size; i += 8) put<u64>(data_at + i, u64{i} * 0x9E37'79B9'7F4A'7C15);
        for (unsigned i = 0; i < 8; ++i) cpu.set_r32(static_cast<Gpr>(i), gpr[i]);
        cpu.set_full_eflags(flags);
        cpu.ip = code32 ? code_at + at : at;
    }
    /// To the HLT or for `most` instructions exactly; `piece`: how many instructions a slice has.
    void run(u64 piece, u64 most) {
        const u64 end = scheduler.instructions() + most;
        for (unsigned i = 0;
             i < 2 * most && (!cpu.halted || cpu.wake_pending()) && !cpu.shutdown && scheduler.instructions() < end;
             ++i)
            cpu.run(std::min(piece, end - scheduler.instructions()));
    }
};

struct State {
    std::array<u64, 8> gpr{};
    u64 ip = 0, instructions = 0;
    u32 eflags = 0;
    bool halted = false;
    std::vector<u8> memory;
    bool operator==(const State&) const = default;
};
State state_of(Board& b, u64 start) {
    State s;
    for (unsigned i = 0; i < 8; ++i) s.gpr[i] = b.cpu.gpr[i];
    s.ip = b.cpu.ip;
    s.instructions = b.scheduler.instructions() - start;
    s.eflags = b.cpu.full_eflags();
    s.halted = b.cpu.halted;
    const auto ram = b.ram();
    s.memory.assign(ram.begin() + data_at - 0x1000, ram.begin() + data_at + data_size + 0x1000);
    s.memory.insert(s.memory.end(), ram.begin() + code_at, ram.begin() + code_at + 0x2000);
    return s;
}

std::vector<const Row*> candidates() {
    std::vector<const Row*> rows;
    for (const auto family :
         {families::alu(), families::move(), families::shift(), families::muldiv(), families::bit(), families::bcd(),
          families::flagops(), families::stack(), families::string(), families::branch()}) {
        for (const Row& row : family) {
            const bool relative = (row.attributes & attr::branch) != 0;
            const bool indirect = !relative && (row.attributes & attr::ends_block) != 0;
            const bool port = (row.attributes & attr::string) && row.at.opcode >= 0x6C && row.at.opcode <= 0x6F;
            const bool elsewhere = (row.attributes & attr::only_64) != 0;
            if (!indirect && !port && !elsewhere) rows.push_back(&row);
        }
    }
    return rows;
}

std::vector<u8> instruction(const Row& row, Random& random, bool code32) {
    conformance::Encoding e;
    e.reg = static_cast<u8>(random.below(8));
    if (e.reg == RSP) e.reg = RAX;
    e.mod = 3;
    e.rm = static_cast<u8>(random.below(8));
    if (e.rm == RSP) e.rm = RBX;
    e.opsize_prefix = random.chance(5) && !(row.attributes & attr::branch);
    e.immediate = u64{biased(random)} | u64{biased(random)} << 32;
    const bool relative = (row.attributes & attr::branch) != 0;
    if (relative) e.immediate = random.below(12); // forwards, perhaps into the middle of an instruction
    if (row.at.map == 0 && row.at.opcode == 0xC8) e.immediate = random.below(64) | u64{random.below(4)} << 16;
    if (has_modrm(row) && (row.at.mod == Mod::memory || (row.at.mod == Mod::any && random.chance(3)))) {
        if (!code32 || random.chance(3)) { // relative to GS, 16 bits wide: always within reach
            e.segment = 0x65;
            e.addrsize_prefix = code32;
            e.mod = static_cast<u8>(random.below(3));
        } else {
            e.mod = 0;
            e.rm = 5;
        }
        const bool code = code32 && random.chance(6); // self-modifying: not far ahead, or behind
        e.displacement = code ? code_at + 0xFC0 + random.below(0xC0) : data_at + random.below(data_size - 16);
    }
    if (row.attributes & attr::string) e.rep = random.chance(2) ? 0xF3 : 0;
    for (const Arg a : row.args) {
        if (a != Arg::Ob && a != Arg::Ov) continue;
        e.displacement = (code32 ? data_at : 0) + random.below(data_size - 16);
        if (!code32) e.segment = 0x65;
    }
    auto bytes = encode(row, e, code32);
    if (e.rep) bytes.insert(bytes.begin(), {0x83, 0xE1, 0x1F}); // AND ECX, 31
    return bytes;
}

std::string text_of(std::span<const u8> code, bool code32) {
    std::string text;
    for (std::size_t at = 0; at < code.size();) {
        ZydisDisassembledInstruction i;
        if (!ZYAN_SUCCESS(ZydisDisassembleIntel(code32 ? ZYDIS_MACHINE_MODE_LEGACY_32 : ZYDIS_MACHINE_MODE_LEGACY_16,
                                                code_at + at, code.data() + at, code.size() - at, &i)))
            break;
        char line[200];
        std::snprintf(line, sizeof line, "\n  %05zx %s", code_at + at, i.text);
        text += line;
        at += i.info.length;
    }
    return text;
}
std::string text_of(const State& s) {
    char text[300];
    std::snprintf(text, sizeof text,
                  "\n   a %llx c %llx d %llx b %llx sp %llx bp %llx si %llx di %llx ip %llx flags %x count %llu",
                  static_cast<unsigned long long>(s.gpr[0]), static_cast<unsigned long long>(s.gpr[1]),
                  static_cast<unsigned long long>(s.gpr[2]), static_cast<unsigned long long>(s.gpr[3]),
                  static_cast<unsigned long long>(s.gpr[4]), static_cast<unsigned long long>(s.gpr[5]),
                  static_cast<unsigned long long>(s.gpr[6]), static_cast<unsigned long long>(s.gpr[7]),
                  static_cast<unsigned long long>(s.ip), s.eflags, static_cast<unsigned long long>(s.instructions));
    return text;
}

u64 setting(const char* name, u64 otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 0) : otherwise;
}

} // namespace

TEST_CASE("the shape of blocks changes nothing") {
    const auto rows = candidates();
    Random random(setting("GLASSBOX_BLOCK_SEED", 1));
    const u64 rounds = setting("GLASSBOX_BLOCK_CASES", 4000);
    const auto boards = std::array{std::make_unique<Board>(), std::make_unique<Board>(), std::make_unique<Board>()};
    boards[2]->cpu.observer = [](Cpu&) {}; // takes the road of a debugger
    unsigned wrong = 0;
    u64 executed = 0;
    for (u64 round = 0; round < rounds; ++round) {
        std::vector<u8> code;
        const bool code32 = !random.chance(3);
        const u32 at = random.chance(2) ? 0 : 0xFC0 + random.below(0x40); // across a page
        const unsigned length = 2 + random.below(40);
        for (unsigned i = 0; i < length; ++i) {
            const auto bytes = instruction(*rows[random.below(static_cast<u32>(rows.size()))], random, code32);
            code.insert(code.end(), bytes.begin(), bytes.end());
        }
        code.insert(code.end(), 48, 0xF4);
        std::array<u32, 8> gpr;
        for (u32& g : gpr) g = biased(random);
        gpr[RSP] = gpr[RBP] = data_at + 0x8000;
        gpr[RSI] = data_at + 0x2000 + random.below(0x1000);
        gpr[RDI] = data_at + 0x3000 + random.below(0x1000);
        gpr[RCX] = random.below(64);
        const u32 flags = 2 | (static_cast<u32>(random.next()) & eflags::arithmetic);
        const u64 pieces[3] = {1'000'000, 1, 1 + random.below(9)};
        std::array<State, 3> states;
        for (unsigned i = 0; i < 3; ++i) {
            const u64 start = boards[i]->scheduler.instructions();
            boards[i]->start(code, at, code32, gpr, flags);
            boards[i]->run(pieces[i], 2000);
            states[i] = state_of(*boards[i], start);
        }
        executed += states[0].instructions;
        for (unsigned i = 1; i < 3; ++i) {
            if (states[0] == states[i]) continue;
            if (wrong++ < 4)
                MESSAGE("round " << round << ", pieces of " << pieces[i] << text_of(states[0]) << text_of(states[i])
                                 << (states[0].memory != states[i].memory ? "\n  memory differs" : "")
                                 << text_of(code, code32));
        }
    }
    MESSAGE(rounds << " sequences, " << executed << " instructions");
    CHECK(wrong == 0);
}
