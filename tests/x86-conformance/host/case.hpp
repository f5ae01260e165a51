// One case: what both processors are given and what they give back. Plain data: it goes through shared memory.
#pragma once

#include "cpu/segment.hpp"
#include "tests/x86-conformance/host/layout.hpp"

#include <array>
#include <span>

namespace glassbox::conformance::host {

/// The registers that a program of level 3 sees. 16-bit and 32-bit code has eight of each kind, of 32 bits the general
/// ones.
struct Image {
    std::array<u64, 16> gpr{};
    u64 rip = 0;
    u64 fs_base = 0, gs_base = 0; ///< of 64-bit code only
    u32 eflags = 0x202;
    std::array<u16, 6> seg{}; ///< by SegmentName
    /// x87, MXCSR and XMM0-15 in the layout of FXSAVE, its first 416 bytes.
    alignas(16) std::array<u8, 416> fx{};
    /// The upper halves of YMM0-15.
    std::array<u8, 256> ymm{};
    bool code64() const { return seg[1] == long_code; }
    u32 gpr32(unsigned number) const { return static_cast<u32>(gpr[number]); }
    u32 eip() const { return static_cast<u32>(rip); }
    bool operator==(const Image&) const = default;
};
inline constexpr std::size_t fx_control = 0, fx_status = 2, fx_tags = 4, fx_opcode = 6, fx_ip = 8, fx_cs = 12,
                             fx_dp = 16, fx_ds = 20, fx_mxcsr = 24, fx_registers = 32, fx_xmm = 160;

struct Input {
    Image before;
    u8 window = 0;   ///< where the code lies
    u32 code_at = 0; ///< offset in the code region of the first byte
    u8 code_size = 0;
    u8 fills = 0;
    std::array<u8, 22> code{}; ///< the instruction
    /// Bytes of the data region that differ from the pattern, one range after the other in `bytes`.
    struct Fill {
        u16 at = 0, size = 0;
        bool operator==(const Fill&) const = default;
    };
    static constexpr unsigned most_fills = 12, most_bytes = 1024;
    std::array<Fill, most_fills> fill{};
    u16 bytes_used = 0;
    std::array<u8, most_bytes> bytes{};

    std::span<const u8> instruction() const { return {code.data(), code_size}; }
    /// Sets what is mapped of these bytes at an offset in the data region; false when there is no room.
    bool set_memory(u32 at, std::span<const u8> value);
    bool operator==(const Input&) const = default;
};

struct Output {
    Image after;
    int vector = -1; ///< of the exception that ended it
    u32 error = 0;
    u64 cr2 = 0;
    /// Eight bytes of the data region that differ from the pattern.
    struct Change {
        u32 at = 0;
        u64 value = 0;
        bool operator==(const Change&) const = default;
    };
    static constexpr unsigned most_changes = 192;
    u32 changes = 0; ///< more than `most_changes`: not all are listed
    std::array<Change, most_changes> change{};
};

/// Whether an offset of the data region is mapped.
constexpr bool mapped(u32 offset) { return offset < data_size && data_pages[offset / page] != PageKind::unmapped; }

/// Lists what differs from the pattern and brings the pattern back. `data` is the region; unmapped pages are skipped.
/// The host's side calls it in a signal handler with foreign segments: it calls nothing.
inline void gather_changes(u8* data, const u8* pattern, Output& out) {
    u32 count = 0;
    for (u32 number = 0; number < data_pages.size(); ++number) {
        if (data_pages[number] == PageKind::unmapped) continue;
        for (u32 at = number * page; at < (number + 1) * page; at += 64) {
            auto* now = reinterpret_cast<u64*>(data + at);
            const auto* was = reinterpret_cast<const u64*>(pattern + at);
            u64 different = 0;
            for (unsigned i = 0; i < 8; ++i) different |= now[i] ^ was[i];
            if (different == 0) continue;
            for (unsigned i = 0; i < 8; ++i) {
                if (now[i] == was[i]) continue;
                if (count < Output::most_changes) out.change[count] = {at + 8 * i, now[i]};
                ++count;
                now[i] = was[i];
            }
        }
    }
    out.changes = count;
}

} // namespace glassbox::conformance::host
