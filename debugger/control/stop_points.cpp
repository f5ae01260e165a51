#include "debugger/control/stop_points.hpp"

#include <algorithm>

namespace glassbox {

namespace {

constexpr u32 bit(StopPointKind kind) { return 1u << static_cast<unsigned>(kind); }

constexpr u32 code_kinds = bit(StopPointKind::execute) | bit(StopPointKind::mnemonic) | bit(StopPointKind::new_code);
constexpr u32 data_kinds =
    bit(StopPointKind::read) | bit(StopPointKind::write) | bit(StopPointKind::access) | bit(StopPointKind::change);
constexpr u32 bus_kinds =
    bit(StopPointKind::port) | bit(StopPointKind::mmio) | bit(StopPointKind::irq) | bit(StopPointKind::device);

Expected<> check(const StopPoint& point) {
    switch (point.kind) {
    case StopPointKind::execute:
    case StopPointKind::read:
    case StopPointKind::write:
    case StopPointKind::access:
    case StopPointKind::change:
    case StopPointKind::mmio:
        if (point.length == 0) return fail("a length of 0 bytes holds nothing");
        if (point.where.value + (point.length - 1) < point.where.value)
            return fail("the range goes beyond the last address");
        break;
    case StopPointKind::port:
    case StopPointKind::interrupt:
    case StopPointKind::exception:
    case StopPointKind::irq:
    case StopPointKind::msr:
        if (point.last < point.first) return fail("the range ends before it begins");
        break;
    case StopPointKind::device:
    case StopPointKind::mnemonic:
        if (point.name.empty()) return fail("a name is needed");
        break;
    default: break;
    }
    if (!point.on_read && !point.on_write) return fail("neither reads nor writes: nothing would ever stop there");
    return {};
}

} // namespace

WatchedRange range_of(const StopPoint& point) { return {point.where.value, point.where.value + (point.length - 1)}; }

Expected<unsigned> StopPoints::add(StopPoint point) {
    if (const auto good = check(point); !good) return tl::unexpected(good.error());
    point.number = next_++;
    const unsigned number = point.number;
    list_.push_back(std::move(point));
    update();
    return number;
}

bool StopPoints::remove(unsigned number) {
    const bool found = std::erase_if(list_, [&](const StopPoint& p) { return p.number == number; }) != 0;
    seen_.erase(number);
    if (found) update();
    return found;
}

StopPoint* StopPoints::find(unsigned number) {
    const auto at = std::ranges::find(list_, number, &StopPoint::number);
    return at == list_.end() ? nullptr : &*at;
}

void StopPoints::update() {
    kinds_ = 0;
    conditions_.clear();
    for (const StopPoint& p : list_)
        conditions_.push_back(p.condition.empty() ? std::nullopt : std::optional(Expression::parse(p.condition)));
    linear_code_.clear(), phys_code_.clear(), linear_data_.clear(), phys_data_.clear();
    for (const StopPoint& p : list_) {
        if (!p.enabled) continue;
        kinds_ |= bit(p.kind);
        const bool physical = p.where.space == Address::Space::physical;
        if (p.kind == StopPointKind::execute) (physical ? phys_code_ : linear_code_).push_back(range_of(p));
        if (bit(p.kind) & data_kinds) (physical ? phys_data_ : linear_data_).push_back(range_of(p));
    }
    code_ = (kinds_ & code_kinds) != 0;
    memory_ = (kinds_ & data_kinds) != 0;
}

const Expected<Expression>* StopPoints::condition(const StopPoint& point) const {
    const auto& parsed = conditions_[static_cast<std::size_t>(&point - list_.data())];
    return parsed ? &*parsed : nullptr;
}

bool StopPoints::any_of_cpu() const { return (kinds_ & ~bus_kinds) != 0; }
bool StopPoints::any_of_bus() const { return (kinds_ & bus_kinds) != 0; }

bool StopPoints::code_at(u64 linear, u64 phys) const {
    const auto contains = [](const std::vector<WatchedRange>& ranges, u64 at) {
        return std::ranges::any_of(ranges, [&](const WatchedRange& r) { return r.contains(at); });
    };
    return contains(linear_code_, linear) || contains(phys_code_, phys);
}

bool StopPoints::watches(u64 linear_page, u64 phys_page) const {
    const auto meets = [](const std::vector<WatchedRange>& ranges, u64 page) {
        const u64 first = page & ~page_mask;
        return std::ranges::any_of(ranges, [&](const WatchedRange& r) { return r.meets(first, first | page_mask); });
    };
    return meets(linear_data_, linear_page) || meets(phys_data_, phys_page);
}

} // namespace glassbox
