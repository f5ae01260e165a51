// One channel of the bus master ("Programming Interface for Bus Master IDE Controller", revision 1.0; PIIX3 data sheet
// section 2.7): command, status and descriptor table registers, and the walk through the descriptors.
//
// Deviations: regions and tables that cross a 64 KiB boundary, which the specification forbids, simply continue.
#pragma once

#include "bus/archive.hpp"
#include "bus/memory_map.hpp"
#include "bus/types.hpp"
#include "devices/ide/drive.hpp"

namespace glassbox::ide {

class BusMaster {
  public:
    explicit BusMaster(MemoryMap& memory) : memory_(memory) {}

    u8 read(unsigned offset) const;
    /// True if this started the engine.
    bool write(unsigned offset, u8 value);
    void reset();
    /// The channel's interrupt line has risen.
    void interrupt() { status_ |= 4; }
    bool active() const { return (status_ & 1) != 0; }
    /// The engine runs in the drive's direction.
    bool serves(const Drive& drive) const { return active() && drive.wants_dma(to_memory()); }
    /// Moves data until the drive or the descriptors are at an end.
    void run(Drive& drive);
    void persist(Archive& archive);

    /// The descriptor at hand, for a debugger.
    struct Position {
        u32 next_descriptor, address, left;
        bool last;
    };
    Position position() const { return {next_, address_, left_, last_}; }

  private:
    bool to_memory() const { return (command_ & 8) != 0; }
    void fetch();

    MemoryMap& memory_;
    u8 command_ = 0; // BMICX
    u8 status_ = 0;  // BMISX: 0 active, 1 error, 2 interrupt, 5-6 drives are capable of DMA
    u32 table_ = 0;  // BMIDTPX
    u32 next_ = 0;   ///< address of the next descriptor
    u32 address_ = 0;
    u32 left_ = 0; ///< of the region at hand, in bytes
    bool last_ = false;
};

} // namespace glassbox::ide
