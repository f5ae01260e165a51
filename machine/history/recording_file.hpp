// A recording on the disk: magic, version, then chunks until the end chunk. A chunk's header has a checksum of its own,
// so that a length is believed before its contents are there: a file whose end is missing, because the program was
// killed, is one that ends early; anything else that does not fit is damage. All numbers are little-endian.
#pragma once

#include "bus/archive.hpp"
#include "bus/error.hpp"
#include "bus/types.hpp"

#include <cstdio>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace glassbox {

enum class ChunkKind : u32 {
    configuration = 1, ///< the machine, and the files it was made of
    snapshot = 2,      ///< where executions can begin: a position, the translations, a snapshot
    input = 3,
    by_hand = 4, ///< as `snapshot`, but somebody has made the machine so
    digest = 5,  ///< of the machine at a count of instructions
    dropped = 6, ///< what was written of later than this has never happened: the user went back and did otherwise
    end = 7,     ///< the frontier and the hash of all of the state
};

class RecordingWriter {
  public:
    static Expected<std::unique_ptr<RecordingWriter>> create(const std::string& path);
    ~RecordingWriter();
    RecordingWriter(const RecordingWriter&) = delete;
    RecordingWriter& operator=(const RecordingWriter&) = delete;

    /// Is with the host when it returns.
    void write(ChunkKind kind, std::span<const u8> payload);
    /// The first thing that went wrong; nothing was written after it.
    Expected<> status() const;
    u64 size() const { return size_; }

  private:
    RecordingWriter(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}
    void put(std::span<const u8> data);

    std::string path_, error_;
    std::FILE* file_;
    u64 size_ = 0;
};

/// A chunk that is in the file as a whole; its payload is read when it is asked for.
struct RecordedChunk {
    ChunkKind kind{};
    u64 offset = 0; ///< of the payload
    u64 length = 0;
};

class RecordingReader {
  public:
    /// Goes through all chunks and their checksums.
    static Expected<std::shared_ptr<RecordingReader>> open(const std::string& path);
    ~RecordingReader();
    RecordingReader(const RecordingReader&) = delete;
    RecordingReader& operator=(const RecordingReader&) = delete;

    const std::vector<RecordedChunk>& chunks() const { return chunks_; }
    Expected<std::vector<u8>> payload(const RecordedChunk& chunk) const;
    /// "FILE: at offset N: reason"
    tl::unexpected<Error> bad(u64 offset, const std::string& reason) const;
    /// Where whole chunks end, if the file does not.
    u64 whole() const { return whole_; }
    u64 size() const { return size_; }
    const std::string& path() const { return path_; }

  private:
    RecordingReader(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}
    Expected<> scan();
    bool read_at(u64 offset, std::span<u8> data) const;

    std::string path_;
    std::FILE* file_;
    std::vector<RecordedChunk> chunks_;
    u64 size_ = 0, whole_ = 0;
};

} // namespace glassbox
