// Every handler of the coverage report's universe runs, those that single instructions never get included: fused
// neighbours, dead flags, branches within a page. The reference is the same processor with every shortcut off (no
// fusing, no fast road to memory, all flags computed); from many states both must end in the same one. That each
// handler was really put into the block is checked, too.
#include "tests/x86-conformance/bare_machine.hpp"
#include "tests/x86-conformance/coverage/universe.hpp"

#include "cpu/block/cache.hpp"
#include "cpu/decode/reference.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

using namespace glassbox;
using namespace glassbox::conformance;

namespace {

constexpr u64 ram_bytes = 1 << 17;
constexpr u64 tables = ram_bytes - 3 * page_size; ///< of 64-bit mode
constexpr u32 code_page = 0x1000;
constexpr unsigned trials = 4, trials_of_conditions = 24;

struct Placed final : BlockObserver {
    void built(const Insn&, Handler handler) override { handlers.push_back(handler); }
    std::vector<Handler> handlers;
};

/// The bytes of a program and what it takes to run it.
struct Program {
    std::vector<u8> code;
    u32 start = code_page;
    u64 instructions = 1;
};

/// Targets and fall-throughs within the page, or both in the next one. Dead flags are overwritten at once.
Program program_for(const Variant& v) {
    Program program;
    const auto append = [&](const Example& e) {
        program.code.insert(program.code.end(), e.bytes.begin(), e.bytes.begin() + e.length);
    };
    append(v.first);
    if (v.second.length) append(v.second);
    const Insn& last = v.second.length ? v.second.insn : v.first.insn;
    const bool branch = (last.row->attributes & attr::branch) != 0;
    if (branch && !last.in_page) program.start = code_page + static_cast<u32>(page_size - program.code.size());
    program.instructions = v.second.length ? 2 : 1;
    const bool last_writes = v.second.length && (last.row->info->writes | last.row->info->undefined) != 0;
    if (last.flags_dead || (v.first.insn.flags_dead && !last_writes)) {
        program.code.insert(program.code.end(), {0x84, 0xC0}); // test al, al
        ++program.instructions;
    }
    program.code.insert(program.code.end(), 4, 0xF4);
    return program;
}

class Processor {
  public:
    Processor(const char* model, bool fuse) : machine_(ram_bytes, model) {
        EngineOptions options;
        options.fuse = fuse;
        machine_.cpu.set_engine(options);
        machine_.cpu.blocks->observe(&placed);
    }

    void load(const Program& program, Random random) {
        for (u64 at = 0; at < ram_bytes; at += 8) machine_.put<u64>(at, random.next());
        for (std::size_t i = 0; i < program.code.size(); ++i) machine_.put<u8>(program.start + i, program.code[i]);
        machine_.cpu.forget_blocks();
        placed.handlers.clear();
    }
    void run(const Program& program, const Insn& insn, Random random) {
        const u32 mode_bits = insn.mode;
        Cpu& cpu = machine_.cpu;
        reset_state(cpu);
        if (mode_bits & mode::protected_mode) cpu.cr0 = (cpu.cr0 & ~(cr0::EM | cr0::TS)) | cr0::PE;
        cpu.cr4 = cpu.model->cr4_bits & (cr4::OSFXSR | cr4::OSXMMEXCPT | cr4::OSXSAVE | cr4::FSGSBASE);
        if (cpu.cr4 & cr4::OSXSAVE) cpu.xcr0 = 7;
        if (insn.code64()) enter_long_mode();
        set_segments(cpu, mode_bits);
        for (unsigned i = 0; i < 16; ++i) {
            const bool exists = i < 8 || insn.code64();
            cpu.gpr[i] = exists ? static_cast<u32>(random.next() >> random.below(32)) : 0;
        }
        // Pointers, for most of the time.
        for (const Gpr pointer : {RBX, RSP, RBP, RSI, RDI}) cpu.gpr[pointer] = 0x4000 + random.below(0x8000);
        set_vectors(insn.code64() ? 16 : 8, random);
        cpu.gpr[RCX] = random.below(0x1000);
        set_operands(insn, random);
        cpu.set_full_eflags(static_cast<u32>(random.next()) & eflags::OSZAPC);
        cpu.flush_tlb(false);
        cpu.update_mode();
        cpu.ip = program.start;
        cpu.run(program.instructions);
    }
    std::vector<u8> state() {
        Archive archive = Archive::saver();
        machine_.cpu.persist(archive);
        return std::move(archive.bytes());
    }
    std::span<u8> ram() { return machine_.ram(); }

    Placed placed;

  private:
    /// Both operands near each other and near the edges, so that every condition comes out both ways.
    void set_operands(const Insn& insn, Random& random) {
        constexpr u32 edges[] = {0, 1, 0x7FFF'FFFF, 0x8000'0000, 0xFFFF'FFFF, 0x80, 0x7F};
        Cpu& cpu = machine_.cpu;
        const u32 immediate = static_cast<u32>(insn.imm);
        const u32 common = random.chance(2) ? immediate : edges[random.below(7)];
        const auto near_it = [&] {
            return random.chance(4) ? static_cast<u32>(random.next()) : common + random.below(3) - 1;
        };
        cpu.gpr[RAX] = near_it();
        cpu.gpr[RDX] = near_it();
        if (!insn.mem) {
            cpu.gpr[RBX] = near_it();
            return;
        }
        if (insn.absolute || insn.vsib) return;
        const u64 address = (cpu.gpr[insn.base / 8] + (cpu.gpr[insn.index / 8] << insn.scale) +
                             static_cast<u64>(static_cast<i64>(insn.disp)));
        if (address >= 2 * page_size && address + 4 <= ram_bytes) machine_.put<u32>(address, near_it());
    }
    /// Everything is where it is without paging.
    void enter_long_mode() {
        constexpr u64 present_writable = 3, large = 0x80;
        machine_.put<u64>(tables, (tables + page_size) | present_writable);
        machine_.put<u64>(tables + page_size, (tables + 2 * page_size) | present_writable);
        machine_.put<u64>(tables + 2 * page_size, present_writable | large | 0x60); // accessed and dirty
        Cpu& cpu = machine_.cpu;
        cpu.cr4 |= cr4::PAE;
        cpu.cr3 = tables;
        cpu.msrs.efer |= efer::LME | efer::LMA | efer::SCE;
        cpu.cr0 |= cr0::PG;
    }
    void set_vectors(unsigned count, Random& random) {
        SseState& sse = machine_.cpu.sse;
        sse = {};
        const bool wide = (machine_.cpu.cr4 & cr4::OSXSAVE) != 0;
        for (unsigned n = 0; n < count; ++n) {
            for (u64& q : sse.xmm(n).q) q = random.next();
            for (u64& q : sse.ymm_high(n).q) q = wide ? random.next() : 0;
        }
    }
    static void set_segments(Cpu& cpu, u32 mode_bits) {
        const bool real = !(mode_bits & mode::protected_mode);
        constexpr u32 flat = mode::flat_ds;
        for (unsigned i = 0; i < cpu.seg.size(); ++i) {
            Segment& s = cpu.seg[i];
            s.selector = 0;
            s.base = 0;
            const bool whole = i == CS ? (mode_bits & mode::big_cs) != 0 : (mode_bits & flat) != 0;
            s.limit = whole ? 0xFFFF'FFFF : real ? 0xFFFF : 0x1'FFFF;
            s.access = Segment::P | Segment::S | Segment::writable | Segment::accessed;
            if (i == CS) s.access |= Segment::code;
            const u32 wide = i == CS ? mode::code32 : mode::stack32;
            if (mode_bits & wide) s.access |= Segment::DB;
            if (i == CS && (mode_bits & mode::long64)) s.access = (s.access & ~Segment::DB) | Segment::L;
            s.update(real);
        }
    }
    Machine machine_;
};

/// The processors of one model: with all shortcuts, and with none.
struct Both {
    explicit Both(const char* model) : fast(model, true), plain(model, false) {}
    Processor fast, plain;
};

bool same_memory(Processor& a, Processor& b) { return std::ranges::equal(a.ram(), b.ram()); }

} // namespace

TEST_CASE("coverage: every handler runs, and does what the separate slow ones do") {
    const Universe& universe = Universe::instance();
    std::map<std::string, Both> processors;
    unsigned not_placed = 0;
    for (std::size_t n = 0; n < universe.variants().size(); ++n) {
        const Variant& v = universe.variants()[n];
        Both& both = processors.try_emplace(v.first.model, v.first.model).first->second;
        const Program program = program_for(v);
        INFO(encoding_of(*v.row), " ", v.row->info->mnemonic, ": ", v.text());
        both.fast.load(program, Random(n));
        both.plain.load(program, Random(n));
        const bool decides = v.second.length && (v.second.insn.row->attributes & attr::branch);
        for (unsigned trial = 0; trial < (decides ? trials_of_conditions : trials); ++trial) {
            const Random random = Random::of_case(1, "handlers", n * trials_of_conditions + trial);
            both.fast.run(program, v.first.insn, random);
            both.plain.run(program, v.first.insn, random);
            REQUIRE((both.fast.state() == both.plain.state()));
        }
        REQUIRE(same_memory(both.fast, both.plain));
        const bool placed = std::ranges::count(both.fast.placed.handlers, v.handler) != 0;
        if (!placed) {
            ++not_placed;
            MESSAGE("not placed: " << encoding_of(*v.row) << " " << v.row->info->mnemonic << ": " << v.text());
        }
    }
    CHECK(not_placed == 0);
}
