// qcow2: reference counts of host clusters and their allocation ("Host cluster management").
#include "devices/image/qcow2.hpp"

#include <algorithm>
#include <utility>

namespace glassbox::qcow2 {

/// The block behind refcount table entry `index`, which must exist.
Expected<Table*> Qcow2Image::refcount_block(u64 index) {
    const u64 offset = refcount_table_[index];
    auto it = refcount_cache_.find(offset);
    if (it == refcount_cache_.end()) {
        const std::size_t most = static_cast<std::size_t>(std::max<u64>(4, (4 << 20) / cluster_size_));
        if (refcount_cache_.size() >= most) {
            const auto older = [](auto& a, auto& b) { return a.second.used < b.second.used; };
            auto oldest = std::min_element(refcount_cache_.begin(), refcount_cache_.end(), older);
            // A block may be written at any time: counts are raised before use and lowered after the last use is gone.
            if (oldest->second.dirty) {
                if (auto r = file_.write(oldest->first, oldest->second.data); !r) return tl::unexpected(r.error());
            }
            refcount_cache_.erase(oldest);
        }
        Table table;
        table.data.resize(cluster_size_);
        if (auto r = file_.read(offset, table.data); !r) return tl::unexpected(r.error());
        it = refcount_cache_.emplace(offset, std::move(table)).first;
    }
    it->second.used = ++use_;
    return &it->second;
}

Expected<u64> Qcow2Image::refcount(u64 cluster) {
    const u64 index = cluster / refcounts_per_block(), i = cluster % refcounts_per_block();
    if (index >= refcount_table_.size() || refcount_table_[index] == 0) return u64{0};
    auto block = refcount_block(index);
    if (!block) return tl::unexpected(block.error());
    const u8* data = (*block)->data.data();
    switch (header_.refcount_order) {
    case 3: return u64{data[i]};
    case 4: return u64{be16(data + i * 2)};
    case 5: return u64{be32(data + i * 4)};
    case 6: return be64(data + i * 8);
    default: { // several in a byte, the first in the lowest bits
        const unsigned bits = 1u << header_.refcount_order;
        return u64{static_cast<u8>(data[i * bits / 8] >> (i * bits % 8)) & ((1u << bits) - 1)};
    }
    }
}

/// The count of a cluster whose refcount block exists.
Expected<> Qcow2Image::set_refcount(u64 cluster, u64 value) {
    const u64 index = cluster / refcounts_per_block(), i = cluster % refcounts_per_block();
    auto block = refcount_block(index);
    if (!block) return tl::unexpected(block.error());
    u8* data = (*block)->data.data();
    const unsigned bits = 1u << header_.refcount_order;
    if (bits >= 8) {
        for (unsigned k = 0; k < bits / 8; ++k) data[i * (bits / 8) + k] = static_cast<u8>(value >> (bits - 8 - 8 * k));
    } else {
        const unsigned shift = static_cast<unsigned>(i * bits % 8), mask = ((1u << bits) - 1) << shift;
        u8& byte = data[i * bits / 8];
        byte = static_cast<u8>((byte & ~mask) | (static_cast<unsigned>(value) << shift & mask));
    }
    (*block)->dirty = true;
    return {};
}

/// One reference less.
Expected<> Qcow2Image::drop(u64 cluster) {
    auto count = refcount(cluster);
    if (!count) return tl::unexpected(count.error());
    if (*count == 0) return file_.bad(cluster * cluster_size_, "a cluster in use has the reference count 0");
    if (*count == 1) free_hint_ = std::min(free_hint_, cluster);
    return set_refcount(cluster, *count - 1);
}

/// A free cluster, which now has the count 1 in memory.
Expected<u64> Qcow2Image::allocate() {
    for (u64 cluster = free_hint_;; ++cluster) {
        const u64 index = cluster / refcounts_per_block();
        if (index >= refcount_table_.size()) {
            if (auto r = grow_refcount_table(); !r) return tl::unexpected(r.error());
        }
        if (refcount_table_[index] == 0) {
            // The new block counts itself: it takes the first cluster that it describes.
            if (auto r = add_refcount_block(index, index * refcounts_per_block()); !r) return tl::unexpected(r.error());
            cluster = std::max(cluster, index * refcounts_per_block() + 1);
        }
        auto count = refcount(cluster);
        if (!count) return tl::unexpected(count.error());
        if (*count != 0) continue;
        if (metadata_.contains(cluster)) {
            return file_.bad(cluster * cluster_size_, "a cluster of tables has the reference count 0; repair the image "
                                                      "with 'qemu-img check -r all'");
        }
        if (auto r = set_refcount(cluster, 1); !r) return tl::unexpected(r.error());
        free_hint_ = cluster + 1;
        return cluster;
    }
}

Expected<> Qcow2Image::add_refcount_block(u64 index, u64 cluster) {
    const u64 offset = cluster * cluster_size_;
    if (metadata_.contains(cluster)) return file_.bad(offset, "a cluster of tables has no reference count");
    Table table;
    table.data.resize(cluster_size_);
    if (auto r = file_.extend(offset + cluster_size_); !r) return r;
    if (auto r = file_.write(offset, table.data); !r) return r;
    refcount_table_[index] = offset;
    dirty_refcount_table_.insert(index);
    metadata_.insert(cluster);
    return set_refcount(cluster, 1);
}

Expected<> Qcow2Image::write_refcount_table() {
    if (dirty_refcount_table_.empty()) return {};
    if (auto r = file_.sync(); !r) return r; // the blocks first
    for (u64 index : dirty_refcount_table_) {
        u8 entry[8];
        put_be64(entry, refcount_table_[index]);
        if (auto r = file_.write(header_.refcount_offset + index * 8, entry); !r) return r;
    }
    dirty_refcount_table_.clear();
    return {};
}

/// Moves the refcount table to the end of the file, twice as large. The header names the old one until all is written.
Expected<> Qcow2Image::grow_refcount_table() {
    if (auto r = write_tables(refcount_cache_); !r) return r;
    if (auto r = write_refcount_table(); !r) return r;
    const u64 per_block = refcounts_per_block(), old_entries = refcount_table_.size();
    const u64 table_clusters = std::max<u64>(2, header_.refcount_clusters * u64{2});
    if (table_clusters * cluster_size_ > std::max<u64>(8 << 20, cluster_size_ * 2)) {
        return file_.bad(48, "the image cannot grow: its refcount table would exceed 8 MiB");
    }
    const u64 first = std::max(old_entries * per_block, (file_.size() + cluster_size_ - 1) / cluster_size_);
    std::vector<u64> table = refcount_table_;
    table.resize(table_clusters * cluster_size_ / 8);
    u64 next = first + table_clusters; // where the next new block goes
    for (u64 index = first / per_block; index * per_block < next; ++index) {
        if (index >= table.size()) return file_.bad(48, "the file is longer than its reference counts can describe");
        if (table[index] == 0) table[index] = next++ * cluster_size_;
    }
    return poison(install_refcount_table(first, table_clusters, table)); // memory and file could disagree
}

Expected<> Qcow2Image::install_refcount_table(u64 first, u64 table_clusters, const std::vector<u64>& table) {
    std::vector<u8> raw(table.size() * 8);
    for (u64 i = 0; i < table.size(); ++i) put_be64(&raw[i * 8], table[i]);
    if (auto r = file_.write(first * cluster_size_, raw); !r) return r;
    u64 end = first + table_clusters;
    const std::vector<u8> empty(cluster_size_);
    for (u64 i = 0; i < table.size(); ++i) {
        if (table[i] == (i < refcount_table_.size() ? refcount_table_[i] : 0)) continue;
        if (auto r = file_.write(table[i], empty); !r) return r;
        end = std::max(end, table[i] / cluster_size_ + 1);
    }
    const u64 old_first = header_.refcount_offset / cluster_size_, old_clusters = header_.refcount_clusters;
    refcount_table_ = table;
    for (u64 cluster = first; cluster < end; ++cluster) {
        metadata_.insert(cluster);
        if (auto r = set_refcount(cluster, 1); !r) return r;
    }
    if (auto r = write_tables(refcount_cache_); !r) return r;
    if (auto r = file_.sync(); !r) return r;
    u8 place[12];
    put_be64(place, first * cluster_size_);
    put_be32(place + 8, static_cast<u32>(table_clusters));
    if (auto r = file_.write(48, place); !r) return r;
    if (auto r = file_.sync(); !r) return r;
    header_.refcount_offset = first * cluster_size_;
    header_.refcount_clusters = static_cast<u32>(table_clusters);
    for (u64 cluster = old_first; cluster < old_first + old_clusters; ++cluster) {
        metadata_.erase(cluster);
        if (auto r = drop(cluster); !r) return r;
    }
    return {};
}

} // namespace glassbox::qcow2
