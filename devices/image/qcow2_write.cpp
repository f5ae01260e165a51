// qcow2: writing clusters. Data goes to the file at once; tables stay in memory until a flush, which writes them in an
// order that leaves the image whole wherever it is interrupted: counts are raised before anything names a cluster, L2
// tables follow, then the L1 table, and only then are counts lowered. A crash leaks clusters at worst.
#include "devices/image/qcow2.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace glassbox::qcow2 {

/// After a failed write of tables the memory and the file disagree: nothing more is written.
Expected<> Qcow2Image::poison(Expected<> result) {
    if (!result && broken_.empty()) broken_ = result.error().message;
    return result;
}

/// Bitmaps and other features that a writer must know to keep valid are marked as not kept.
Expected<> Qcow2Image::begin_writing() {
    if (!broken_.empty()) return fail("'" + path() + "' is not written any more after an error: " + broken_);
    if (writing_) return {};
    if (header_.version >= 3 && header_.autoclear != 0) {
        const u8 none[8] = {};
        if (auto r = file_.write(88, none); !r) return r;
        if (auto r = file_.sync(); !r) return r;
        header_.autoclear = 0;
    }
    writing_ = true;
    return {};
}

Expected<> Qcow2Image::write(u64 offset, std::span<const u8> data) {
    if (auto r = check_range(*this, offset, data.size()); !r) return r;
    if (read_only()) return fail("'" + path() + "' is read-only");
    if (auto r = begin_writing(); !r) return r;
    for (std::size_t done = 0; done < data.size();) {
        const u64 start = (offset + done) % cluster_size_;
        const std::size_t n = static_cast<std::size_t>(std::min<u64>(cluster_size_ - start, data.size() - done));
        if (auto r = write_cluster((offset + done) / cluster_size_, start, data.subspan(done, n)); !r) return r;
        done += n;
    }
    return {};
}

Expected<> Qcow2Image::write_cluster(u64 guest_cluster, u64 start, std::span<const u8> data) {
    auto l2 = own_l2(guest_cluster / l2_entries());
    if (!l2) return tl::unexpected(l2.error());
    auto place = find(guest_cluster);
    if (!place) return tl::unexpected(place.error());
    if (place->host == 0) return write_new(guest_cluster, *place, start, data);
    auto count = refcount(place->host / cluster_size_);
    if (!count) return tl::unexpected(count.error());
    if (*count == 0 || ((place->entry & copied) && *count != 1)) {
        return file_.bad(place->host, "the reference count of a cluster of data is wrong; repair the image with "
                                      "'qemu-img check -r all'");
    }
    if (*count != 1) return write_new(guest_cluster, *place, start, data); // a snapshot has it too
    if (place->kind == Kind::data) {
        if ((place->entry & copied) == 0) {
            if (auto r = set_entry(guest_cluster, place->host | copied); !r) return r;
        }
        return file_.write(place->host + start, data);
    }
    std::vector<u8> whole(cluster_size_); // a cluster that reads as zero, with a place of its own
    std::memcpy(whole.data() + start, data.data(), data.size());
    if (auto r = file_.write(place->host, whole); !r) return r;
    return set_entry(guest_cluster, place->host | copied);
}

/// Writes a guest cluster to a new place, with the rest of what it held.
Expected<> Qcow2Image::write_new(u64 guest_cluster, const Place& old, u64 start, std::span<const u8> data) {
    auto cluster = allocate();
    if (!cluster) return tl::unexpected(cluster.error());
    const u64 host = *cluster * cluster_size_;
    const bool blank = old.kind == Kind::zero || (old.kind == Kind::backing && !backing_);
    Expected<> written;
    if (blank && host >= file_.size()) { // the file's new bytes are zero already
        written = file_.extend(host + cluster_size_);
        if (written) written = file_.write(host + start, data);
    } else {
        std::vector<u8> whole(cluster_size_);
        if (data.size() < cluster_size_) written = read_run(old, guest_cluster * cluster_size_, whole);
        std::memcpy(whole.data() + start, data.data(), data.size());
        if (written) written = file_.write(host, whole);
    }
    if (!written) {
        (void)drop(*cluster);
        return written;
    }
    if (auto r = set_entry(guest_cluster, host | copied); !r) return r;
    return release(old);
}

/// The L2 table behind an L1 entry, which is new or copied if it was missing or shared with a snapshot.
Expected<u64> Qcow2Image::own_l2(u64 l1_index) {
    const u64 old = l1_.at(l1_index) & offset_mask;
    if (old != 0) {
        auto count = refcount(old / cluster_size_);
        if (!count) return tl::unexpected(count.error());
        if (*count == 0 || ((l1_[l1_index] & copied) && *count != 1)) {
            return file_.bad(old, "the reference count of an L2 table is wrong; repair the image with "
                                  "'qemu-img check -r all'");
        }
        if (*count == 1) return old;
    }
    auto cluster = allocate();
    if (!cluster) return tl::unexpected(cluster.error());
    const u64 offset = *cluster * cluster_size_;
    Table table;
    table.data.resize(cluster_size_);
    if (old != 0) {
        auto source = l2_table(old);
        if (!source) return tl::unexpected(source.error());
        table.data = (*source)->data;
    }
    // Written now: the cache then holds it like any table that was read.
    if (auto r = file_.write(offset, table.data); !r) return tl::unexpected(r.error());
    l2_cache_.erase(offset);
    metadata_.insert(*cluster);
    l1_[l1_index] = offset | copied;
    dirty_l1_.insert(l1_index);
    if (old != 0) {
        metadata_.erase(old / cluster_size_);
        dropped_.push_back(old / cluster_size_);
    }
    return offset;
}

Expected<> Qcow2Image::set_entry(u64 guest_cluster, u64 entry) {
    auto l2 = l2_table(l1_.at(guest_cluster / l2_entries()) & offset_mask);
    if (!l2) return tl::unexpected(l2.error());
    put_be64(&(*l2)->data[guest_cluster % l2_entries() * 8], entry);
    (*l2)->dirty = true;
    return {};
}

/// The clusters of an L2 entry that has been replaced.
Expected<> Qcow2Image::release(const Place& place) {
    if (place.kind == Kind::packed) {
        const unsigned x = 62 - (header_.cluster_bits - 8);
        const u64 host = place.entry & ((u64{1} << x) - 1);
        const u64 sectors = ((place.entry & ~(copied | compressed)) >> x) + 1;
        const u64 last = ((host & ~u64{511}) + sectors * 512 - 1) / cluster_size_;
        for (u64 cluster = host / cluster_size_; cluster <= last; ++cluster) dropped_.push_back(cluster);
    } else if (place.host != 0) {
        dropped_.push_back(place.host / cluster_size_);
    }
    return dropped_.size() < 65536 ? Expected<>{} : write_back();
}

Expected<> Qcow2Image::write_tables(Tables& tables) {
    for (auto& [offset, table] : tables) {
        if (!table.dirty) continue;
        if (auto r = file_.write(offset, table.data); !r) return r;
        table.dirty = false;
    }
    return {};
}

Expected<> Qcow2Image::write_l1() {
    if (dirty_l1_.empty()) return {};
    if (auto r = file_.sync(); !r) return r; // the tables that it will name
    for (u64 index : dirty_l1_) {
        u8 entry[8];
        put_be64(entry, l1_[index]);
        if (auto r = file_.write(header_.l1_offset + index * 8, entry); !r) return r;
    }
    dirty_l1_.clear();
    return {};
}

Expected<> Qcow2Image::write_back() {
    if (!broken_.empty()) return fail("'" + path() + "' is not written any more after an error: " + broken_);
    const auto is_dirty = [](const auto& item) { return item.second.dirty; };
    const bool names = !dirty_l1_.empty() || std::any_of(l2_cache_.begin(), l2_cache_.end(), is_dirty);
    if (auto r = poison(write_tables(refcount_cache_)); !r) return r;
    if (auto r = poison(write_refcount_table()); !r) return r;
    if (auto r = poison(file_.sync()); !r) return r; // the data and its counts
    if (names) {
        if (auto r = poison(write_tables(l2_cache_)); !r) return r;
        if (auto r = poison(write_l1()); !r) return r;
        if (auto r = poison(file_.sync()); !r) return r;
    }
    for (u64 cluster : std::exchange(dropped_, {})) {
        if (auto r = poison(drop(cluster)); !r) return r;
    }
    return poison(write_tables(refcount_cache_));
}

Expected<> Qcow2Image::flush() { return read_only() ? Expected<>{} : write_back(); }

} // namespace glassbox::qcow2
