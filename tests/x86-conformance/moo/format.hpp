// MOO files ("Machine Opcode Operation"), versions 1.0 and 1.1: single instructions captured from processors, with the
// state before and after. The format is described in doc/moo_format_v1.md of github.com/dbalsom/moo; the collections
// are the SingleStepTests repositories. A file is chunks of {tag, length, body}, little-endian; unknown chunks are
// skipped by their length, as the description asks. Every length is checked: a damaged file is refused, with the offset
// of what is wrong, whatever it says.
#pragma once

#include "bus/types.hpp"

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace glassbox::conformance::moo {

/// The registers of a case, in the order of the 32-bit register chunks (RG32, RM32).
namespace reg {
enum : u8 { cr0, cr3, eax, ebx, ecx, edx, esi, edi, ebp, esp, cs, ds, es, fs, gs, ss, eip, eflags, dr6, dr7, count };
} // namespace reg

/// REGS or RG32, RMSK or RM32.
struct Registers {
    u32 present = 0; ///< bit N: value[N] was in the file
    bool wide = false;
    std::array<u32, reg::count> value{};
    bool has(unsigned name) const { return (present >> name & 1) != 0; }
};

/// Address and byte pairs, as they lie in the file.
class RamList {
  public:
    static constexpr std::size_t entry_size = 5;
    RamList() = default;
    RamList(std::span<const u8> entries, u64 offset) : data_(entries), offset_(offset) {}
    std::size_t size() const { return data_.size() / entry_size; }
    u32 address(std::size_t i) const {
        const u8* at = data_.data() + i * entry_size;
        return u32{at[0]} | u32{at[1]} << 8 | u32{at[2]} << 16 | u32{at[3]} << 24;
    }
    u8 byte(std::size_t i) const { return data_[i * entry_size + 4]; }
    /// Of the entry in the file.
    u64 offset(std::size_t i) const { return offset_ + i * entry_size; }

  private:
    std::span<const u8> data_;
    u64 offset_ = 0;
};

/// INIT or FINA.
struct State {
    Registers registers;
    Registers mask; ///< bits to compare, of the registers present
    RamList ram;
    bool shutdown = false; ///< the processor shut down: there are no registers
};

struct ExceptionTaken {
    u8 number = 0;
    u32 flags_address = 0; ///< where FLAGS were pushed
};

/// CYCL: what the bus did, cycle by cycle, as far as this suite looks.
class CycleList {
  public:
    static constexpr std::size_t entry_size = 15;
    CycleList() = default;
    explicit CycleList(std::span<const u8> entries) : data_(entries) {}
    std::size_t size() const { return data_.size() / entry_size; }
    u8 pins(std::size_t i, unsigned field) const { return data_[i * entry_size + (field ? 8 : 0)]; }
    u32 address(std::size_t i) const {
        const u8* at = data_.data() + i * entry_size + 1;
        return u32{at[0]} | u32{at[1]} << 8 | u32{at[2]} << 16 | u32{at[3]} << 24;
    }
    u8 bus_status(std::size_t i) const { return data_[i * entry_size + 11]; }

  private:
    std::span<const u8> data_;
};

/// One TEST chunk. Everything points into the bytes that it was parsed from.
struct Case {
    u64 offset = 0; ///< of the chunk in the file
    u32 index = 0;  ///< as the file says
    std::string_view name;
    std::span<const u8> bytes; ///< of the instruction and, from the 286 on, the HLT after it
    State initial, final;
    std::optional<ExceptionTaken> exception;
    CycleList cycles;
    std::span<const u8> hash; ///< 20 bytes or none
};

/// The `MOO ` chunk.
struct Header {
    u8 major = 0, minor = 0;
    u32 cases = 0;
    std::string cpu; ///< without the spaces that pad it
};

/// Why and where a file is refused.
struct Problem {
    u64 offset = 0;
    std::string reason;
};

/// `body` is the chunk's, `offset` its place in the file. Nothing, with `problem` filled in, when it is not sound.
std::optional<Header> parse_header(std::span<const u8> body, u64 offset, Problem& problem);
bool parse_case(std::span<const u8> body, u64 offset, Case& result, Problem& problem);
/// `tag` is RMSK or RM32.
bool parse_mask(std::string_view tag, std::span<const u8> body, u64 offset, Registers& result, Problem& problem);

} // namespace glassbox::conformance::moo
