#include "tests/x86-conformance/coverage/universe.hpp"

#include "cpu/block/build.hpp"
#include "cpu/decode/decoder.hpp"
#include "cpu/decode/reference.hpp"
#include "cpu/exec.hpp"
#include "cpu/ops/fused.hpp"
#include "cpu/ops/pairs.hpp"
#include "debugger/disassembly.hpp"
#include "debugger/hex.hpp"
#include "tests/x86-conformance/coverage/encodings.hpp"

#include <algorithm>

namespace glassbox::conformance {

namespace {

/// Examples are from the first of these that has the row. `max` has all but what is peculiar to the processors before
/// the Pentium, and what 0F 0D is before PREFETCHW.
constexpr const char* models[] = {"max", "haswell", "386", "286", "8086"};

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
    const unsigned bits = insn.code64() ? 64 : (insn.mode & mode::code32) ? 32 : 16;
    std::string text = hex_of(*this) + "  " + disassemble({bytes.data(), length}, bits, 0).text + "  (" +
                       std::to_string(bits) + "-bit";
    const auto note = [&](bool on, const char* what) {
        if (on) text += std::string(", ") + what;
    };
    note(!(insn.mode & mode::protected_mode), "real mode");
    if (!insn.code64()) {
        note((insn.mode & mode::stack32) != 0, "32-bit stack");
        note((insn.mode & mode::flat_ds) != 0, "flat");
        note((insn.mode & mode::big_cs) != 0, "4 GiB CS");
    }
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
        for (const char* model : models) found = found || enumerate(*row, model);
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
            const Handler handler = row.select(example.insn, op);
            if (!handler) continue;
            add({&row, handler}, example);
            remember_neighbour(example, handler);
        }
    }
}

/// False when the model does not have the row.
bool Universe::enumerate(const Row& row, const char* model) {
    const CpuModel& cpu = *find_cpu_model(model);
    if (!cpu.features.has(row.feature)) return false;
    const bool wide = cpu.features.has(Feature::i386);
    const std::vector<OperandBytes> operands = operands_for(row);
    bool found = false;
    for (const u32 bits : modes_of(row)) {
        if (!wide && (bits & ~mode::protected_mode)) continue; // no limit beyond 64 KiB, no D bit
        if (!cpu.features.has(Feature::i286) && bits != 0) continue;
        if ((bits & mode::long64) && !cpu.features.has(Feature::long_mode)) continue;
        if (row.attributes & ((bits & mode::long64) ? attr::not_in_64 : attr::only_64)) continue;
        const Context context{row, model, cpu.features, bits};
        for (const OpcodeBytes& opcode : opcodes_of(row, bits, wide)) {
            found |= try_operands(context, opcode, operands, 1);
            if (has_immediate(row)) // shifts by nothing, branches that stay near
                found |= try_operands(context, opcode, operands, 0);
        }
    }
    return found;
}

bool Universe::try_operands(const Context& context, const OpcodeBytes& opcode,
                            const std::vector<OperandBytes>& operands, u8 rest) {
    constexpr unsigned enough_immediates = 12;
    bool found = false;
    unsigned tried = 0;
    for (const OperandBytes& operand : operands) {
        if (opcode.extended && !operand.plain) continue;
        Example example;
        example.bytes = put_together(context.row, opcode, operand, rest);
        const DecodeStatus status = decode(example.bytes, context.mode_bits, context.features, example.insn);
        if (status != DecodeStatus::ok || example.insn.row != &context.row) continue;
        found = true;
        example.length = example.insn.length;
        example.model = context.model;
        example.insn.ip = Example::address;
        resolve_absolute(example.insn);
        add_selections(context.row, example);
        if (!example.insn.has_modrm && ++tried == enough_immediates) break;
    }
    return found;
}

/// What sets flags and the conditional jump after it.
void Universe::add_fused() {
    const CpuModel& cpu = *find_cpu_model("max");
    const std::size_t plain = variants_.size();
    for (std::size_t i = 0; i < plain; ++i) {
        const Example first = variants_[i].first;
        const OpInfo& info = *first.insn.row->info;
        if (first.insn.flags_dead || !(info.writes | info.undefined)) continue;
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

/// The first example of each handler that does its work together with a neighbour, in 64-bit mode and elsewhere.
void Universe::remember_neighbour(const Example& example, Handler handler) {
    if (pair_of(handler, handler)) neighbours_[example.insn.code64()].emplace(handler, example);
}

/// Neighbours with one handler: in one mode.
void Universe::add_pairs() {
    for (const auto& of_mode : neighbours_) {
        for (const auto& [first, a] : of_mode) {
            for (const auto& [second, b] : of_mode) {
                if (!possible_neighbours(a.insn, b.insn)) continue;
                if (const Handler both = pair_of(first, second)) add({nullptr, both}, a, b);
            }
        }
    }
}

} // namespace glassbox::conformance
