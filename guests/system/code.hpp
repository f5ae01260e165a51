// Writing machine code for the forms about self-modifying code.
//
// What the manual promises (SDM 3A 8.1.3, 11.6): modified code is seen after a jump and another instruction, or after a
// serialising instruction; Pentium and later see a write through the same linear address at once; through another
// linear address of the same memory a serialising instruction is needed.
#pragma once

#include "guests/system/system.hpp"

namespace modified {

/// The first of the pages in which code is built and run.
inline constexpr u32 area = 0x48'0000, page = 4096;

/// Puts instructions one after the other.
class Emitter {
  public:
    explicit Emitter(u32 at) : at_(at) {}
    u32 at() const { return at_; }
    template <class... Bytes> Emitter& bytes(Bytes... b) {
        (put(static_cast<u8>(b)), ...);
        return *this;
    }
    Emitter& word(u32 value) {
        for (u32 i = 0; i < 4; ++i) put(static_cast<u8>(value >> (8 * i)));
        return *this;
    }
    Emitter& fill(u32 count, u8 value = nop) {
        while (count--) put(value);
        return *this;
    }
    /// JMP to the address.
    Emitter& jump(u32 to) { return bytes(0xE9).word(to - (at_ + 4)); }
    /// JNZ to the address.
    Emitter& jump_if_not_zero(u32 to) { return bytes(0x0F, 0x85).word(to - (at_ + 4)); }
    /// MOV [address], CL
    Emitter& store_cl(u32 address) { return bytes(0x88, 0x0D).word(address); }
    /// INT 80h
    Emitter& end() { return bytes(0xCD, end_vector); }

    static constexpr u8 nop = 0x90;

  private:
    void put(u8 b) { *reinterpret_cast<volatile u8*>(at_++) = b; }
    u32 at_;
};

/// Whether a write through the running code's own addresses must be seen without a jump: Pentium (it has a TSC) and
/// later.
inline bool sees_writes_at_once() { return (features().edx >> 4 & 1) != 0; }
/// How the modified code is reached.
enum class Reach : u8 { at_once, jump, count };
const char* name(Reach reach);

inline volatile u8& byte_at(u32 address) { return *reinterpret_cast<volatile u8*>(address); }
inline volatile u32& word_at(u32 address) { return *reinterpret_cast<volatile u32*>(address); }
inline Context start(unsigned cpl, u32 at) { return ring(cpl, reinterpret_cast<const void*>(at)); }

void ahead(Report& report); // code_distance.cpp
void behind(Report& report);
void straddling(Report& report);
void every_byte(Report& report);
void writers(Report& report);            // code_writers.cpp
void string_over_itself(Report& report); // code_strings.cpp
void string_over_code(Report& report);
void branches(Report& report); // code_branches.cpp
void aliases(Report& report);  // code_mapping.cpp
void remapped(Report& report);
void remapped_half(Report& report);
void address_spaces(Report& report); // code_spaces.cpp
void revoked(Report& report);
void random_programs(Report& report); // code_random.cpp
void maze(Report& report);            // code_maze.cpp
void copies(Report& report);          // code_modes.cpp
void widths(Report& report);
void bases(Report& report);
void rings(Report& report);
void virtual_mode(Report& report);

} // namespace modified
