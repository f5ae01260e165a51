#include "machine/history/keeper.hpp"

#include "machine/board.hpp"
#include "machine/history/digest.hpp"
#include "machine/history/touched.hpp"
#include "machine/snapshot.hpp"
#include "mmu/park.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace glassbox {

namespace {
/// Checkpoints are looked for one after the other where that is rare: a bound that memory alone does not give.
constexpr std::size_t most_checkpoints = 5000;
/// Kept whatever the budget: with fewer, going back is as slow as starting again. The first holds all of RAM that is in
/// use, which may be more than the budget alone.
constexpr std::size_t fewest_checkpoints = 24;
} // namespace

Keeper::Keeper(Board& board)
    : board_(board), ram_(board.memory.ram(), pool_), dirty_(ram_.pages()), suspected_(ram_.pages()) {
    board_.memory.dirty = &dirty_;
    dirty_.mark_all();
}

Keeper::~Keeper() {
    board_.memory.dirty = nullptr;
    for (unsigned i = 0; i < board_.processors.count(); ++i) park_write_tags(board_.processors[i]);
}

Keeper::Place Keeper::place_after(const Position& position) const {
    return std::upper_bound(list_.begin(), list_.end(), position,
                            [](const Position& wanted, const CheckpointRef& c) { return wanted < c->position; });
}

CheckpointRef Keeper::at_or_before(const Position& position) const {
    const Place place = place_after(position);
    return place == list_.begin() ? nullptr : *(place - 1);
}

CheckpointRef Keeper::after(const Position& position) const {
    const Place place = place_after(position);
    return place == list_.end() ? nullptr : *place;
}

Pieces Keeper::cut(std::span<const u8> bytes, const Pieces* like) const {
    Pieces pieces;
    pieces.size = bytes.size();
    for (std::size_t at = 0; at < bytes.size(); at += page_size) {
        const auto piece = bytes.subspan(at, std::min<std::size_t>(page_size, bytes.size() - at));
        const std::size_t i = at / page_size;
        const bool same = like && i < like->pages.size() && PagePool::same(like->pages[i], piece);
        pieces.pages.push_back(same ? like->pages[i] : pool_.copy(piece));
    }
    return pieces;
}

std::vector<u8> Keeper::joined(const Pieces& pieces) const {
    std::vector<u8> bytes(pieces.size);
    for (std::size_t i = 0; i < pieces.pages.size(); ++i) {
        if (!pieces.pages[i]) continue;
        const std::size_t at = i * page_size;
        std::memcpy(bytes.data() + at, pieces.pages[i]->data(), std::min<std::size_t>(page_size, bytes.size() - at));
    }
    return bytes;
}

/// The pages written since `base_`, and those that differ between it and `at`.
std::vector<u32> Keeper::suspects(const Checkpoint* at) {
    std::vector<u32> pages;
    const auto add = [&](const std::vector<u32>& more) {
        for (const u32 page : more) {
            if (std::exchange(suspected_[page], u8{1}) == 0) pages.push_back(page);
        }
    };
    if (base_ && at) {
        add(dirty_.list());
        const auto [from, to] = std::minmax(base_->position, at->position);
        for (Place place = place_after(from); place != list_.end() && (*place)->position <= to; ++place)
            add((*place)->ram);
    } else if (!at) {
        pages = touched_pages(board_.memory.ram()); // they differ from zeroes
    } else {
        pages.resize(ram_.pages());
        std::iota(pages.begin(), pages.end(), 0u);
    }
    for (const u32 page : pages) suspected_[page] = 0;
    return pages;
}

void Keeper::start_from(const CheckpointRef& base) {
    base_ = base;
    dirty_.clear();
    for (unsigned i = 0; i < board_.processors.count(); ++i) park_write_tags(board_.processors[i]);
}

std::vector<u8> Keeper::engine_state() {
    Archive archive = Archive::saver();
    for (unsigned i = 0; i < board_.processors.count(); ++i) persist_tlb(board_.processors[i], archive);
    return std::move(archive.bytes());
}

CheckpointRef Keeper::take(const Position& position, bool arrival, bool by_hand) {
    CheckpointRef before = at_or_before(position);
    if (before && before->position == position) return before;
    const CheckpointRef next = after(position);
    auto now = std::make_shared<Checkpoint>();
    now->position = position;
    now->arrival = arrival;
    now->by_hand = by_hand;
    now->state = cut(machine_state(board_, pool_, now->devices), before ? &before->state : nullptr);
    now->engine = cut(engine_state(), nullptr);
    now->media = board_.media();
    now->output = board_.output.positions();
    for (unsigned i = 0; i < board_.processors.count(); ++i) {
        const Cpu& cpu = board_.processors[i];
        now->stories.push_back({cpu.fault_chain, cpu.fault_chain_during, cpu.fault_chain_length});
    }
    const std::vector<u32> pages = suspects(before.get());
    list_.insert(place_after(position), now);
    ram_.add(*now, before.get(), next.get(), pages);
    start_from(now);
    return now;
}

Expected<> Keeper::restore(const CheckpointRef& to) {
    board_.put_back(to->media);
    ram_.restore(*to, suspects(to.get()));
    if (auto done = restore_state(board_, joined(to->state), to->devices); !done)
        return fail("the checkpoint cannot be restored: " + done.error().message);
    board_.output.go_back(to->output);
    for (unsigned i = 0; i < board_.processors.count(); ++i) {
        Cpu& cpu = board_.processors[i];
        cpu.fault_chain = to->stories[i].chain;
        cpu.fault_chain_during = to->stories[i].during;
        cpu.fault_chain_length = to->stories[i].length;
    }
    start_from(to);
    const std::vector<u8> engine = joined(to->engine);
    Archive archive = Archive::loader(engine);
    for (unsigned i = 0; i < board_.processors.count(); ++i) persist_tlb(board_.processors[i], archive);
    if (!archive.ok()) return fail("the checkpoint's translations cannot be restored: " + archive.reason());
    return {};
}

void Keeper::remove(Place place) {
    const CheckpointRef gone = list_[static_cast<std::size_t>(place - list_.begin())]; // outlives its place
    if (gone == base_) { // RAM is still as it was at the one before, but for what changed until then and since
        base_ = place == list_.begin() ? nullptr : *(place - 1);
        for (const u32 page : gone->ram) dirty_.mark(page);
    }
    const auto next = list_.erase(place);
    ram_.remove(*gone, next == list_.end() ? nullptr : next->get());
}

void Keeper::drop_after(const Position& position) {
    while (!list_.empty() && position < list_.back()->position) remove(list_.end() - 1);
}

void Keeper::drop(const CheckpointRef& checkpoint) {
    const auto found = std::find(list_.begin(), list_.end(), checkpoint);
    if (found != list_.end()) remove(found);
}

void Keeper::thin(u64 budget, u64 here) {
    while (list_.size() > fewest_checkpoints && (memory() > budget || list_.size() > most_checkpoints)) {
        const u64 end = list_.back()->instructions();
        Place worst = list_.end();
        double lowest = std::numeric_limits<double>::max();
        for (Place at = list_.begin() + 1; at + 1 != list_.end(); ++at) {
            if (*at == base_ || (*at)->by_hand) continue;
            const u64 where = (*at)->instructions();
            const u64 distance = std::min(end - where, where > here ? where - here : here - where);
            const u64 gap = (*(at + 1))->instructions() - (*(at - 1))->instructions();
            const double score = static_cast<double>(gap) / (static_cast<double>(distance) + 1e6);
            if (score < lowest) lowest = score, worst = at;
        }
        if (worst == list_.end()) return;
        remove(worst);
    }
}

u64 digest_of(const Checkpoint& checkpoint) {
    u64 result = mixed(checkpoint.ram_digest + checkpoint.state.size);
    const auto add = [&](const std::vector<SharedPage>& pages) {
        for (const SharedPage& page : pages) result = page ? digest(*page, result) : mixed(result);
    };
    add(checkpoint.state.pages);
    add(checkpoint.devices);
    return result;
}

u64 Keeper::memory() const {
    return pool_.bytes() + ram_.pages() * sizeof(std::vector<SharedPage>) + list_.size() * 4096;
}

} // namespace glassbox
