// What the buses tell, matched against the stop points: ports, memory-mapped devices, interrupt wires.
#include "debugger/control/impl.hpp"
#include "debugger/hex.hpp"

namespace glassbox {

void Debugger::Impl::port_accessed(std::string_view owner, Port port, unsigned width, bool write, u32 value) {
    if (observer && !observer->points()) return;
    const auto describe = [&](const StopPoint&) {
        std::string text = std::string(write ? "OUT of " : "IN of ") + hex(value, 2 * width) + "h " +
                           (write ? "to" : "from") + " port " + capital_hex(port.value) + "h";
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
                           (write ? "to " : "from ") + capital_hex(address.value) + "h (" + std::string(region) + ")"};
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

} // namespace glassbox
