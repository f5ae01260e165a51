#include "tests/x86-conformance/coverage/universe.hpp"

#include "cpu/block/build.hpp"
#include "cpu/decode/decoder.hpp"
#include "cpu/decode/reference.hpp"
#include "cpu/exec.hpp"
#include "cpu/ops/fused.hpp"
#include "cpu/ops/pairs.hpp"
#include "debugger/disassembly.hpp"
#include "debugger/hex.hpp"

#include <algorithm>

namespace glassbox::conformance {

namespace {

/// The newest first: examples are from the first model that has the variant.
constexpr const char* models[] = {"max", "386", "286", "8086"};

/// All combinations of the mode bits that selectors look at, the commonest first, and real mode.
std::vector<u32> all_modes() {
    constexpr u32 flat = mode::flat_ds | mode::flat_es | mode::flat_ss;
    constexpr u32 parts[] = {mode::code32, mode::stack32, flat, mode::big_cs};
    std::vector<u32> modes;
    for (unsigned off = 0; off < 16; ++off) {
        u32 bits = mode::protected_mode;
        for (unsigned i = 0; i < 4; ++i) bits |= (off >> i & 1) ? 0 : parts[i];
        modes.push_back(bits);
    }
    modes.push_back(0);
    return modes;
}

struct ModRm {
    u8 modrm, sib;
};
/// Registers in all combinations; memory by base alone, by base and index, by displacement alone.
std::vector<ModRm> all_modrm() {
    std::vector<ModRm> list;
    for (unsigned reg = 0; reg < 8; ++reg) {
        const auto of = [&](unsigned mod, unsigned rm) { return static_cast<u8>(mod << 6 | reg << 3 | rm); };
        list.push_back({of(1, 3), 0});
        list.push_back({of(0, 4), 0x8B}); // [ebx+ecx*4]
        list.push_back({of(0, 5), 0});
        for (const unsigned rm : {3u, 1u, 2u, 0u, 4u, 5u, 6u, 7u}) list.push_back({of(3, rm), 0});
    }
    return list;
}

struct Prefixes {
    bool opsize, addrsize;
    u8 rep;
};

/// Whether the row can be meant with these, and differently than without them.
bool worth_trying(const Row& row, const Prefixes& prefixes) {
    switch (row.at.mandatory) {
    case Mandatory::any: break;
    case Mandatory::none: return !prefixes.opsize && !prefixes.rep;
    case Mandatory::p66: return prefixes.opsize && !prefixes.rep;
    case Mandatory::pF3: return prefixes.rep == 0xF3;
    case Mandatory::pF2: return prefixes.rep == 0xF2;
    case Mandatory::no_rep: return !prefixes.rep;
    }
    // The 8086's repetition prefixes also change the sign of products and quotients.
    return !prefixes.rep || (row.attributes & attr::string) || row.feature == Feature::only_8086;
}

/// `rest` fills displacements and immediates.
Example encode(const Row& row, const Prefixes& prefixes, const ModRm& operand, u8 rest) {
    Example e;
    std::size_t n = 0;
    const auto put = [&](u8 byte) { e.bytes[n++] = byte; };
    e.bytes.fill(rest);
    if (prefixes.opsize) put(0x66);
    if (prefixes.addrsize) put(0x67);
    if (prefixes.rep) put(prefixes.rep);
    if (row.at.map >= 1) put(0x0F);
    if (row.at.map == 2) put(0x38);
    if (row.at.map == 3) put(0x3A);
    put(row.at.opcode);
    put(operand.modrm);
    if (operand.sib) put(operand.sib);
    return e;
}

bool has_immediate(const Row& row) {
    return std::ranges::any_of(row.args,
                               [](Arg a) { return a == Arg::Ib || a == Arg::Iz || a == Arg::Ibs || a == Arg::Jz; });
}

/// Whether the block builder can have found these dead and those live: flags are dead when they are all overwritten
/// before anything reads them or may fault.
bool possible_neighbours(const Insn& first, const Insn& second) {
    const OpInfo &a = *first.row->info, &b = *second.row->info;
    const u32 flags = a.writes | a.undefined;
    if (!flags) return true;
    if (can_fault(second) || (b.reads & flags)) return !first.flags_dead;
    const bool overwritten = (flags & ~(b.writes | b.undefined)) == 0;
    return !overwritten || first.flags_dead;
}

std::string hex_of(const Example& e) { return hex_bytes({e.bytes.data(), e.length}, true); }

} // namespace

std::string Example::text() const {
    const unsigned bits = (insn.mode & mode::code32) ? 32 : 16;
    std::string text = hex_of(*this) + "  " + disassemble({bytes.data(), length}, bits, 0).text + "  (" +
                       std::to_string(bits) + "-bit";
    const auto note = [&](bool on, const char* what) {
        if (on) text += std::string(", ") + what;
    };
    note(!(insn.mode & mode::protected_mode), "real mode");
    note((insn.mode & mode::stack32) != 0, "32-bit stack");
    note((insn.mode & mode::flat_ds) != 0, "flat");
    note((insn.mode & mode::big_cs) != 0, "4 GiB CS");
    note(insn.flags_dead, "flags dead");
    note(insn.in_page, "target in page");
    note(model && std::string_view(model) != "max", model);
    return text + ")";
}

std::string Variant::text() const {
    if (!second.length) return first.text();
    return first.text() + " then " + hex_of(second) + (second.insn.in_page ? " (in page)" : "") +
           (second.insn.flags_dead ? " (flags dead)" : "");
}

const Universe& Universe::instance() {
    static const Universe universe;
    return universe;
}

Universe::Universe() {
    for (const Row* row : all_rows()) {
        bool found = false;
        for (const char* model : models) found |= enumerate(*row, model);
        (found ? rows_ : unreachable_rows_).push_back(row);
        if (found) row_index_[row] = rows_.size() - 1;
    }
    add_fused();
    add_pairs();
}

std::size_t Universe::find(const Row* row, Handler handler) const {
    auto found = index_.find({row, handler});
    if (found == index_.end()) found = index_.find({nullptr, handler});
    return found == index_.end() ? none : found->second;
}
std::size_t Universe::find_row(const Row* row) const {
    const auto found = row_index_.find(row);
    return found == row_index_.end() ? none : found->second;
}

void Universe::add(const Key& key, const Example& first, const Example& second) {
    if (!index_.emplace(key, variants_.size()).second) return;
    variants_.push_back({first.insn.row, key.handler, first, second});
}

/// What the block builder adds to an instruction: whether its flags matter, and where its target is.
void Universe::add_selections(const Row& row, Example& example) {
    const bool may_be_dead = (row.info->writes | row.info->undefined) != 0 && !(row.attributes & attr::ends_block);
    const bool near = (row.attributes & attr::branch) && example.insn.imm < 0x80;
    for (const bool dead : {false, true}) {
        if (dead && !may_be_dead) continue;
        for (const bool in_page : {false, true}) {
            if (in_page && !near) continue;
            example.insn.flags_dead = dead;
            example.insn.in_page = in_page;
            Op op{};
            fill_operands(example.insn, op);
            if (const Handler handler = row.select(example.insn, op)) add({&row, handler}, example);
        }
    }
}

/// False when the model does not have the row.
bool Universe::enumerate(const Row& row, const char* model) {
    static const std::vector<u32> modes = all_modes();
    static const std::vector<ModRm> operands = all_modrm();
    const CpuModel& cpu = *find_cpu_model(model);
    if (!cpu.features.has(row.feature)) return false;
    const bool wide = cpu.features.has(Feature::i386);
    bool found = false;
    for (const u32 bits : modes) {
        if (!wide && (bits & ~mode::protected_mode)) continue; // no limit beyond 64 KiB, no D bit
        if (!cpu.features.has(Feature::i286) && bits != 0) continue;
        for (unsigned p = 0; p < 12; ++p) {
            constexpr u8 reps[] = {0, 0xF3, 0xF2};
            const Prefixes prefixes{(p & 1) != 0, (p & 2) != 0, reps[p >> 2]};
            if (!worth_trying(row, prefixes) || (!wide && (prefixes.opsize || prefixes.addrsize))) continue;
            for (const ModRm& operand : operands)
                found |= try_operand(row, model, bits, encode(row, prefixes, operand, 1));
            if (!has_immediate(row)) continue; // shifts by nothing, branches that stay near
            for (const ModRm& operand : operands)
                found |= try_operand(row, model, bits, encode(row, prefixes, operand, 0));
        }
    }
    return found;
}

bool Universe::try_operand(const Row& row, const char* model, u32 mode_bits, Example example) {
    const DecodeStatus status = decode(example.bytes, mode_bits, find_cpu_model(model)->features, example.insn);
    if (status != DecodeStatus::ok || example.insn.row != &row) return false;
    example.length = example.insn.length;
    example.model = model;
    add_selections(row, example);
    return true;
}

/// What sets flags and the conditional jump after it.
void Universe::add_fused() {
    const CpuModel& cpu = *find_cpu_model("max");
    const std::size_t plain = variants_.size();
    for (std::size_t i = 0; i < plain; ++i) {
        const Example first = variants_[i].first;
        if (first.insn.flags_dead) continue;
        for (unsigned n = 0; n < 32; ++n) {
            Example jump;
            jump.bytes = {static_cast<u8>(0x70 + n / 2), 1};
            if (decode(jump.bytes, first.insn.mode, cpu.features, jump.insn) != DecodeStatus::ok) continue;
            jump.length = jump.insn.length;
            jump.insn.in_page = n % 2 == 0;
            if (const Handler both = fuse_with_jump(first.insn, jump.insn)) add({nullptr, both}, first, jump);
        }
    }
}

/// Neighbours with one handler.
void Universe::add_pairs() {
    std::vector<Example> members;
    std::vector<Handler> handlers;
    for (const Variant& v : variants_) {
        if (v.second.length || !pair_of(v.handler, v.handler) || std::ranges::count(handlers, v.handler)) continue;
        handlers.push_back(v.handler);
        members.push_back(v.first);
    }
    for (std::size_t a = 0; a < members.size(); ++a) {
        for (std::size_t b = 0; b < members.size(); ++b) {
            if (!possible_neighbours(members[a].insn, members[b].insn)) continue;
            if (const Handler both = pair_of(handlers[a], handlers[b])) add({nullptr, both}, members[a], members[b]);
        }
    }
}

} // namespace glassbox::conformance
