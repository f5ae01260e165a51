// Protection by rings needs segments with privilege levels, even if all of them span 4 GiB: the processor's current
// level is that of its code segment. Four flat segments, two a ring, and one task state segment are all a kernel needs.
// Intel SDM volume 3A, 3.4.5 (segment descriptors), 7.2.1 (task state segment).
#include "segments.hpp"

namespace {

u64 descriptors[6];

struct TaskState {
    u32 link, esp0, ss0;
    u32 unused[22]; // for task switches by hardware, which this kernel does not use
    u16 trap, io_map;
} __attribute__((packed));
TaskState state;

/// `access`: present, level, kind; `flags`: granularity and size, as the SDM draws them.
u64 descriptor(u32 base, u32 limit, u8 access, u8 flags) {
    const u32 low = (limit & 0xFFFF) | base << 16;
    const u32 high =
        (base >> 16 & 0xFF) | u32{access} << 8 | (limit & 0xF0000) | u32{flags} << 20 | (base & 0xFF000000);
    return u64{high} << 32 | low;
}

} // namespace

void segments_start() {
    constexpr u8 flat = 0xC;                             // limit counted in pages, 32-bit
    descriptors[1] = descriptor(0, 0xFFFFF, 0x9A, flat); // ring 0 code
    descriptors[2] = descriptor(0, 0xFFFFF, 0x92, flat); // ring 0 data
    descriptors[3] = descriptor(0, 0xFFFFF, 0xFA, flat); // ring 3 code
    descriptors[4] = descriptor(0, 0xFFFFF, 0xF2, flat); // ring 3 data
    descriptors[5] = descriptor(address_of(&state), sizeof(state) - 1, 0x89, 0);
    state.ss0 = kernel_data;
    state.io_map = sizeof(state); // past the end: ring 3 may use no port

    const struct {
        u16 limit;
        u32 base;
    } __attribute__((packed)) table{sizeof(descriptors) - 1, address_of(descriptors)};
    asm volatile("lgdt %0\n\t"
                 "ljmp %1, $1f\n" // CS changes only by a far jump
                 "1:\n\t"
                 "movw %w2, %%ds\n\t"
                 "movw %w2, %%es\n\t"
                 "movw %w2, %%fs\n\t"
                 "movw %w2, %%gs\n\t"
                 "movw %w2, %%ss\n\t"
                 "ltr %w3"
                 :
                 : "m"(table), "i"(kernel_code), "r"(u32{kernel_data}), "r"(u32{task_state})
                 : "memory");
}

void set_kernel_stack(u32 top) { state.esp0 = top; }
