// The stop points of a debugger, and quick answers to what a processor with a probe asks all the time: is anything of
// this instruction, this page, this port interesting?
#pragma once

#include "bus/error.hpp"
#include "debugger/control/stop_point.hpp"

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace glassbox {

/// The bytes of a stop point: an inclusive range of linear or physical addresses.
struct WatchedRange {
    u64 first = 0, last = 0;
    bool meets(u64 from, u64 to) const { return from <= last && to >= first; }
    bool contains(u64 at) const { return at >= first && at <= last; }
};
WatchedRange range_of(const StopPoint& point);

class StopPoints {
  public:
    Expected<unsigned> add(StopPoint point);
    bool remove(unsigned number);
    StopPoint* find(unsigned number);
    const std::vector<StopPoint>& list() const { return list_; }
    std::vector<StopPoint>& list() { return list_; }

    /// After any change: works out the answers below.
    void update();

    bool any() const { return kinds_ != 0; }
    bool has(StopPointKind kind) const { return (kinds_ >> static_cast<unsigned>(kind)) & 1; }
    bool any_code() const { return code_; }        ///< something is decided instruction by instruction
    bool any_of_cpu() const;                       ///< a processor's probe is needed
    bool any_of_bus() const;                       ///< the buses' is
    bool any_of_memory() const { return memory_; } ///< watchpoints

    bool code_at(u64 linear, u64 phys) const;
    bool watches(u64 linear_page, u64 phys_page) const;
    /// Whether the mnemonic (of the row: "movs", "jz") may be one that is wanted.
    bool any_mnemonic() const { return has(StopPointKind::mnemonic); }

    /// The condition of one of `list`, parsed once and not at each hit; null: it has none. Names in it get their
    /// meaning when it is evaluated, so that symbols may come and go.
    const Expected<Expression>* condition(const StopPoint& point) const;

    /// Addresses that new_code has seen: when first, by the count of instructions.
    using Seen = std::unordered_map<u64, u64>;
    Seen& seen(unsigned number) { return seen_[number]; }

  private:
    std::vector<StopPoint> list_;
    unsigned next_ = 1;
    u32 kinds_ = 0; // of what is enabled
    bool code_ = false, memory_ = false;
    std::vector<WatchedRange> linear_code_, phys_code_, linear_data_, phys_data_;
    std::vector<std::optional<Expected<Expression>>> conditions_; ///< one for each of `list_`
    std::unordered_map<unsigned, Seen> seen_;
};

} // namespace glassbox
