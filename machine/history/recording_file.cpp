#include "machine/history/recording_file.hpp"

#include "machine/history/digest.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <zlib.h>

namespace glassbox {

namespace {

constexpr std::array<u8, 8> magic = {'G', 'L', 'A', 'S', 'S', 'R', 'E', 'C'};
constexpr u32 format_version = 1;
constexpr u64 file_header = 12;
constexpr u64 chunk_header = 20; ///< kind, length, checksum of the payload, checksum of these
/// What is no snapshot is small: a lie about its length costs no memory.
constexpr u64 largest_small = u64{32} << 20;
constexpr u64 largest_snapshot = u64{20} << 30;

void put_number(std::vector<u8>& out, u64 value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) out.push_back(static_cast<u8>(value >> (8 * i)));
}

u32 checksum(std::span<const u8> data, u32 so_far = 0) {
    return static_cast<u32>(crc32_z(so_far, data.data(), data.size()));
}

std::string system_error() { return std::strerror(errno); }

} // namespace

Expected<std::unique_ptr<RecordingWriter>> RecordingWriter::create(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (!file) return fail("cannot write the recording '" + path + "': " + system_error());
    std::setvbuf(file, nullptr, _IONBF, 0);
    std::unique_ptr<RecordingWriter> writer(new RecordingWriter(path, file));
    std::vector<u8> header(magic.begin(), magic.end());
    put_number(header, format_version, 4);
    writer->put(header);
    if (auto status = writer->status(); !status) return tl::unexpected(status.error());
    return writer;
}

RecordingWriter::~RecordingWriter() { std::fclose(file_); }

void RecordingWriter::put(std::span<const u8> data) {
    if (!error_.empty()) return;
    size_ += data.size();
    if (std::fwrite(data.data(), 1, data.size(), file_) != data.size())
        error_ = "cannot write the recording '" + path_ + "': " + system_error();
}

void RecordingWriter::write(ChunkKind kind, std::span<const u8> payload) {
    std::vector<u8> out;
    out.reserve(chunk_header + payload.size());
    put_number(out, static_cast<u32>(kind), 4);
    put_number(out, payload.size(), 8);
    put_number(out, checksum(payload), 4);
    put_number(out, checksum(out), 4);
    out.insert(out.end(), payload.begin(), payload.end());
    put(out);
}

Expected<> RecordingWriter::status() const {
    if (error_.empty()) return {};
    return fail(error_);
}

RecordingReader::~RecordingReader() { std::fclose(file_); }

tl::unexpected<Error> RecordingReader::bad(u64 offset, const std::string& reason) const {
    return fail("the recording '" + path_ + "' cannot be used: at offset " + std::to_string(offset) + ": " + reason);
}

bool RecordingReader::read_at(u64 offset, std::span<u8> data) const {
    return fseeko(file_, static_cast<off_t>(offset), SEEK_SET) == 0 &&
           std::fread(data.data(), 1, data.size(), file_) == data.size();
}

Expected<std::shared_ptr<RecordingReader>> RecordingReader::open(const std::string& path) {
    struct stat info{};
    if (stat(path.c_str(), &info) != 0) return fail("cannot open the recording '" + path + "': " + system_error());
    if (!S_ISREG(info.st_mode)) return fail("cannot use '" + path + "' as a recording: it is not a file");
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (!file) return fail("cannot open the recording '" + path + "': " + system_error());
    std::shared_ptr<RecordingReader> reader(new RecordingReader(path, file));
    reader->size_ = static_cast<u64>(info.st_size);
    if (auto scanned = reader->scan(); !scanned) return tl::unexpected(scanned.error());
    return reader;
}

Expected<> RecordingReader::scan() {
    std::array<u8, file_header> start{};
    if (size_ < file_header || !read_at(0, start) || !std::equal(magic.begin(), magic.end(), start.begin()))
        return bad(0, "it is not a GlassBox recording");
    if (const u64 version = little_endian(start.data() + 8, 4); version != format_version)
        return bad(8, "its format is version " + std::to_string(version) + ", this GlassBox reads version " +
                          std::to_string(format_version));
    std::vector<u8> buffer(u64{1} << 20);
    u64 at = file_header;
    bool ended = false;
    while (size_ - at >= chunk_header) {
        std::array<u8, chunk_header> head{};
        if (!read_at(at, head)) return bad(at, "it cannot be read");
        if (checksum(std::span(head).first(16)) != little_endian(head.data() + 16, 4))
            return bad(at, "the header of a chunk is damaged");
        const u64 kind = little_endian(head.data(), 4), length = little_endian(head.data() + 4);
        if (kind < 1 || kind > static_cast<u32>(ChunkKind::end)) return bad(at, "a chunk of an unknown kind");
        if (ended) return bad(at, "something follows its end");
        const RecordedChunk chunk{static_cast<ChunkKind>(kind), at + chunk_header, length};
        const bool large = chunk.kind == ChunkKind::snapshot || chunk.kind == ChunkKind::by_hand;
        if (length > (large ? largest_snapshot : largest_small)) return bad(at, "a chunk is absurdly long");
        if (length > size_ - chunk.offset) break; // its end has not been written
        u32 sum = 0;
        for (u64 done = 0; done < length;) {
            const auto piece = std::span(buffer).first(std::min<u64>(buffer.size(), length - done));
            if (!read_at(chunk.offset + done, piece)) return bad(chunk.offset + done, "it cannot be read");
            sum = checksum(piece, sum);
            done += piece.size();
        }
        if (sum != little_endian(head.data() + 12, 4)) return bad(chunk.offset, "a chunk's contents are damaged");
        chunks_.push_back(chunk);
        ended = chunk.kind == ChunkKind::end;
        at = chunk.offset + length;
    }
    whole_ = at;
    if (ended && at != size_) return bad(at, "something follows its end");
    return {};
}

Expected<std::vector<u8>> RecordingReader::payload(const RecordedChunk& chunk) const {
    std::vector<u8> data(chunk.length);
    if (!read_at(chunk.offset, data)) return bad(chunk.offset, "it cannot be read");
    return data;
}

} // namespace glassbox
