// qcow2: opening, and finding and reading clusters ("Cluster mapping", "Compressed clusters").
#include "devices/image/qcow2.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
#include <zlib.h>

namespace glassbox {

namespace {

/// The backing file's path as seen from the directory of `path`.
Expected<std::string> backing_path(const std::string& path, std::string name) {
    const std::size_t colon = name.find(':');
    if (colon != std::string::npos && name.find('/') > colon) {
        if (name.compare(0, 5, "file:") != 0) {
            return fail("'" + path + "': the backing file '" + name + "' is not a plain file name");
        }
        name.erase(0, 5);
    }
    if (name.empty() || name[0] == '/') return name;
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? name : path.substr(0, slash + 1) + name;
}

} // namespace

Expected<std::unique_ptr<Image>> open_qcow2(HostFile file, unsigned depth) {
    auto header = qcow2::read_header(file);
    if (!header) return tl::unexpected(header.error());
    std::unique_ptr<Image> backing;
    if (!header->backing_file.empty()) {
        if (depth + 1 >= image_chain_limit) {
            return fail("'" + file.path() + "': more than " + std::to_string(image_chain_limit) + " backing files");
        }
        auto path = backing_path(file.path(), header->backing_file);
        if (!path) return tl::unexpected(path.error());
        auto opened = open_format(*path, false, header->backing_format, depth + 1);
        if (!opened) return fail("'" + file.path() + "' needs its backing file: " + opened.error().message);
        backing = std::move(*opened);
    }
    auto image = std::make_unique<qcow2::Qcow2Image>(std::move(file), std::move(*header), std::move(backing));
    if (auto r = image->load(); !r) return tl::unexpected(r.error());
    return image;
}

} // namespace glassbox

namespace glassbox::qcow2 {

Qcow2Image::Qcow2Image(HostFile file, Header header, std::unique_ptr<Image> backing)
    : file_(std::move(file)), header_(std::move(header)), backing_(std::move(backing)),
      cluster_size_(header_.cluster_size()), size_(whole_sectors(header_.size)) {}

Qcow2Image::~Qcow2Image() {
    if (!read_only()) (void)flush();
}

Expected<> Qcow2Image::check_table_place(const char* what, u64 at, u64 offset, u64 bytes) const {
    if (offset >= file_.size() || bytes > file_.size() - offset) {
        return file_.bad(at, std::string(what) + " lies past the end of the file");
    }
    if (offset < cluster_size_) return file_.bad(at, std::string(what) + " lies over the header");
    return {};
}

Expected<> Qcow2Image::load() {
    const u64 table_bytes = header_.refcount_clusters * cluster_size_;
    if (auto r = check_table_place("the L1 table", 40, header_.l1_offset, u64{header_.l1_size} * 8); !r) return r;
    if (auto r = check_table_place("the refcount table", 48, header_.refcount_offset, table_bytes); !r) return r;
    std::vector<u8> raw(u64{header_.l1_size} * 8);
    if (auto r = file_.read(header_.l1_offset, raw); !r) return r;
    for (u64 i = 0; i < header_.l1_size; ++i) l1_.push_back(be64(&raw[i * 8]));
    if (!read_only()) {
        raw.resize(table_bytes);
        if (auto r = file_.read(header_.refcount_offset, raw); !r) return r;
        for (u64 i = 0; i < table_bytes / 8; ++i) refcount_table_.push_back(be64(&raw[i * 8]) & ~u64{511});
    }
    return check_tables();
}

/// Tables that overlap would be damaged by the first write: each cluster of metadata is claimed once.
Expected<> Qcow2Image::check_tables() {
    const auto claim = [&](const char* what, u64 at, u64 offset, u64 bytes) -> Expected<> {
        for (u64 c = offset / cluster_size_; c * cluster_size_ < offset + bytes; ++c) {
            if (!metadata_.insert(c).second) return file_.bad(at, std::string(what) + " overlaps another table");
        }
        return {};
    };
    if (auto r = claim("the header", 0, 0, cluster_size_); !r) return r;
    if (auto r = claim("the L1 table", 40, header_.l1_offset, u64{header_.l1_size} * 8); !r) return r;
    const u64 table_bytes = header_.refcount_clusters * cluster_size_;
    if (auto r = claim("the refcount table", 48, header_.refcount_offset, table_bytes); !r) return r;
    if (header_.snapshots) {
        if (auto r = check_table_place("the snapshot table", 64, header_.snapshots_offset, 1); !r) return r;
        if (auto r = claim("the snapshot table", 64, header_.snapshots_offset, 1); !r) return r;
    }
    const auto check = [&](const char* what, u64 at, u64 offset) -> Expected<> {
        if (offset == 0) return {};
        if (offset % cluster_size_) return file_.bad(at, std::string(what) + " is not aligned to a cluster");
        if (auto r = check_table_place(what, at, offset, 1); !r) return r;
        return claim(what, at, offset, cluster_size_);
    };
    for (u64 i = 0; i < l1_.size(); ++i) {
        if (auto r = check("an L2 table", header_.l1_offset + i * 8, l1_[i] & offset_mask); !r) return r;
    }
    for (u64 i = 0; i < refcount_table_.size(); ++i) {
        if (auto r = check("a refcount block", header_.refcount_offset + i * 8, refcount_table_[i]); !r) return r;
    }
    return {};
}

Expected<Table*> Qcow2Image::l2_table(u64 offset) {
    auto it = l2_cache_.find(offset);
    if (it == l2_cache_.end()) {
        const std::size_t most = static_cast<std::size_t>(std::max<u64>(4, (8 << 20) / cluster_size_));
        if (l2_cache_.size() >= most) {
            const auto older = [](auto& a, auto& b) { return a.second.used < b.second.used; };
            auto oldest = std::min_element(l2_cache_.begin(), l2_cache_.end(), older);
            if (oldest->second.dirty) {
                const u64 victim = oldest->first;
                if (auto r = write_back(); !r) return tl::unexpected(r.error());
                oldest = l2_cache_.find(victim);
            }
            l2_cache_.erase(oldest);
        }
        Table table;
        table.data.resize(cluster_size_);
        if (auto r = file_.read(offset, table.data); !r) return tl::unexpected(r.error());
        it = l2_cache_.emplace(offset, std::move(table)).first;
    }
    it->second.used = ++use_;
    return &it->second;
}

Expected<Qcow2Image::Place> Qcow2Image::decode(u64 entry, u64 entry_at) const {
    Place place;
    place.entry = entry;
    if (entry & compressed) {
        place.kind = Kind::packed;
        return place;
    }
    place.host = entry & offset_mask;
    const bool zero = header_.version >= 3 && (entry & reads_zero);
    if (place.host == 0) {
        place.kind = zero ? Kind::zero : Kind::backing;
        return place;
    }
    place.kind = zero ? Kind::zero : Kind::data;
    if (place.host % cluster_size_) return file_.bad(entry_at, "a cluster of data is not aligned");
    if (place.host >= file_.size()) return file_.bad(entry_at, "a cluster of data lies past the end of the file");
    if (metadata_.contains(place.host / cluster_size_))
        return file_.bad(entry_at, "a cluster of data overlaps a table");
    return place;
}

Expected<Qcow2Image::Place> Qcow2Image::find(u64 guest_cluster) {
    const u64 l1_index = guest_cluster / l2_entries(), l2_index = guest_cluster % l2_entries();
    const u64 table = l1_.at(l1_index) & offset_mask;
    if (table == 0) return Place{};
    auto l2 = l2_table(table);
    if (!l2) return tl::unexpected(l2.error());
    return decode(be64(&(*l2)->data[l2_index * 8]), table + l2_index * 8);
}

Expected<> Qcow2Image::read_backing(u64 offset, std::span<u8> data) {
    const u64 there = backing_ ? backing_->size() : 0;
    const std::size_t inside =
        offset >= there ? 0 : static_cast<std::size_t>(std::min<u64>(data.size(), there - offset));
    std::fill(data.begin() + static_cast<std::ptrdiff_t>(inside), data.end(), u8{0});
    return inside ? backing_->read(offset, data.first(inside)) : Expected<>{};
}

Expected<> Qcow2Image::read_packed(u64 entry, u64 start, std::span<u8> data) {
    if (unpacked_entry_ != entry || unpacked_.empty()) {
        const unsigned x = 62 - (header_.cluster_bits - 8);
        const u64 host = entry & ((u64{1} << x) - 1);
        const u64 sectors = ((entry & ~(copied | compressed)) >> x) + 1;
        if (host >= file_.size()) return file_.bad(host, "a compressed cluster lies past the end of the file");
        std::vector<u8> packed(sectors * 512 - host % 512);
        if (auto r = file_.read(host, packed); !r) return r;
        unpacked_.assign(cluster_size_, 0);
        z_stream stream{};
        stream.next_in = packed.data();
        stream.avail_in = static_cast<uInt>(packed.size());
        stream.next_out = unpacked_.data();
        stream.avail_out = static_cast<uInt>(unpacked_.size());
        const bool ready = inflateInit2(&stream, -15) == Z_OK;
        const int result = ready ? inflate(&stream, Z_FINISH) : Z_MEM_ERROR;
        if (ready) inflateEnd(&stream);
        // The stream may be followed by other data, but must fill the cluster.
        if (stream.avail_out != 0 || (result != Z_STREAM_END && result != Z_BUF_ERROR && result != Z_OK)) {
            unpacked_.clear();
            return file_.bad(host, "a compressed cluster is damaged");
        }
        unpacked_entry_ = entry;
    }
    std::memcpy(data.data(), unpacked_.data() + start, data.size());
    return {};
}

Expected<> Qcow2Image::read_run(const Place& place, u64 offset, std::span<u8> data) {
    switch (place.kind) {
    case Kind::backing: return read_backing(offset, data);
    case Kind::zero: std::fill(data.begin(), data.end(), u8{0}); return {};
    case Kind::data: return file_.read(place.host + offset % cluster_size_, data);
    case Kind::packed: return read_packed(place.entry, offset % cluster_size_, data);
    }
    return {};
}

Expected<> Qcow2Image::read(u64 offset, std::span<u8> data) {
    if (auto r = check_range(*this, offset, data.size()); !r) return r;
    for (std::size_t done = 0; done < data.size();) {
        const u64 at = offset + done;
        auto place = find(at / cluster_size_);
        if (!place) return tl::unexpected(place.error());
        u64 run = cluster_size_ - at % cluster_size_;
        while (run < data.size() - done && place->kind != Kind::packed) { // neighbours in one go
            auto next = find((at + run) / cluster_size_);
            if (!next || next->kind != place->kind) break;
            if (place->kind == Kind::data && next->host != place->host + at % cluster_size_ + run) break;
            run += cluster_size_;
        }
        const std::size_t n = static_cast<std::size_t>(std::min<u64>(run, data.size() - done));
        if (auto r = read_run(*place, at, data.subspan(done, n)); !r) return r;
        done += n;
    }
    return {};
}

} // namespace glassbox::qcow2
