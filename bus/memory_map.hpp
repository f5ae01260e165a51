// The physical address space: RAM, ROM and memory-mapped devices as overlapping regions with priorities, flattened
// into one sorted list for reads and one for writes, so that shadowing (read ROM, write RAM) is nothing special.
#pragma once

#include "bus/archive.hpp"
#include "bus/dirty_pages.hpp"
#include "bus/io_device.hpp"
#include "bus/probe.hpp"
#include "bus/types.hpp"

#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace glassbox {

/// Told of changes that processors cache: decoded code and address translations.
class MemoryWatcher {
  public:
    virtual ~MemoryWatcher() = default;
    /// Something other than the processor's own fast path wrote [start, start + size).
    virtual void memory_written(PhysAddress start, u64 size) = 0;
    /// Regions or the A20 gate changed: forget every host pointer and decoded block.
    virtual void map_changed() = 0;
};

class MemoryMap {
  public:
    using RegionId = std::size_t;
    enum class Access : u8 { none = 0, read = 1, write = 2, read_write = 3 };
    struct Region {
        std::string name;
        u64 start = 0;
        u64 size = 0;
        Access access = Access::none; ///< the directions in which the region answers; in the others the one below does
        u8* host = nullptr;           ///< RAM or ROM; with `writes_dropped`, writes are swallowed
        IoDevice* device = nullptr;   ///< MMIO; offsets count from `start`
        unsigned max_width = 4;       ///< widest access the device takes, in bytes
        int priority = 0;             ///< the highest wins
        bool writes_dropped = false;
    };

    /// Allocates `ram_bytes` (a multiple of 4096) of zeroed RAM, committed by the host as it is touched. No region
    /// shows it yet: the board maps it.
    explicit MemoryMap(u64 ram_bytes);
    ~MemoryMap();
    MemoryMap(const MemoryMap&) = delete;
    MemoryMap& operator=(const MemoryMap&) = delete;

    std::span<u8> ram() { return {ram_, ram_size_}; }

    RegionId add(Region region);
    /// Moves, resizes or changes the directions of a region; `Access::none` hides it.
    void change(RegionId id, u64 start, u64 size, Access access);
    void set_access(RegionId id, Access access);
    const std::vector<Region>& regions() const { return regions_; }

    /// `width` is 1, 2, 4 or 8; may straddle regions. Unclaimed addresses read as all ones.
    u64 read(PhysAddress address, unsigned width);
    void write(PhysAddress address, unsigned width, u64 value);
    /// What answers where `above` does not, though it lies there: the regions of lower priority. For a device that
    /// only some processors see.
    u64 read_beneath(RegionId above, PhysAddress address, unsigned width);
    void write_beneath(RegionId above, PhysAddress address, unsigned width, u64 value);
    /// The same for a value of a fixed size, quickly where most of the memory is: page walks.
    template <class T> T read_as(PhysAddress address) {
        if (const u8* at = most_reads_.find(address.value, sizeof(T))) {
            T value;
            std::memcpy(&value, at, sizeof(T));
            return value;
        }
        return static_cast<T>(read(address, sizeof(T)));
    }
    /// For DMA and the debugger: any length. Writes are reported to the watchers.
    void read_block(PhysAddress address, std::span<u8> data);
    void write_block(PhysAddress address, std::span<const u8> data);

    /// As read_block, but nothing changes: devices are asked what they would say. Returns how many bytes there were
    /// before one that nobody tells (or that nobody answers for).
    std::size_t peek_block(PhysAddress address, std::span<u8> data) const;
    /// The same of read_beneath.
    std::optional<u64> peek_beneath(RegionId above, PhysAddress address, unsigned width) const;

    /// Host memory behind the 4 KiB page of `address`, or null when it is not plain memory in that direction.
    u8* page_for_read(PhysAddress address) {
        u8* most = most_reads_.find(address.value & ~page_mask, page_size);
        return most ? most : find_page(reads_, last_read_, address.value & ~page_mask);
    }
    u8* page_for_write(PhysAddress address) {
        u8* most = most_writes_.find(address.value & ~page_mask, page_size);
        return most ? most : find_page(writes_, last_write_, address.value & ~page_mask);
    }

    /// The A20 gate (SDM 3A 9.10.1, 22.34): while closed the processor's bit 20 is zero. DMA is not affected.
    void set_a20(bool enabled);
    bool a20() const { return a20_; }
    u64 a20_mask() const { return a20_ ? ~u64{0} : ~(u64{1} << 20); }

    /// Null: nobody asks which pages are written. Has one entry for each page of `ram()`.
    DirtyPages* dirty = nullptr;
    /// Before a write through a host pointer. What is not RAM (the image of a ROM, a device's memory) is not counted.
    void mark_dirty(const u8* host) {
        if (dirty && in_ram(host)) dirty->mark(ram_page(host));
    }
    /// Whether the next write to this host memory has to be marked first.
    bool is_clean(const u8* host) const { return dirty && in_ram(host) && !dirty->marked(ram_page(host)); }
    BusProbe* probe = nullptr;

    void add_watcher(MemoryWatcher& watcher) { watchers_.push_back(&watcher); }
    void remove_watcher(MemoryWatcher& watcher) { std::erase(watchers_, &watcher); }

    /// RAM is persisted by the snapshot writer; this is the A20 gate only. Regions are restored by their owners.
    void persist(Archive& archive);

  private:
    struct Flat {
        u64 start;
        u64 end; // exclusive
        std::size_t region;
    };
    bool in_ram(const u8* host) const { return reinterpret_cast<u64>(host) - reinterpret_cast<u64>(ram_) < ram_size_; }
    u64 ram_page(const u8* host) const { return static_cast<u64>(host - ram_) / page_size; }
    void mark_dirty(const u8* host, u64 bytes);
    u64 read_device(const Region& region, u64 address, unsigned width);
    void write_device(const Region& region, u64 address, unsigned width, u64 value);
    void rebuild();
    void flatten(Access direction, std::vector<Flat>& out) const;
    const Flat* find(const std::vector<Flat>& list, std::size_t& last, u64 address) const;
    static std::size_t peek_device(const Region& region, u64 address, std::span<u8> data);
    u8* find_page(const std::vector<Flat>& list, std::size_t& last, u64 page) const;

    /// The largest piece of plain memory.
    struct Span {
        u64 start = 0, size = 0;
        u8* host = nullptr;
        u8* find(u64 address, u64 bytes) const {
            const u64 offset = address - start;
            return offset < size && bytes <= size - offset ? host + offset : nullptr;
        }
    };
    Span largest(const std::vector<Flat>& list) const;
    const Region* find_beneath(RegionId above, u64 address, Access direction) const;

    u8* ram_ = nullptr;
    u64 ram_size_ = 0;
    std::vector<Region> regions_;
    std::vector<Flat> reads_, writes_;
    std::size_t last_read_ = 0, last_write_ = 0;
    Span most_reads_, most_writes_;
    std::vector<MemoryWatcher*> watchers_;
    bool a20_ = true;
};

} // namespace glassbox
