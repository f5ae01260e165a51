// The qcow2 header, its extensions and feature bits ("Header", "Header extensions").
#include "devices/image/qcow2.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace glassbox::qcow2 {

u16 be16(const u8* p) { return static_cast<u16>(p[0] << 8 | p[1]); }
u32 be32(const u8* p) { return u32{be16(p)} << 16 | be16(p + 2); }
u64 be64(const u8* p) { return u64{be32(p)} << 32 | be32(p + 4); }
void put_be32(u8* p, u32 value) {
    for (unsigned i = 0; i < 4; ++i) p[i] = static_cast<u8>(value >> (24 - 8 * i));
}
void put_be64(u8* p, u64 value) {
    put_be32(p, static_cast<u32>(value >> 32));
    put_be32(p + 4, static_cast<u32>(value));
}

namespace {

constexpr u64 most_l1_bytes = 32 << 20, most_refcount_table_bytes = 8 << 20;

Expected<> check_features(const HostFile& file, u64 incompatible, u8 compression) {
    if (incompatible & 2) return file.bad(72, "the image is marked corrupt; repair it with 'qemu-img check -r all'");
    if ((incompatible & 1) && file.writable()) {
        return file.bad(72, "the image was not closed properly (dirty bit); repair it with 'qemu-img check -r all' or "
                            "use it with readonly or discard-writes");
    }
    if (incompatible & 4) return file.bad(72, "external data files are not supported");
    if (incompatible & 16) return file.bad(72, "extended L2 entries (subclusters) are not supported");
    if ((incompatible & 8) || compression != 0) {
        return file.bad(104, compression == 1 ? "zstd compression is not supported; convert with 'qemu-img convert'"
                                              : "unknown compression type " + std::to_string(compression));
    }
    if (incompatible & ~u64{31}) return file.bad(72, "the image needs features that are unknown here");
    return {};
}

Expected<> check_geometry(const HostFile& file, const Header& h) {
    if (h.cluster_bits < 9 || h.cluster_bits > 21) {
        return file.bad(20, "the cluster size 2^" + std::to_string(h.cluster_bits) + " is not within 512 B to 2 MiB");
    }
    const u64 in_cluster = h.cluster_size() - 1;
    if (h.size == 0) return file.bad(24, "the disk is empty");
    if (h.size > u64{1} << 56) return file.bad(24, "the disk is absurdly large");
    if (u64{h.l1_size} * 8 > most_l1_bytes) return file.bad(36, "the L1 table is larger than 32 MiB");
    const u64 span = h.cluster_size() * (h.cluster_size() / 8); // of one L1 entry
    if (h.l1_size < (whole_sectors(h.size) + span - 1) / span)
        return file.bad(36, "the L1 table is too small for the disk");
    if (h.l1_offset & in_cluster) return file.bad(40, "the L1 table is not aligned to a cluster");
    if (h.refcount_offset & in_cluster) return file.bad(48, "the refcount table is not aligned to a cluster");
    if (h.refcount_clusters == 0) return file.bad(56, "there is no refcount table");
    if (h.refcount_clusters * h.cluster_size() > std::max(most_refcount_table_bytes, h.cluster_size())) {
        return file.bad(56, "the refcount table is larger than 8 MiB");
    }
    if (h.refcount_order > 6) return file.bad(96, "refcounts of more than 64 bits");
    if (h.snapshots > 65536) return file.bad(60, "there are more than 65536 snapshots");
    if (h.snapshots_offset & in_cluster) return file.bad(64, "the snapshot table is not aligned to a cluster");
    return {};
}

/// Extensions follow the header up to the end of the first cluster (or the backing file's name).
Expected<> read_extensions(const HostFile& file, Header& h) {
    const u64 end = h.backing_offset ? h.backing_offset : h.cluster_size();
    for (u64 at = h.length; at + 8 <= end;) {
        std::array<u8, 8> head{};
        if (auto r = file.read(at, head); !r) return r;
        const u32 type = be32(head.data()), length = be32(head.data() + 4);
        if (type == 0) break;
        if (length > end - at - 8) return file.bad(at, "a header extension is longer than the header's cluster");
        if (type == 0xE2792ACA) { // format of the backing file
            if (length > 16) return file.bad(at, "the backing file's format has an absurd name");
            std::vector<u8> name(length);
            if (auto r = file.read(at + 8, name); !r) return r;
            h.backing_format.assign(name.begin(), name.end());
        } else if (type == 0x0537BE77) {
            return file.bad(at, "encrypted images are not supported");
        } else if (type == 0x44415441) {
            return file.bad(at, "external data files are not supported");
        }
        at += 8 + ((u64{length} + 7) & ~u64{7});
    }
    return {};
}

Expected<> read_backing_name(const HostFile& file, Header& h) {
    if (h.backing_offset == 0) return {};
    if (h.backing_size == 0 || h.backing_size > 1023)
        return file.bad(16, "the backing file's name is empty or too long");
    if (h.backing_offset < h.length || h.backing_offset > h.cluster_size() - h.backing_size) {
        return file.bad(8, "the backing file's name lies outside of the header's cluster");
    }
    std::vector<u8> name(h.backing_size);
    if (auto r = file.read(h.backing_offset, name); !r) return r;
    h.backing_file.assign(name.begin(), name.end());
    if (h.backing_file.find('\0') != std::string::npos)
        return file.bad(h.backing_offset, "the backing file's name has a zero byte");
    return {};
}

} // namespace

Expected<Header> read_header(const HostFile& file) {
    std::array<u8, 112> raw{};
    if (auto r = file.read(0, raw); !r) return tl::unexpected(r.error());
    Header h;
    h.version = be32(&raw[4]);
    if (std::memcmp(raw.data(), "QFI\xFB", 4) != 0) return file.bad(0, "this is no qcow2 image");
    if (file.size() < 72) return file.bad(file.size(), "the header is cut off");
    if (h.version != 2 && h.version != 3) {
        return file.bad(4, "qcow version " + std::to_string(h.version) + " is not supported, only 2 and 3");
    }
    h.backing_offset = be64(&raw[8]);
    h.backing_size = be32(&raw[16]);
    h.cluster_bits = be32(&raw[20]);
    h.size = be64(&raw[24]);
    if (be32(&raw[32]) != 0) return file.bad(32, "encrypted images are not supported");
    h.l1_size = be32(&raw[36]);
    h.l1_offset = be64(&raw[40]);
    h.refcount_offset = be64(&raw[48]);
    h.refcount_clusters = be32(&raw[56]);
    h.snapshots = be32(&raw[60]);
    h.snapshots_offset = be64(&raw[64]);
    if (h.version == 3) {
        if (file.size() < 104) return file.bad(file.size(), "the header is cut off");
        h.autoclear = be64(&raw[88]);
        h.refcount_order = be32(&raw[96]);
        h.length = be32(&raw[100]);
        if (h.length < 104 || h.length % 8 != 0 || h.length > 65536)
            return file.bad(100, "the header has an absurd length");
        if (auto r = check_features(file, be64(&raw[72]), h.length > 104 ? raw[104] : u8{0}); !r) {
            return tl::unexpected(r.error());
        }
    }
    if (auto r = check_geometry(file, h); !r) return tl::unexpected(r.error());
    if (h.length > h.cluster_size()) return file.bad(100, "the header is longer than a cluster");
    if (auto r = read_backing_name(file, h); !r) return tl::unexpected(r.error());
    if (auto r = read_extensions(file, h); !r) return tl::unexpected(r.error());
    return h;
}

} // namespace glassbox::qcow2
