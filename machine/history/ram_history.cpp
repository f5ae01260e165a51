#include "machine/history/ram_history.hpp"

#include "machine/history/digest.hpp"

#include <algorithm>
#include <cstring>

namespace glassbox {

/// The first version that is later than `at`.
RamHistory::Versions::iterator RamHistory::place(Versions& versions, const Checkpoint& at) {
    return std::upper_bound(versions.begin(), versions.end(), at, [](const Checkpoint& wanted, const Version& v) {
        return wanted.position < v.since->position;
    });
}

SharedPage RamHistory::content(u32 page, const Checkpoint& at) const {
    const Versions& versions = versions_[page];
    for (auto it = versions.rbegin(); it != versions.rend(); ++it) {
        if (it->since->position <= at.position) return it->page;
    }
    return nullptr;
}

namespace {
/// Zero for zeroes, so that a machine's RAM costs what is used of it.
u64 page_digest(u32 number, const SharedPage& page) { return page ? digest(*page, mixed(number + u64{1})) : 0; }
} // namespace

void RamHistory::add(Checkpoint& now, const Checkpoint* before, Checkpoint* after, std::span<const u32> pages) {
    now.ram_digest = before ? before->ram_digest : 0;
    for (const u32 page : pages) {
        const SharedPage old = before ? content(page, *before) : nullptr;
        if (PagePool::same(old, bytes(page))) continue;
        now.ram_digest ^= page_digest(page, old);
        Versions& versions = versions_[page];
        const auto at = place(versions, now);
        const SharedPage content_now = pool_.copy(bytes(page));
        now.ram_digest ^= page_digest(page, content_now);
        if (after && (at == versions.end() || at->since != after)) {
            after->ram.push_back(page);
            versions.insert(versions.insert(at, {after, old}), {&now, content_now});
        } else {
            versions.insert(at, {&now, content_now});
        }
        now.ram.push_back(page);
    }
}

void RamHistory::remove(Checkpoint& gone, Checkpoint* after) {
    for (const u32 page : gone.ram) {
        Versions& versions = versions_[page];
        const auto at =
            std::find_if(versions.begin(), versions.end(), [&](const Version& v) { return v.since == &gone; });
        if (at == versions.end()) continue;
        const auto next = at + 1;
        if (!after || (next != versions.end() && next->since == after)) {
            versions.erase(at);
        } else {
            at->since = after;
            after->ram.push_back(page);
        }
    }
    gone.ram.clear();
}

void RamHistory::restore(const Checkpoint& at, std::span<const u32> pages) {
    for (const u32 page : pages) {
        const SharedPage content_then = content(page, at);
        if (content_then) {
            std::memcpy(bytes(page).data(), content_then->data(), page_size);
        } else if (!all_zero(bytes(page))) {
            std::memset(bytes(page).data(), 0, page_size);
        }
    }
}

} // namespace glassbox
