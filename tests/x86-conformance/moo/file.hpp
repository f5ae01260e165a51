// Reads a MOO file from front to back, a chunk at a time: the largest published ones take hundreds of megabytes when
// decompressed.
#pragma once

#include "bus/error.hpp"
#include "tests/x86-conformance/moo/format.hpp"

#include <memory>
#include <vector>

namespace glassbox::conformance::moo {

/// Where the bytes come from.
class Source {
  public:
    virtual ~Source() = default;
    /// Fills `data` as far as it can; 0 bytes are the end. An error is a reason.
    virtual Expected<std::size_t> read(std::span<u8> data) = 0;
    /// "decompressed ", or "" when the offsets are those of the file itself.
    virtual const char* kind() const { return ""; }
};

/// A gzip-compressed or a plain file.
Expected<std::unique_ptr<Source>> open_source(const std::string& path);

/// Errors name the file, the offset and the reason.
class Reader {
  public:
    /// `name` is the file's, for messages.
    Reader(std::string name, Source& source) : name_(std::move(name)), source_(source) {}

    /// To be called first.
    Expected<Header> header();
    /// The next test's chunk, without its tag and length; false after the last one. `body` is valid until the next
    /// call.
    Expected<bool> next(std::span<const u8>& body, u64& offset);
    /// What that chunk says; points into it.
    Expected<> parse(std::span<const u8> body, u64 offset, Case& result) const;
    /// RMSK or RM32 outside of all tests, as far as it has been read.
    const Registers& mask() const { return mask_; }

    Error error(u64 offset, const std::string& reason) const;

    static constexpr u32 longest_chunk = 64u << 20; ///< that is looked into; others are skipped

  private:
    struct Chunk {
        std::array<char, 4> tag{};
        u32 size = 0;
        u64 offset = 0; ///< of its tag
        std::string_view name() const { return {tag.data(), tag.size()}; }
    };
    /// At least `size` bytes from `begin_` on; fewer only at the end of the file.
    Expected<std::size_t> fill(std::size_t size);
    void drop(std::size_t size);
    /// False at the end of the file.
    Expected<bool> chunk_head(Chunk& chunk);
    Expected<std::span<const u8>> chunk_body(const Chunk& chunk);
    Expected<> skip(const Chunk& chunk);
    tl::unexpected<Error> fail_at(u64 offset, const std::string& reason) const {
        return tl::unexpected<Error>(error(offset, reason));
    }

    std::string name_;
    Source& source_;
    std::vector<u8> buffer_;
    std::size_t begin_ = 0, end_ = 0; // what of the buffer has not been used
    u64 offset_ = 0;                  // of begin_ in the data
    bool at_end_ = false;
    std::size_t step_ = 1u << 10;
    u32 announced_ = 0, found_ = 0;
    Registers mask_;
};

} // namespace glassbox::conformance::moo
