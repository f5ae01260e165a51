#include "tests/x86-conformance/moo/format.hpp"

namespace glassbox::conformance::moo {

namespace {

/// Takes bytes from the front of a chunk. Once something was wrong it yields nothing and stays so; the first problem is
/// the one that is kept.
class Input {
  public:
    Input(std::span<const u8> data, u64 offset, Problem& problem) : data_(data), offset_(offset), problem_(problem) {}

    bool good() const { return problem_.reason.empty(); }
    bool empty() const { return data_.empty(); }
    u64 offset() const { return offset_; }
    std::size_t left() const { return data_.size(); }
    bool fail(u64 offset, std::string reason) {
        if (good()) problem_ = {offset, std::move(reason)};
        data_ = {};
        return false;
    }
    std::span<const u8> take(std::size_t size, const char* what) {
        if (size > data_.size()) {
            if (good())
                fail(offset_, std::string(what) + " takes " + std::to_string(size) + " bytes, its chunk has " +
                                  std::to_string(data_.size()) + " left");
            return {};
        }
        const auto front = data_.first(size);
        data_ = data_.subspan(size);
        offset_ += size;
        return front;
    }
    u32 number(unsigned width, const char* what) {
        u32 value = 0;
        const auto bytes = take(width, what);
        for (std::size_t i = 0; i < bytes.size(); ++i) value |= u32{bytes[i]} << (8 * i);
        return value;
    }
    Input chunk(u32& tag) {
        tag = number(4, "a chunk's tag");
        const u32 size = number(4, "a chunk's length");
        const u64 at = offset_;
        return {take(size, "a chunk"), at, problem_};
    }

  private:
    std::span<const u8> data_;
    u64 offset_;
    Problem& problem_;
};

constexpr u32 tag_of(const char (&text)[5]) {
    u32 tag = 0;
    for (unsigned i = 0; i < 4; ++i) tag |= static_cast<u32>(static_cast<u8>(text[i])) << (8 * i);
    return tag;
}

std::string_view text_of(std::span<const u8> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

constexpr u8 order_16[] = {reg::eax, reg::ebx, reg::ecx, reg::edx, reg::cs,  reg::ss,  reg::ds,
                           reg::es,  reg::esp, reg::ebp, reg::esi, reg::edi, reg::eip, reg::eflags};
constexpr u32 shutdown_16 = 0x8000, shutdown_32 = 0x8000'0000; // alone in the mask: the processor shut down

bool read_16(Input& in, Registers& registers, bool* shutdown) {
    const u64 at = in.offset();
    const u32 mask = in.number(2, "a register mask");
    if (mask == shutdown_16 && shutdown) return *shutdown = true;
    if (mask >> std::size(order_16)) return in.fail(at, "a register mask has bits for registers that there are not");
    registers.wide = false;
    for (unsigned i = 0; i < std::size(order_16); ++i) {
        if (!(mask >> i & 1)) continue;
        registers.present |= u32{1} << order_16[i];
        registers.value[order_16[i]] = in.number(2, "a register");
    }
    return in.good();
}

bool read_32(Input& in, Registers& registers, bool* shutdown) {
    const u64 at = in.offset();
    const u32 mask = in.number(4, "a register mask");
    if (mask == shutdown_32 && shutdown) return *shutdown = true;
    if (mask >> reg::count) return in.fail(at, "a register mask has bits for registers that there are not");
    registers.wide = true;
    registers.present = mask;
    for (unsigned i = 0; i < reg::count; ++i) {
        if (mask >> i & 1) registers.value[i] = in.number(4, "a register");
    }
    return in.good();
}

bool read_ram(Input& in, RamList& list) {
    const u64 at = in.offset();
    const u32 count = in.number(4, "the number of memory entries");
    const u64 offset = in.offset();
    if (!in.good()) return false;
    if (count > in.left() / RamList::entry_size)
        return in.fail(at, std::to_string(count) + " memory entries do not fit into a chunk with " +
                               std::to_string(in.left()) + " bytes left");
    list = RamList(in.take(count * RamList::entry_size, "memory entries"), offset);
    return true;
}

bool read_cycles(Input& in, CycleList& list) {
    const u64 at = in.offset();
    const u32 count = in.number(4, "the number of bus cycles");
    if (!in.good()) return false;
    if (count > in.left() / CycleList::entry_size)
        return in.fail(at, std::to_string(count) + " bus cycles do not fit into a chunk with " +
                               std::to_string(in.left()) + " bytes left");
    list = CycleList(in.take(count * CycleList::entry_size, "bus cycles"));
    return true;
}

bool read_state(Input& in, State& state) {
    bool registers = false;
    const u64 start = in.offset();
    while (in.good() && !in.empty()) {
        u32 tag = 0;
        Input body = in.chunk(tag);
        if (!in.good()) return false;
        switch (tag) {
        case tag_of("REGS"): registers = read_16(body, state.registers, &state.shutdown); break;
        case tag_of("RG32"): registers = read_32(body, state.registers, &state.shutdown); break;
        case tag_of("RMSK"): read_16(body, state.mask, nullptr); break;
        case tag_of("RM32"): read_32(body, state.mask, nullptr); break;
        case tag_of("RAM "): read_ram(body, state.ram); break;
        default: break; // QUEU and EA32 say nothing that a case without cycles needs
        }
    }
    return in.good() && (registers || in.fail(start, "a state has no REGS or RG32 chunk"));
}

/// What every initial state has to say.
bool check_initial(Input& in, const State& state, u64 offset) {
    constexpr u32 needed_16 = [] {
        u32 bits = 0;
        for (const u8 name : order_16) bits |= u32{1} << name;
        return bits;
    }();
    constexpr u32 needed_32 = needed_16 | 1u << reg::fs | 1u << reg::gs;
    if (state.shutdown) return in.fail(offset, "the initial state is a shutdown");
    const u32 needed = state.registers.wide ? needed_32 : needed_16;
    if ((state.registers.present & needed) != needed) return in.fail(offset, "the initial state lacks registers");
    return true;
}

} // namespace

std::optional<Header> parse_header(std::span<const u8> body, u64 offset, Problem& problem) {
    Input in(body, offset, problem);
    Header header;
    header.major = static_cast<u8>(in.number(1, "the version"));
    header.minor = static_cast<u8>(in.number(1, "the version"));
    in.number(2, "the header");
    header.cases = in.number(4, "the number of tests");
    header.cpu = text_of(in.take(4, "the processor's name"));
    while (!header.cpu.empty() && (header.cpu.back() == ' ' || header.cpu.back() == '\0')) header.cpu.pop_back();
    if (in.good() && header.major != 1) in.fail(offset, "version " + std::to_string(header.major) + " is not known");
    if (!in.good()) return {};
    return header;
}

bool parse_case(std::span<const u8> body, u64 offset, Case& result, Problem& problem) {
    Input in(body, offset, problem);
    result = {};
    result.offset = offset;
    result.index = in.number(4, "a test's index");
    u64 initial = 0, final = 0; // where they are
    while (in.good() && !in.empty()) {
        u32 tag = 0;
        Input chunk = in.chunk(tag);
        if (!in.good()) return false;
        switch (tag) {
        case tag_of("NAME"): {
            const u32 size = chunk.number(4, "the length of the name");
            result.name = text_of(chunk.take(size, "the name"));
            break;
        }
        case tag_of("BYTS"): {
            const u32 size = chunk.number(4, "the number of instruction bytes");
            result.bytes = chunk.take(size, "the instruction");
            break;
        }
        case tag_of("INIT"):
            initial = chunk.offset();
            if (read_state(chunk, result.initial)) check_initial(chunk, result.initial, initial);
            break;
        case tag_of("FINA"):
            final = chunk.offset();
            read_state(chunk, result.final);
            break;
        case tag_of("EXCP"):
            result.exception = ExceptionTaken{static_cast<u8>(chunk.number(1, "the exception's number")),
                                              chunk.number(4, "the address of the flags")};
            break;
        case tag_of("CYCL"): read_cycles(chunk, result.cycles); break;
        case tag_of("HASH"): result.hash = chunk.take(20, "the hash"); break;
        default: break; // GMET and what later versions may add
        }
    }
    if (in.good() && !initial) in.fail(offset, "a test has no INIT chunk");
    if (in.good() && !final) in.fail(offset, "a test has no FINA chunk");
    if (in.good() && result.bytes.empty()) in.fail(offset, "a test has no instruction bytes");
    return in.good();
}

bool parse_mask(std::string_view tag, std::span<const u8> body, u64 offset, Registers& result, Problem& problem) {
    Input in(body, offset, problem);
    return tag == "RM32" ? read_32(in, result, nullptr) : read_16(in, result, nullptr);
}

} // namespace glassbox::conformance::moo
