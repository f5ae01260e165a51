// What local and I/O APICs tell each other (SDM 3A 11.6, 11.11): interrupt messages to one or several processors by
// physical or logical destination, and the ends of level-triggered interrupts back to the I/O APICs. Delivery takes no
// time: a message is accepted or refused before `send` returns.
//
// Destinations have 32 bits when the sender is in x2APIC mode (SDM 3A 11.12.9) and 8 otherwise; receivers of either
// mode understand both, so that the modes of a machine's processors may differ while it starts.
#pragma once

#include "bus/types.hpp"

#include <vector>

namespace glassbox {

/// The encoding of the ICR, the LVT and the I/O APIC's redirection table.
enum class ApicDelivery : u8 { fixed, lowest_priority, smi, reserved, nmi, init, startup, external };

struct ApicMessage {
    ApicDelivery delivery = ApicDelivery::fixed;
    u8 vector = 0;
    u32 destination = 0;
    bool logical = false; ///< the destination is a set in the logical model of each receiver
    bool level = false;   ///< level-triggered: the receiver tells of its EOI
    bool wide = false;    ///< the destination is of x2APIC mode

    bool broadcast() const { return destination == (wide ? ~u32{0} : 0xFF); }
};

/// The destination shorthand of the ICR.
enum class ApicShorthand : u8 { none, self, all, others };

/// A processor's end of the bus.
class ApicAgent {
  public:
    virtual ~ApicAgent() = default;
    virtual bool addressed_by(const ApicMessage& message) const = 0;
    /// Takes a message that is meant for this agent, false if it does not listen (disabled).
    virtual bool accept(const ApicMessage& message) = 0;
    virtual bool accepts_fixed() const = 0;
    /// The lower, the more willing to take a lowest-priority message.
    virtual u8 arbitration_priority() const = 0;
};

/// An I/O APIC's end of the bus.
class ApicListener {
  public:
    virtual ~ApicListener() = default;
    virtual void end_of_interrupt(u8 vector) = 0;
    /// An agent has become willing or changed its address: messages that nobody took may be sent again.
    virtual void retry() = 0;
};

class ApicBus {
  public:
    void attach(ApicAgent& agent) { agents_.push_back(&agent); }
    /// The agent of the processor that executes now: the others' register pages are not there for it.
    void set_active(ApicAgent* agent) { active_ = agent; }
    ApicAgent* active() const { return active_; }
    void listen(ApicListener& listener) { listeners_.push_back(&listener); }

    /// True if anybody accepted. `sender` is the agent that a shorthand speaks of.
    bool send(const ApicMessage& message, ApicShorthand shorthand = ApicShorthand::none, ApicAgent* sender = nullptr);
    void end_of_interrupt(u8 vector) {
        for (ApicListener* listener : listeners_) listener->end_of_interrupt(vector);
    }
    void retry() {
        for (ApicListener* listener : listeners_) listener->retry();
    }

  private:
    ApicAgent* active_ = nullptr;
    std::vector<ApicAgent*> agents_;
    std::vector<ApicListener*> listeners_;
};

} // namespace glassbox
