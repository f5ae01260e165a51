#include "bus/port_bus.hpp"

#include <algorithm>
#include <utility>

namespace glassbox {

PortBus::PortBus() { mappings_.push_back({{Port{0}, 0}, nullptr, 0, 1, "unclaimed", false}); }

PortBus::MappingId PortBus::map(std::string name, Range range, IoDevice& device, unsigned max_width, u64 base_offset) {
    auto free = std::find_if(mappings_.begin() + 1, mappings_.end(), [](const Mapping& m) { return !m.live; });
    const auto id = static_cast<MappingId>(free - mappings_.begin());
    if (free == mappings_.end()) mappings_.emplace_back();
    mappings_[id] = {range, &device, base_offset, max_width, std::move(name), true};
    rebuild();
    return id;
}

void PortBus::unmap(MappingId id) {
    mappings_.at(id).live = false;
    rebuild();
}

bool PortBus::claimed(Range range) const {
    for (u32 i = 0; i < range.count; ++i) {
        const u32 port = range.first.value + i;
        if (port < owner_.size() && owner_[port] != 0) return true;
    }
    return false;
}

void PortBus::rebuild() {
    owner_.fill(0);
    for (std::size_t id = 1; id < mappings_.size(); ++id) {
        const Mapping& m = mappings_[id];
        if (!m.live) continue;
        const u32 end = std::min<u32>(u32{m.range.first.value} + m.range.count, 65536);
        for (u32 port = m.range.first.value; port < end; ++port) {
            if (owner_[port] == 0) owner_[port] = static_cast<u16>(id);
        }
    }
}

unsigned PortBus::part_at(u32 p, unsigned left) const {
    const u16 id = owner_[p];
    unsigned part = std::min(left, id ? mappings_[id].max_width : 1u);
    while (part > 1 && (p + part > 65536 || owner_[p + part - 1] != id)) part /= 2;
    return part == 3 ? 2 : part;
}

std::optional<u32> PortBus::peek(Port port, unsigned width) const {
    u32 value = 0;
    for (unsigned done = 0; done < width;) {
        const u32 p = (u32{port.value} + done) & 0xFFFF;
        const unsigned part = part_at(p, width - done);
        const Mapping& m = mappings_[owner_[p]];
        const auto data = m.device ? m.device->peek(m.base_offset + p - m.range.first.value, part) : ~u64{0};
        if (!data) return std::nullopt;
        const u32 mask = part == 4 ? ~u32{0} : (u32{1} << (8 * part)) - 1;
        value |= (static_cast<u32>(*data) & mask) << (8 * done);
        done += part;
    }
    return value;
}

u32 PortBus::read(Port port, unsigned width) {
    u32 value = 0;
    for (unsigned done = 0; done < width;) {
        const u32 p = (u32{port.value} + done) & 0xFFFF;
        const u16 id = owner_[p];
        const unsigned part = part_at(p, width - done);
        u64 data = ~u64{0};
        if (id) {
            const Mapping& m = mappings_[id];
            data = m.device->read(m.base_offset + p - m.range.first.value, part);
        }
        const u32 mask = part == 4 ? ~u32{0} : (u32{1} << (8 * part)) - 1;
        value |= (static_cast<u32>(data) & mask) << (8 * done);
        done += part;
        if (probe) [[unlikely]]
            probe->port_accessed(owner_name(id), Port{static_cast<u16>(p)}, part, false, static_cast<u32>(data) & mask);
    }
    return value;
}

void PortBus::write(Port port, unsigned width, u32 value) {
    for (unsigned done = 0; done < width;) {
        const u32 p = (u32{port.value} + done) & 0xFFFF;
        const u16 id = owner_[p];
        const unsigned part = part_at(p, width - done);
        const u32 mask = part == 4 ? ~u32{0} : (u32{1} << (8 * part)) - 1;
        const u32 data = (value >> (8 * done)) & mask;
        if (id) {
            const Mapping& m = mappings_[id];
            m.device->write(m.base_offset + p - m.range.first.value, part, data);
        }
        done += part;
        if (probe) [[unlikely]]
            probe->port_accessed(owner_name(id), Port{static_cast<u16>(p)}, part, true, data);
    }
}

} // namespace glassbox
