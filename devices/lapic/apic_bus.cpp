// Routing of APIC messages.
#include "devices/lapic/apic_bus.hpp"

namespace glassbox {

bool ApicBus::send(const ApicMessage& message, ApicShorthand shorthand, ApicAgent* sender) {
    const auto meant = [&](const ApicAgent* agent) {
        switch (shorthand) {
        case ApicShorthand::none: return agent->addressed_by(message);
        case ApicShorthand::self: return agent == sender;
        case ApicShorthand::all: return true;
        default: return agent != sender;
        }
    };
    bool accepted = false;
    ApicAgent* lowest = nullptr;
    for (ApicAgent* agent : agents_) {
        if (!meant(agent)) continue;
        if (message.delivery != ApicDelivery::lowest_priority) {
            accepted |= agent->accept(message);
        } else if (agent->accepts_fixed()) {
            if (!lowest || agent->arbitration_priority() < lowest->arbitration_priority()) lowest = agent;
        }
    }
    if (!lowest) return accepted;
    ApicMessage chosen = message;
    chosen.delivery = ApicDelivery::fixed;
    return lowest->accept(chosen);
}

} // namespace glassbox
