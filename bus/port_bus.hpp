// The 64 K I/O ports (SDM 1, 19). Accesses wider than a device declared are split into its width, low part first;
// unclaimed ports read as all ones.
#pragma once

#include "bus/io_device.hpp"
#include "bus/probe.hpp"
#include "bus/types.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

class PortBus {
  public:
    using MappingId = u32;
    struct Range {
        Port first;
        u16 count;
    };
    struct Mapping {
        Range range;
        IoDevice* device;
        u64 base_offset;
        unsigned max_width;
        std::string name;
        bool live;
    };

    PortBus();

    /// Hands the ports of `range` to `device`. Where two mappings claim a port the earlier one keeps it: motherboard
    /// devices are mapped first, so a PCI BAR programmed over them does not take their ports.
    MappingId map(std::string name, Range range, IoDevice& device, unsigned max_width = 1, u64 base_offset = 0);
    void unmap(MappingId id);
    /// True if any port of `range` is claimed.
    bool claimed(Range range) const;

    /// `width` is 1, 2 or 4.
    u32 read(Port port, unsigned width);
    void write(Port port, unsigned width, u32 value);
    /// What `read` would return, without anything else that it does. Nothing: a device there does not say.
    std::optional<u32> peek(Port port, unsigned width) const;

    BusProbe* probe = nullptr; ///< null: nobody listens

    const std::vector<Mapping>& mappings() const { return mappings_; }
    /// The name of the mapping that answers there; empty for nobody's ports.
    std::string_view owner(Port port) const { return owner_name(owner_[port.value]); }

  private:
    void rebuild();
    /// How many of the `left` bytes from port `p` on its owner takes at once.
    unsigned part_at(u32 p, unsigned left) const;
    /// Empty for nobody's ports.
    std::string_view owner_name(u16 id) const { return id ? std::string_view(mappings_[id].name) : std::string_view(); }

    std::vector<Mapping> mappings_;  // slot 0: nobody
    std::array<u16, 65536> owner_{}; // index into mappings_
};

} // namespace glassbox
