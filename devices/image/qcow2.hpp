// QEMU's qcow2 format, versions 2 and 3 ("The QCOW2 image format", docs/interop/qcow2 of QEMU). Private to
// devices/image.
//
// Guest clusters are found through two levels of tables (L1, L2); host clusters are counted by refcount blocks behind
// a refcount table. What is read and written: normal and zero clusters, backing files, internal snapshots (their
// clusters are copied before writing). What is read only: compressed clusters (deflate), which become normal ones when
// written. Refused: encryption, external data files, extended L2 entries, zstd, unknown features, images marked
// corrupt, and for writing those marked dirty.
#pragma once

#include "devices/image/formats.hpp"

#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace glassbox::qcow2 {

u16 be16(const u8* p);
u32 be32(const u8* p);
u64 be64(const u8* p);
void put_be32(u8* p, u32 value);
void put_be64(u8* p, u64 value);

inline constexpr u64 copied = u64{1} << 63;     ///< refcount is exactly one
inline constexpr u64 compressed = u64{1} << 62; ///< of an L2 entry
inline constexpr u64 reads_zero = 1;            ///< of an L2 entry, version 3
inline constexpr u64 offset_mask = 0x00FF'FFFF'FFFF'FE00;

struct Header {
    u32 version = 0;
    u64 backing_offset = 0;
    u32 backing_size = 0;
    u32 cluster_bits = 0;
    u64 size = 0;
    u32 l1_size = 0;
    u64 l1_offset = 0;
    u64 refcount_offset = 0;
    u32 refcount_clusters = 0;
    u32 snapshots = 0;
    u64 snapshots_offset = 0;
    u64 autoclear = 0;
    u32 refcount_order = 4;
    u32 length = 72;
    std::string backing_file, backing_format;

    u64 cluster_size() const { return u64{1} << cluster_bits; }
};

/// Reads and checks the header and its extensions; refuses what this version of the code does not handle.
Expected<Header> read_header(const HostFile& file);

/// Tables of one cluster each, by their offset in the file.
struct Table {
    std::vector<u8> data;
    bool dirty = false;
    u64 used = 0; ///< for replacing the least recently used
};
using Tables = std::unordered_map<u64, Table>;

class Qcow2Image final : public Image {
  public:
    Qcow2Image(HostFile file, Header header, std::unique_ptr<Image> backing);
    ~Qcow2Image() override;

    /// Loads the L1 table and, for writing, the refcount table. Call it once, before anything else.
    Expected<> load();

    u64 size() const override { return size_; }
    bool read_only() const override { return !file_.writable(); }
    const std::string& path() const override { return file_.path(); }
    Expected<> read(u64 offset, std::span<u8> data) override;
    Expected<> write(u64 offset, std::span<const u8> data) override;
    Expected<> flush() override;
    void persist(Archive& archive) override { persist_identity(archive, *this); }

  private:
    enum class Kind : u8 { backing, zero, data, packed };
    struct Place {
        Kind kind = Kind::backing;
        u64 entry = 0; ///< the L2 entry
        u64 host = 0;  ///< of the cluster, when data, or reserved for it, when zero
    };

    // qcow2_read.cpp
    Expected<> check_tables();
    Expected<> check_table_place(const char* what, u64 at, u64 offset, u64 bytes) const;
    Expected<Place> find(u64 guest_cluster);
    Expected<Place> decode(u64 entry, u64 entry_at) const;
    Expected<> read_backing(u64 offset, std::span<u8> data);
    Expected<> read_packed(u64 entry, u64 start, std::span<u8> data);
    Expected<> read_run(const Place& place, u64 offset, std::span<u8> data);
    Expected<Table*> l2_table(u64 offset);
    u64 l2_entries() const { return cluster_size_ / 8; }

    // qcow2_write.cpp
    Expected<> begin_writing();
    Expected<> write_cluster(u64 guest_cluster, u64 start, std::span<const u8> data);
    Expected<> write_new(u64 guest_cluster, const Place& old, u64 start, std::span<const u8> data);
    Expected<u64> own_l2(u64 l1_index);
    Expected<> set_entry(u64 guest_cluster, u64 entry);
    Expected<> release(const Place& place);
    Expected<> write_back();
    Expected<> write_tables(Tables& tables);
    Expected<> write_l1();
    Expected<> poison(Expected<> result);

    // qcow2_refcounts.cpp
    Expected<Table*> refcount_block(u64 index);
    Expected<u64> refcount(u64 cluster);
    Expected<> set_refcount(u64 cluster, u64 value);
    Expected<> drop(u64 cluster);
    Expected<u64> allocate();
    Expected<> add_refcount_block(u64 index, u64 cluster);
    Expected<> grow_refcount_table();
    Expected<> install_refcount_table(u64 first, u64 table_clusters, const std::vector<u64>& table);
    Expected<> write_refcount_table();
    u64 refcounts_per_block() const { return cluster_size_ * 8 >> header_.refcount_order; }

    HostFile file_;
    Header header_;
    std::unique_ptr<Image> backing_;
    u64 cluster_size_;
    u64 size_;
    std::vector<u64> l1_, refcount_table_;
    Tables l2_cache_, refcount_cache_;
    u64 use_ = 0;
    std::unordered_set<u64> metadata_; ///< clusters that hold tables: never the guest's data
    std::set<u64> dirty_l1_, dirty_refcount_table_;
    std::vector<u64> dropped_; ///< clusters to release once the tables no longer name them on the disk
    u64 free_hint_ = 0;        ///< no cluster below is free
    std::vector<u8> unpacked_; ///< the compressed cluster read last
    u64 unpacked_entry_ = 0;
    bool writing_ = false;
    std::string broken_; ///< a failed write of tables: nothing is written any more, so that the file stays whole
};

} // namespace glassbox::qcow2
