// Known differences of 64-bit code and of VEX instructions.
#include "tests/x86-conformance/host/known_helpers.hpp"

namespace glassbox::conformance::host {

namespace {

/// The end of what programs may map: one page is left free below the canonical hole.
constexpr u64 task_end = canonical_end - page;

void protection_of_kernel_addresses(Situation& s) {
    constexpr u32 present = 1;
    if (s.host.vector == pf && s.ours.vector == pf && s.host.cr2 >= task_end)
        s.ours.error = (s.ours.error & ~present) | (s.host.error & present);
}

constexpr KnownDifference table[] = {
    {Vendor::other, "page faults beyond the programs' part of the address space have the P bit set",
     "Linux, arch/x86/mm/fault.c, set_signal_archinfo: it hides the kernel's page tables",
     protection_of_kernel_addresses},
};

} // namespace

std::span<const KnownDifference> known_in_long_mode() { return table; }

} // namespace glassbox::conformance::host
