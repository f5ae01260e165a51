// Tiny guests under lint: real-mode code at 1000h of a whole board, or flat 32-bit code.
#pragma once

#include "cpu/system/system.hpp"
#include "debugger/lint/lint.hpp"
#include "machine/board.hpp"
#include "machine/machine.hpp"

#include <doctest/doctest.h>
#include <memory>
#include <string>
#include <vector>

namespace glassbox::lint_test {

struct Guest {
    std::unique_ptr<Machine> machine;
    std::vector<std::string> heard;
    std::unique_ptr<Lint> lint;

    explicit Guest(const char* model = "max", unsigned processors = 1) {
        MachineConfig config;
        config.memory_bytes = 16 << 20;
        config.cpu_model = model;
        config.processors = processors;
        auto made = Machine::create(config, {});
        REQUIRE_MESSAGE(made.has_value(), made.error().message);
        machine = std::move(*made);
        lint = std::make_unique<Lint>(*machine, [this](const LintWarning& w) { heard.push_back(Lint::to_text(w)); });
        cpu().reset_now();
        real();
    }
    Cpu& cpu() { return machine->cpu(0); }
    void write(u64 at, const std::vector<u8>& bytes) { machine->board().memory.write_block(PhysAddress{at}, bytes); }
    void write32(u64 at, u32 value) {
        write(at, {static_cast<u8>(value), static_cast<u8>(value >> 8), static_cast<u8>(value >> 16),
                   static_cast<u8>(value >> 24)});
    }
    /// As a firmware's loader would.
    void fill(u64 at, u64 size) { write(at, std::vector<u8>(size, 0)); }

    void real() {
        for (Segment& s : cpu().seg) s.load_real(0);
        cpu().set_r32(RSP, 0x8000);
        cpu().update_mode();
    }
    /// Flat segments, level 0, 32 bits.
    void flat() { flat(cpu()); }
    static void flat(Cpu& cpu) {
        cpu.cr0 |= cr0::PE;
        for (const unsigned name : {ES, CS, SS, DS, FS, GS}) {
            Segment& s = cpu.seg[name];
            s.base = 0;
            s.limit = 0xFFFF'FFFF;
            s.access = Segment::P | Segment::S | Segment::writable | Segment::accessed | Segment::DB | Segment::G |
                       (name == CS ? Segment::code : 0);
            s.update(false);
        }
        cpu.cpl = 0;
        cpu.update_mode();
    }
    /// Executes `count` instructions of these bytes.
    void run(const std::vector<u8>& code, u64 count, u64 at = 0x1000) {
        write(at, code);
        cpu().ip = at;
        go(count);
    }
    void go(u64 count) { machine->run(never, machine->instructions() + count); }

    u64 count(LintKind kind) const {
        u64 n = 0;
        for (const LintWarning& w : lint->warnings()) n += w.kind == kind ? w.count : 0;
        return n;
    }
    /// The only warning there is, and it is of this kind.
    std::string only(LintKind kind) const {
        INFO(lint->summary());
        REQUIRE(lint->warnings().size() == 1);
        CHECK(lint->warnings()[0].kind == kind);
        return lint->warnings()[0].text;
    }
    bool quiet() const {
        INFO(lint->summary());
        CHECK(lint->warnings().empty());
        return lint->warnings().empty();
    }
};

/// 32-bit paging: the first 4 MiB as they are, but for 30'0000h, which is 2'0000h, and 30'1000h, which is 1000h.
struct Paged : Guest {
    static constexpr u32 directory = 0x1'0000, table = 0x1'1000, entry = table + 0x300 * 4;
    explicit Paged(unsigned processors = 1, u32 rights = 7) : Guest("max", processors) {
        fill(0x2'0000, 0x4000);
        fill(0x7F00, 0x100);
        fill(0x10'0000, 0x1000);
        fill(directory, 0x1000);
        write32(directory, table | 7);
        for (u32 i = 0; i < 1024; ++i) write32(table + 4 * i, i << 12 | 7);
        write32(entry, 0x2'0000 | rights);
        write32(entry + 4, 0x1000 | 7);
        flat();
        page(cpu());
        cpu().gpr[RAX] = 0x2'1000 | rights;
    }
    static void page(Cpu& cpu) {
        cpu.cr3 = directory;
        cpu.cr0 |= cr0::PG | cr0::WP;
        cpu.flush_tlb(false);
        cpu.update_mode();
        cpu.gpr[RBX] = 0x30'0000;
        cpu.gpr[RDI] = entry;
        cpu.gpr[RSI] = directory;
    }
};

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace glassbox::lint_test
