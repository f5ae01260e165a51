// Parked tags (mmu/tlb.hpp): who asks for the slow road, and when that is over. Nothing here changes what a translation
// is or how long it lives.
#pragma once

#include "cpu/state.hpp"

namespace glassbox {

/// Gives the entry, whose `phys` is set, the tags that are due now.
void set_tags(Cpu& cpu, TlbEntry& e, u64 page, bool may_write);
/// After a write to `linear` that took the slow road: the next one need not, if nobody asks for it any more.
void write_done(Cpu& cpu, TlbEntry& e, u64 linear);

/// After MemoryMap::dirty was set, cleared or taken away: the next write to each page is marked again.
void park_write_tags(Cpu& cpu);
/// What Probe::watches answers may have changed.
void ask_watches_again(Cpu& cpu);

/// What the TLB holds, for checkpoints that must go on exactly as if nothing had happened: of each table of data
/// translations the linear and physical pages, whether they can be written, are global, and are user pages whose rights
/// depend on PKRU; of each table of fetches the pages and whether they are global; and where pieces of large pages may
/// be. No host addresses, no reasons for parking: tags are made anew. Comes after Cpu::persist, which forgets all
/// translations when it loads, and after MemoryMap::dirty was put right. Not part of a machine's snapshot.
void persist_tlb(Cpu& cpu, Archive& archive);

} // namespace glassbox
