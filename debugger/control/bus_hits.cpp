// What the buses tell, matched against the stop points: ports, memory-mapped devices, interrupt wires, DMA.
#include "debugger/control/impl.hpp"
#include "debugger/hex.hpp"

#include <algorithm>

namespace glassbox {

void Debugger::Impl::port_accessed(std::string_view owner, Port port, unsigned width, bool write, u32 value) {
    if (observer && !observer->points()) return;
    const auto describe = [&](const StopPoint&) {
        std::string text = std::string(write ? "OUT of " : "IN of ") + hex(value, 2 * width) + "h " +
                           (write ? "to" : "from") + " port " + hex_number(port.value) + "h";
        if (!owner.empty()) text += " (" + std::string(owner) + ")";
        return Hit{
            .address = port.value, .size = width, .write = write, .old_value = value, .new_value = value, .what = text};
    };
    const unsigned number = number_of(machine.cpu());
    note_all(StopPointKind::port, number, [&](const StopPoint& point) -> std::optional<Hit> {
        if (port.value > point.last || port.value + width - 1 < point.first || !direction(point, write)) return {};
        return describe(point);
    });
    note_all(StopPointKind::device, number, [&](const StopPoint& point) -> std::optional<Hit> {
        if (!owner.starts_with(point.name) || !direction(point, write)) return {};
        return describe(point);
    });
}

void Debugger::Impl::device_accessed(std::string_view region, PhysAddress address, unsigned width, bool write,
                                     u64 value) {
    if (observer && !observer->points()) return;
    const auto describe = [&](const StopPoint&) {
        return Hit{.address = address.value,
                   .size = width,
                   .write = write,
                   .old_value = value,
                   .new_value = value,
                   .what = std::string(write ? "write of " : "read of ") + hex(value, 2 * width) + "h " +
                           (write ? "to " : "from ") + hex_number(address.value) + "h (" + std::string(region) + ")"};
    };
    const unsigned number = number_of(machine.cpu());
    note_all(StopPointKind::mmio, number, [&](const StopPoint& point) -> std::optional<Hit> {
        if (!range_of(point).meets(address.value, address.value + width - 1) || !direction(point, write)) return {};
        return describe(point);
    });
    note_all(StopPointKind::device, number, [&](const StopPoint& point) -> std::optional<Hit> {
        if (!region.starts_with(point.name) || !direction(point, write)) return {};
        return describe(point);
    });
}

void Debugger::Impl::irq_changed(unsigned irq, bool level) {
    if (!level || (observer && !observer->points())) return;
    note_all(StopPointKind::irq, number_of(machine.cpu()), [&](const StopPoint& point) -> std::optional<Hit> {
        if (!within(point, irq)) return {};
        return Hit{.address = irq, .what = "IRQ " + std::to_string(irq) + " was raised"};
    });
}

/// A device wrote memory by itself. What was there before is gone, so that a watchpoint on changes takes it as one; and
/// the device knows physical addresses alone, so watchpoints on linear ones do not see it.
void Debugger::Impl::memory_written(PhysAddress start, u64 size) {
    const bool looking = observer ? observer->points() : in_run;
    if (!looking || size == 0) return;
    const unsigned number = number_of(machine.cpu());
    for (const StopPoint& point : points.list()) {
        const bool fits = point.kind == StopPointKind::write || point.kind == StopPointKind::access ||
                          point.kind == StopPointKind::change;
        if (!point.enabled || !fits || point.where.space != Address::Space::physical) continue;
        if (point.processor && *point.processor != number) continue;
        const WatchedRange range = range_of(point);
        const u64 last = start.value + size - 1;
        if (!range.meets(start.value, last)) continue;
        const u64 first = std::max(start.value, range.first);
        const u64 bytes = std::min(last, range.last) - first + 1;
        Hit hit{.processor = number, .address = first, .write = true};
        hit.what = ": " + std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes") + " at phys(" + hex_number(first) +
                   "h) written by a device (DMA)";
        note(point, number, std::move(hit));
    }
}

} // namespace glassbox
