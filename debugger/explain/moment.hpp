// The processor at one moment: the registers that decide whether something is allowed, copied, so that a fault can be
// explained when its handler is running already. Memory is read as it is now, and quietly: no device is asked, no bit
// is set.
#pragma once

#include "cpu/state.hpp"
#include "cpu/system/descriptor.hpp"
#include "debugger/explain/words.hpp"

#include <array>
#include <optional>
#include <span>

namespace glassbox::explain {

struct Moment {
    const Cpu* cpu = nullptr; ///< its model and memory, and registers that hardly ever matter
    u64 instructions = 0;     ///< the machine's count
    std::array<u64, 16> gpr{};
    u64 ip = 0;
    u32 eflags = 2;
    u8 cpl = 0;
    u64 cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0, efer = 0, xcr0 = 1;
    std::array<u64, 4> pdpte{};
    u32 pkru = 0, mxcsr = 0, mode = 0;
    u16 fpu_control = 0, fpu_status = 0;
    TableRegister gdtr, idtr;
    Segment ldtr, tr;
    std::array<Segment, 6> seg;

    static Moment of(const Cpu& cpu);

    bool has(Feature f) const { return cpu->has(f); }
    bool real_mode() const { return (cr0 & cr0::PE) == 0; }
    bool v86() const { return (eflags & eflags::VM) != 0 && !real_mode(); }
    bool protected_mode() const { return !real_mode() && !v86(); }
    bool paging() const { return (cr0 & cr0::PG) != 0; }
    bool long_mode() const { return (efer & efer::LMA) != 0; }
    bool code64() const { return (mode & mode::long64) != 0; }
    bool amd() const { return cpu->model->amd(); }
    unsigned iopl() const { return eflags >> 12 & 3; }
    unsigned code_bits() const { return code64() ? 64 : seg[CS].big() && !real_mode() && !v86() ? 32 : code_bits16(); }
    bool canonical(u64 address) const {
        const unsigned shift = 64 - linear_bits();
        return static_cast<u64>(static_cast<i64>(address << shift) >> shift) == address;
    }
    unsigned linear_bits() const { return (cr4 & cr4::LA57) ? 57 : 48; }
    u64 code_linear(u64 at) const { return code64() ? at : static_cast<u32>(seg[CS].base + at); }
    u64 base_of(unsigned segment) const { return code64() && segment < FS ? 0 : seg[segment].base; }
    /// A linear address, in the digits of the mode.
    std::string address(u64 linear) const { return h(linear, long_mode() ? 16 : 8); }
    std::string offset(u64 value) const { return h(value, offset_digits()); }
    unsigned offset_digits() const { return code64() ? 16 : mode_is_small() ? 4 : 8; }
    std::string mode_words() const;

    /// No device is asked, A20 applied; where nothing answers there are ones. The number of bytes that there are.
    std::size_t read_physical(u64 phys, std::span<u8> bytes) const;
    /// Where the page tables lead as they stand, whatever they allow; 0 where nothing is mapped.
    u64 physical(u64 linear) const;
    /// By the page tables as they stand, whatever they allow.
    std::size_t read(u64 linear, std::span<u8> bytes) const;
    template <class T> std::optional<T> value(u64 linear) const {
        std::array<u8, sizeof(T)> bytes;
        if (read(linear, bytes) != bytes.size()) return {};
        T result;
        std::memcpy(&result, bytes.data(), sizeof result);
        return result;
    }
    std::optional<u64> number(u64 linear, unsigned width) const;

  private:
    unsigned code_bits16() const { return (mode & mode::code32) ? 32 : 16; }
    bool mode_is_small() const { return code_bits() == 16; }
};

inline constexpr const char* segment_names[] = {"ES", "CS", "SS", "DS", "FS", "GS"};

/// "32-bit code, readable, DPL 0, present, base 00000000h, limit FFFFFFFFh".
std::string segment_words(const Segment& s, bool long_mode = false);
/// Any descriptor, system ones and gates too; `m` says whether 64-bit forms count.
std::string descriptor_words(const Moment& m, const Descriptor& d);
/// "code segment", "32-bit TSS (busy)" …: what the type field says.
std::string descriptor_type(const Moment& m, const Descriptor& d);
/// "0023h (index 4, GDT, RPL 3)".
std::string selector_words(u16 selector);

} // namespace glassbox::explain
