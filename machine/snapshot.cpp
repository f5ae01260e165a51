#include "machine/snapshot.hpp"

#include "machine/board.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <span>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

namespace glassbox {

namespace {

constexpr std::array<u8, 8> magic = {'G', 'L', 'A', 'S', 'S', 'B', 'O', 'X'};
constexpr u32 format_version = 1;
constexpr std::size_t header_size = 16; ///< magic, version, checksum of the rest
constexpr u64 largest_file = u64{16} << 30;

/// What must be the same for a snapshot to fit a machine.
void persist_shape(Board& board, Archive& archive) {
    const u32 count = board.processors.count();
    archive.chunk("shape", archive.loading() || count > 1 ? 2 : 1, [&](u32 version) {
        u32 processors = 1;
        if (!archive.loading()) processors = count;
        if (version >= 2) archive(processors);
        archive.require(processors == count, "it is of a machine with " + std::to_string(processors) +
                                                 (processors == 1 ? " processor" : " processors") + " (use --smp)");
        u64 memory = board.config.memory_bytes;
        std::string model(board.processors[0].model->name);
        u32 serial = static_cast<u32>(board.uarts.size());
        bool parallel = board.parallel.has_value();
        archive(memory, model, serial, parallel);
        archive.require(memory == board.config.memory_bytes,
                        "it is of a machine with " + std::to_string(memory >> 10) + " KiB of memory (use --memory)");
        archive.require(model == board.processors[0].model->name,
                        "it is of a machine with the processor '" + model.substr(0, 32) + "' (use --cpu)");
        archive.require(serial == board.uarts.size(), "it is of a machine with another number of serial ports");
        archive.require(parallel == board.parallel.has_value(), "the parallel ports differ");
    });
}

/// RAM: the numbers of the pages that are not zero, and their contents as one zlib stream.
void save_ram(std::span<const u8> ram, Archive& archive) {
    std::vector<u32> pages;
    std::vector<u8> contents;
    for (u64 at = 0; at < ram.size(); at += page_size) {
        const auto page = ram.subspan(at, page_size);
        if (all_zero(page)) continue;
        pages.push_back(static_cast<u32>(at / page_size));
        contents.insert(contents.end(), page.begin(), page.end());
    }
    uLongf length = compressBound(contents.size());
    std::vector<u8> packed(length);
    compress2(packed.data(), &length, contents.data(), contents.size(), 1);
    packed.resize(length);
    archive.bounded(pages, ~u64{0});
    archive.bounded(packed, ~u64{0});
}

/// Checks and unpacks RAM without touching the machine.
Expected<std::vector<u8>> unpack_ram(Archive& archive, u64 ram_size, std::vector<u32>& pages) {
    std::vector<u8> packed;
    archive.bounded(pages, ram_size / page_size);
    archive.bounded(packed, largest_file);
    if (!archive.ok()) return fail(archive.reason());
    for (std::size_t i = 0; i < pages.size(); ++i) {
        if (pages[i] >= ram_size / page_size || (i && pages[i] <= pages[i - 1]))
            return fail("a memory page's number is out of order");
    }
    std::vector<u8> contents(pages.size() * page_size);
    uLongf length = contents.size();
    if (uncompress(contents.data(), &length, packed.data(), packed.size()) != Z_OK || length != contents.size())
        return fail("the memory contents are damaged");
    return contents;
}

Expected<std::vector<u8>> read_file(const std::string& path) {
    struct stat info{};
    if (stat(path.c_str(), &info) != 0) return fail("cannot open the snapshot '" + path + "': " + std::strerror(errno));
    if (!S_ISREG(info.st_mode)) // opening a pipe would wait for ever
        return fail("cannot use '" + path + "' as a snapshot: it is not a file");
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (!file) return fail("cannot open the snapshot '" + path + "': " + std::strerror(errno));
    std::vector<u8> data;
    if (static_cast<u64>(info.st_size) <= largest_file) data.resize(static_cast<std::size_t>(info.st_size));
    const std::size_t got = data.empty() ? 0 : std::fread(data.data(), 1, data.size(), file);
    std::fclose(file);
    if (data.empty() || got != data.size())
        return fail("cannot read the snapshot '" + path + "': it is empty, absurdly large or changes as it is read");
    return data;
}

u64 fnv(u64 hash, std::span<const u8> data) {
    for (u8 byte : data) hash = (hash ^ byte) * 0x100'0000'01B3;
    return hash;
}

void put_u32(std::vector<u8>& out, u32 value) {
    for (unsigned i = 0; i < 4; ++i) out.push_back(static_cast<u8>(value >> (8 * i)));
}
u32 get_u32(std::span<const u8> data, std::size_t at) {
    u32 value = 0;
    for (unsigned i = 0; i < 4; ++i) value |= u32{data[at + i]} << (8 * i);
    return value;
}

u32 checksum(std::span<const u8> body) { return static_cast<u32>(crc32_z(0, body.data(), body.size())); }

} // namespace

namespace {

std::vector<u8> save_state(Board& board, Archive archive) {
    persist_shape(board, archive);
    board.persist(archive);
    return std::move(archive.bytes());
}

Expected<> load_state(Board& board, Archive archive) {
    persist_shape(board, archive);
    if (archive.ok()) board.persist(archive);
    board.forget_derived(); // nothing decoded or translated before holds any more
    if (!archive.ok()) return fail(archive.reason());
    return {};
}

} // namespace

std::vector<u8> machine_state(Board& board) { return save_state(board, Archive::saver()); }
std::vector<u8> machine_state(Board& board, const PagePool& pool, std::vector<SharedPage>& pages) {
    return save_state(board, Archive::saver(pool, pages));
}
Expected<> restore_state(Board& board, std::span<const u8> state) { return load_state(board, Archive::loader(state)); }
Expected<> restore_state(Board& board, std::span<const u8> state, const std::vector<SharedPage>& pages) {
    return load_state(board, Archive::loader(state, pages));
}

std::vector<u8> take_snapshot(Board& board) {
    Archive archive = Archive::saver();
    persist_shape(board, archive);
    board.persist(archive);
    save_ram(board.memory.ram(), archive);
    std::vector<u8> out(magic.begin(), magic.end());
    put_u32(out, format_version);
    put_u32(out, checksum(archive.bytes()));
    out.insert(out.end(), archive.bytes().begin(), archive.bytes().end());
    return out;
}

Expected<> restore_snapshot(Board& board, std::span<const u8> data) {
    if (data.size() < header_size || !std::equal(magic.begin(), magic.end(), data.begin()))
        return fail("it is not a GlassBox snapshot");
    if (get_u32(data, 8) != format_version)
        return fail("its format is version " + std::to_string(get_u32(data, 8)) + ", this GlassBox reads version " +
                    std::to_string(format_version));
    const auto body = data.subspan(header_size);
    if (get_u32(data, 12) != checksum(body)) return fail("its checksum does not match: it is damaged or cut short");

    Archive archive = Archive::loader(body);
    persist_shape(board, archive);
    if (!archive.ok()) return fail(archive.reason());
    const std::vector<u8> before = machine_state(board);
    board.persist(archive);
    std::vector<u32> pages;
    Expected<std::vector<u8>> contents = fail(archive.reason());
    if (archive.ok()) contents = unpack_ram(archive, board.memory.ram().size(), pages);
    if (contents && !archive.at_end()) contents = fail("something follows its end");
    if (!contents) {
        static_cast<void>(restore_state(board, before));
        return tl::unexpected(contents.error());
    }
    auto ram = board.memory.ram();
    std::size_t next = 0;
    for (u64 page = 0; page < ram.size() / page_size; ++page) {
        const auto target = ram.subspan(page * page_size, page_size);
        if (next < pages.size() && pages[next] == page) {
            std::memcpy(target.data(), contents->data() + next * page_size, page_size);
            ++next;
        } else if (!all_zero(target)) {
            std::fill(target.begin(), target.end(), u8{0});
        }
    }
    if (board.memory.dirty) board.memory.dirty->mark_all();
    board.forget_derived(); // nothing decoded or translated before holds any more
    return {};
}

Expected<> save_snapshot(Board& board, const std::string& path) {
    const std::vector<u8> out = take_snapshot(board);
    // Written beside its place and renamed, so that a full disk costs no older snapshot.
    const std::string temporary = path + ".new";
    std::FILE* file = std::fopen(temporary.c_str(), "wb");
    if (!file) return fail("cannot write the snapshot '" + temporary + "': " + std::strerror(errno));
    const bool written = std::fwrite(out.data(), 1, out.size(), file) == out.size() && std::fflush(file) == 0 &&
                         fdatasync(fileno(file)) == 0;
    const bool closed = std::fclose(file) == 0;
    if (!written || !closed || std::rename(temporary.c_str(), path.c_str()) != 0) {
        const std::string reason = std::strerror(errno);
        std::remove(temporary.c_str());
        return fail("cannot write the snapshot '" + path + "': " + reason);
    }
    return {};
}

Expected<> load_snapshot(Board& board, const std::string& path) {
    auto data = read_file(path);
    if (!data) return tl::unexpected(data.error());
    auto done = restore_snapshot(board, *data);
    if (!done) return fail("the snapshot '" + path + "' cannot be used: " + done.error().message);
    return {};
}

u64 hash_state(Board& board) {
    u64 hash = fnv(0xCBF2'9CE4'8422'2325, machine_state(board));
    const auto ram = board.memory.ram();
    for (u64 at = 0; at < ram.size(); at += page_size) {
        const auto page = ram.subspan(at, page_size);
        if (all_zero(page)) continue;
        std::array<u8, 8> number;
        for (unsigned i = 0; i < 8; ++i) number[i] = static_cast<u8>(at >> (8 * i));
        hash = fnv(fnv(hash, number), page);
    }
    return hash;
}

} // namespace glassbox
