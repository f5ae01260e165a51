#include "bus/memory_map.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <utility>

namespace glassbox {

namespace {
bool allows(MemoryMap::Access access, MemoryMap::Access direction) {
    return (static_cast<u8>(access) & static_cast<u8>(direction)) != 0;
}
} // namespace

MemoryMap::MemoryMap(u64 ram_bytes) : ram_size_(ram_bytes) {
    if (ram_bytes == 0) return;
    void* memory = mmap(nullptr, ram_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    ram_ = static_cast<u8*>(memory);
}

MemoryMap::~MemoryMap() {
    if (ram_) munmap(ram_, ram_size_);
}

MemoryMap::RegionId MemoryMap::add(Region region) {
    regions_.push_back(std::move(region));
    rebuild();
    return regions_.size() - 1;
}

void MemoryMap::change(RegionId id, u64 start, u64 size, Access access) {
    Region& region = regions_.at(id);
    if (region.start == start && region.size == size && region.access == access) return;
    region.start = start;
    region.size = size;
    region.access = access;
    rebuild();
}

void MemoryMap::set_access(RegionId id, Access access) {
    const Region& region = regions_.at(id);
    change(id, region.start, region.size, access);
}

void MemoryMap::rebuild() {
    flatten(Access::read, reads_);
    flatten(Access::write, writes_);
    last_read_ = last_write_ = 0;
    most_reads_ = largest(reads_);
    most_writes_ = largest(writes_);
    for (MemoryWatcher* watcher : watchers_) watcher->map_changed();
}

void MemoryMap::flatten(Access direction, std::vector<Flat>& out) const {
    std::vector<u64> edges;
    for (const Region& r : regions_) {
        if (!allows(r.access, direction) || r.size == 0) continue;
        edges.push_back(r.start);
        edges.push_back(r.start + r.size);
    }
    std::sort(edges.begin(), edges.end());
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    out.clear();
    for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
        const Region* best = nullptr;
        for (const Region& r : regions_) {
            if (!allows(r.access, direction) || r.size == 0) continue;
            if (r.start > edges[i] || r.start + r.size < edges[i + 1]) continue;
            if (!best || r.priority > best->priority) best = &r;
        }
        if (!best) continue;
        const auto id = static_cast<std::size_t>(best - regions_.data());
        if (!out.empty() && out.back().end == edges[i] && out.back().region == id) {
            out.back().end = edges[i + 1];
        } else {
            out.push_back({edges[i], edges[i + 1], id});
        }
    }
}

const MemoryMap::Flat* MemoryMap::find(const std::vector<Flat>& list, std::size_t& last, u64 address) const {
    if (last < list.size() && address >= list[last].start && address < list[last].end) return &list[last];
    auto it = std::upper_bound(list.begin(), list.end(), address, [](u64 a, const Flat& f) { return a < f.start; });
    if (it == list.begin()) return nullptr;
    --it;
    if (address >= it->end) return nullptr;
    last = static_cast<std::size_t>(it - list.begin());
    return &*it;
}

void MemoryMap::mark_dirty(const u8* host, u64 bytes) {
    if (!dirty || bytes == 0) return;
    for (u64 at = 0; at < bytes; at += page_size) mark_dirty(host + at);
    mark_dirty(host + bytes - 1);
}

u64 MemoryMap::read_device(const Region& region, u64 address, unsigned width) {
    const auto id = static_cast<std::size_t>(&region - regions_.data()); // the device may add regions
    const u64 value = region.device->read(address - region.start, width);
    if (probe) probe->device_accessed(regions_[id].name, PhysAddress{address}, width, false, value);
    return value;
}

void MemoryMap::write_device(const Region& region, u64 address, unsigned width, u64 value) {
    const auto id = static_cast<std::size_t>(&region - regions_.data());
    region.device->write(address - region.start, width, value);
    if (probe) probe->device_accessed(regions_[id].name, PhysAddress{address}, width, true, value);
}

u64 MemoryMap::read(PhysAddress address, unsigned width) {
    u64 value = 0;
    for (unsigned done = 0; done < width;) {
        const u64 at = address.value + done;
        const Flat* flat = find(reads_, last_read_, at);
        unsigned part = 1;
        u64 data = 0xFF;
        if (flat) {
            const Region& r = regions_[flat->region];
            unsigned most = r.device ? r.max_width : 8;
            part = std::min(width - done, most);
            while (part > 1 && (part & (part - 1))) --part;
            while (part > 1 && at + part > flat->end) part /= 2;
            if (r.device) {
                data = read_device(r, at, part);
            } else {
                data = 0;
                std::memcpy(&data, r.host + (at - r.start), part);
            }
        }
        const u64 mask = part == 8 ? ~u64{0} : (u64{1} << (8 * part)) - 1;
        value |= (data & mask) << (8 * done);
        done += part;
    }
    return value;
}

void MemoryMap::write(PhysAddress address, unsigned width, u64 value) {
    for (unsigned done = 0; done < width;) {
        const u64 at = address.value + done;
        const Flat* flat = find(writes_, last_write_, at);
        unsigned part = 1;
        if (flat) {
            const Region& r = regions_[flat->region];
            unsigned most = r.device ? r.max_width : 8;
            part = std::min(width - done, most);
            while (part > 1 && (part & (part - 1))) --part;
            while (part > 1 && at + part > flat->end) part /= 2;
            const u64 mask = part == 8 ? ~u64{0} : (u64{1} << (8 * part)) - 1;
            const u64 data = (value >> (8 * done)) & mask;
            if (r.device) {
                write_device(r, at, part, data);
            } else if (!r.writes_dropped) {
                mark_dirty(r.host + (at - r.start), part);
                std::memcpy(r.host + (at - r.start), &data, part);
            }
        }
        done += part;
    }
}

const MemoryMap::Region* MemoryMap::find_beneath(RegionId above, u64 address, Access direction) const {
    const int ceiling = regions_.at(above).priority;
    const Region* best = nullptr;
    for (const Region& r : regions_) {
        if (!allows(r.access, direction) || r.priority >= ceiling || address < r.start || address - r.start >= r.size)
            continue;
        if (!best || r.priority > best->priority) best = &r;
    }
    return best;
}

u64 MemoryMap::read_beneath(RegionId above, PhysAddress address, unsigned width) {
    u64 value = 0;
    for (unsigned i = 0; i < width; ++i) {
        const u64 at = address.value + i;
        const Region* r = find_beneath(above, at, Access::read);
        const u64 byte = !r ? 0xFF : r->device ? read_device(*r, at, 1) : r->host[at - r->start];
        value |= (byte & 0xFF) << (8 * i);
    }
    return value;
}

void MemoryMap::write_beneath(RegionId above, PhysAddress address, unsigned width, u64 value) {
    for (unsigned i = 0; i < width; ++i) {
        const u64 at = address.value + i;
        const Region* r = find_beneath(above, at, Access::write);
        const u8 byte = static_cast<u8>(value >> (8 * i));
        if (!r) continue;
        if (r->device) {
            write_device(*r, at, 1, byte);
        } else if (!r->writes_dropped) {
            mark_dirty(r->host + (at - r->start));
            r->host[at - r->start] = byte;
        }
    }
}

void MemoryMap::read_block(PhysAddress address, std::span<u8> data) {
    for (std::size_t done = 0; done < data.size();) {
        const u64 at = address.value + done;
        const Flat* flat = find(reads_, last_read_, at);
        if (flat && !regions_[flat->region].device) {
            const Region& r = regions_[flat->region];
            const std::size_t n = static_cast<std::size_t>(std::min<u64>(data.size() - done, flat->end - at));
            std::memcpy(data.data() + done, r.host + (at - r.start), n);
            done += n;
        } else {
            data[done++] = static_cast<u8>(read(PhysAddress{at}, 1));
        }
    }
}

std::size_t MemoryMap::peek_device(const Region& region, u64 address, std::span<u8> data) {
    const unsigned width = std::min(region.max_width, 4u);
    std::size_t done = 0;
    while (done < data.size()) {
        const u64 offset = address + done - region.start;
        const u64 aligned = offset - offset % width;
        const auto value = region.device->peek(aligned, width);
        if (!value) break;
        for (u64 byte = offset - aligned; byte < width && done < data.size(); ++byte)
            data[done++] = static_cast<u8>(*value >> (8 * byte));
    }
    return done;
}

std::size_t MemoryMap::peek_block(PhysAddress address, std::span<u8> data) const {
    std::size_t done = 0, last = 0;
    while (done < data.size()) {
        const u64 at = address.value + done;
        const Flat* flat = find(reads_, last, at);
        if (!flat) break;
        const Region& r = regions_[flat->region];
        const auto count = static_cast<std::size_t>(std::min<u64>(data.size() - done, flat->end - at));
        if (!r.device) std::memcpy(data.data() + done, r.host + (at - r.start), count);
        const std::size_t got = r.device ? peek_device(r, at, data.subspan(done, count)) : count;
        done += got;
        if (got < count) break;
    }
    return done;
}

std::optional<u64> MemoryMap::peek_beneath(RegionId above, PhysAddress address, unsigned width) const {
    u64 value = 0;
    for (unsigned i = 0; i < width; ++i) {
        const u64 at = address.value + i;
        const Region* r = find_beneath(above, at, Access::read);
        u8 byte = 0xFF;
        if (r && !r->device) byte = r->host[at - r->start];
        if (r && r->device && peek_device(*r, at, {&byte, 1}) == 0) return std::nullopt;
        value |= u64{byte} << (8 * i);
    }
    return value;
}

void MemoryMap::write_block(PhysAddress address, std::span<const u8> data) {
    if (probe) probe->memory_writing(address, data);
    for (std::size_t done = 0; done < data.size();) {
        const u64 at = address.value + done;
        const Flat* flat = find(writes_, last_write_, at);
        if (flat && !regions_[flat->region].device) {
            const Region& r = regions_[flat->region];
            const std::size_t n = static_cast<std::size_t>(std::min<u64>(data.size() - done, flat->end - at));
            if (!r.writes_dropped) {
                mark_dirty(r.host + (at - r.start), n);
                std::memcpy(r.host + (at - r.start), data.data() + done, n);
            }
            done += n;
        } else {
            write(PhysAddress{at}, 1, data[done++]);
        }
    }
    for (MemoryWatcher* watcher : watchers_) watcher->memory_written(address, data.size());
}

u8* MemoryMap::find_page(const std::vector<Flat>& list, std::size_t& last, u64 page) const {
    const Flat* flat = find(list, last, page);
    if (!flat || flat->end < page + page_size) return nullptr;
    const Region& r = regions_[flat->region];
    const bool plain = r.host && !(&list == &writes_ && r.writes_dropped);
    return plain ? r.host + (page - r.start) : nullptr;
}

MemoryMap::Span MemoryMap::largest(const std::vector<Flat>& list) const {
    Span most;
    for (const Flat& flat : list) {
        const Region& r = regions_[flat.region];
        if (r.host && !r.writes_dropped && flat.end - flat.start > most.size)
            most = {flat.start, flat.end - flat.start, r.host + (flat.start - r.start)};
    }
    return most;
}

void MemoryMap::set_a20(bool enabled) {
    if (a20_ == enabled) return;
    a20_ = enabled;
    for (MemoryWatcher* watcher : watchers_) watcher->map_changed();
}

void MemoryMap::persist(Archive& archive) {
    archive.chunk("memory", 1, [&](u32) {
        bool a20 = a20_;
        archive(a20);
        if (archive.loading()) set_a20(a20);
    });
}

} // namespace glassbox
