#include "tests/x86-conformance/moo/file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <zlib.h>

namespace glassbox::conformance::moo {

namespace {

class GzipSource final : public Source {
  public:
    explicit GzipSource(gzFile file) : file_(file) { gzbuffer(file_, 1u << 17); }
    ~GzipSource() override { gzclose_r(file_); }
    GzipSource(const GzipSource&) = delete;
    GzipSource& operator=(const GzipSource&) = delete;

    Expected<std::size_t> read(std::span<u8> data) override {
        const int got = gzread(file_, data.data(), static_cast<unsigned>(data.size()));
        if (got > 0) return static_cast<std::size_t>(got);
        int status = Z_OK;
        const char* reason = gzerror(file_, &status);
        if (status == Z_OK || status == Z_STREAM_END) return 0u;
        if (status == Z_ERRNO) return fail(std::string("it cannot be read: ") + std::strerror(errno));
        const std::string where = " at byte " + std::to_string(gzoffset(file_)) + " of the file";
        if (status == Z_BUF_ERROR) return fail("the compressed data ends too early," + where);
        return fail("the compressed data is damaged," + where + " (" + plain(reason) + ")");
    }
    const char* kind() const override { return gzdirect(file_) ? "" : "decompressed "; }

  private:
    /// zlib puts the file's name before its reason.
    static std::string plain(const std::string& reason) {
        const auto colon = reason.rfind(": ");
        return colon == std::string::npos ? reason : reason.substr(colon + 2);
    }
    gzFile file_;
};

} // namespace

Expected<std::unique_ptr<Source>> open_source(const std::string& path) {
    const gzFile file = gzopen(path.c_str(), "rb");
    if (!file) return fail(path + ": cannot be opened: " + std::strerror(errno));
    return std::make_unique<GzipSource>(file);
}

Error Reader::error(u64 offset, const std::string& reason) const {
    return {name_ + ": byte " + std::to_string(offset) + " of the " + source_.kind() + "data: " + reason};
}

Expected<std::size_t> Reader::fill(std::size_t size) {
    constexpr std::size_t longest_step = 1u << 16;
    while (end_ - begin_ < size && !at_end_) {
        const std::size_t step = step_;
        step_ = std::min(2 * step_, longest_step); // little when only the header is asked for
        if (begin_ > 0 && end_ + step > buffer_.size()) {
            std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
            end_ -= begin_;
            begin_ = 0;
        }
        if (end_ + step > buffer_.size()) buffer_.resize(end_ + step + buffer_.size() / 2);
        const auto got = source_.read({buffer_.data() + end_, step});
        if (!got) return fail_at(offset_ + (end_ - begin_), got.error().message);
        end_ += *got;
        at_end_ = *got == 0;
    }
    return end_ - begin_;
}

void Reader::drop(std::size_t size) {
    begin_ += size;
    offset_ += size;
}

Expected<bool> Reader::chunk_head(Chunk& chunk) {
    constexpr std::size_t head = 8;
    const auto there = fill(head);
    if (!there) return tl::unexpected<Error>(there.error());
    if (*there == 0) return false;
    if (*there < head) return fail_at(offset_, "the data ends within the head of a chunk");
    const u8* at = buffer_.data() + begin_;
    std::memcpy(chunk.tag.data(), at, 4);
    chunk.size = u32{at[4]} | u32{at[5]} << 8 | u32{at[6]} << 16 | u32{at[7]} << 24;
    chunk.offset = offset_;
    drop(head);
    return true;
}

Expected<std::span<const u8>> Reader::chunk_body(const Chunk& chunk) {
    if (chunk.size > longest_chunk)
        return fail_at(chunk.offset, "a " + std::string(chunk.name()) + " chunk of " + std::to_string(chunk.size) +
                                         " bytes is longer than any can be");
    const auto there = fill(chunk.size);
    if (!there) return tl::unexpected<Error>(there.error());
    if (*there < chunk.size)
        return fail_at(chunk.offset, "a chunk says that it has " + std::to_string(chunk.size) + " bytes; there are " +
                                         std::to_string(*there));
    const std::span<const u8> body(buffer_.data() + begin_, chunk.size);
    drop(chunk.size);
    return body;
}

Expected<> Reader::skip(const Chunk& chunk) {
    for (u32 left = chunk.size; left > 0;) {
        const auto there = fill(1);
        if (!there) return tl::unexpected<Error>(there.error());
        if (*there == 0)
            return fail_at(chunk.offset, "a chunk says that it has " + std::to_string(chunk.size) + " bytes; " +
                                             std::to_string(left) + " of them are missing");
        const auto part = static_cast<u32>(std::min<std::size_t>(*there, left));
        drop(part);
        left -= part;
    }
    return {};
}

Expected<Header> Reader::header() {
    Chunk chunk;
    const auto head = chunk_head(chunk);
    if (!head) return tl::unexpected<Error>(head.error());
    if (!*head || chunk.name() != "MOO ") return fail_at(0, "not a MOO file: it does not begin with a MOO chunk");
    const auto body = chunk_body(chunk);
    if (!body) return tl::unexpected<Error>(body.error());
    Problem problem;
    const auto header = parse_header(*body, chunk.offset + 8, problem);
    if (!header) return fail_at(problem.offset, problem.reason);
    announced_ = header->cases;
    return *header;
}

Expected<bool> Reader::next(std::span<const u8>& body, u64& offset) {
    Chunk chunk;
    for (;;) {
        const auto head = chunk_head(chunk);
        if (!head) return tl::unexpected<Error>(head.error());
        if (!*head) break;
        const bool test = chunk.name() == "TEST", mask = chunk.name() == "RMSK" || chunk.name() == "RM32";
        if (!test && !mask) {
            if (const auto skipped = skip(chunk); !skipped) return tl::unexpected<Error>(skipped.error());
            continue;
        }
        const auto data = chunk_body(chunk);
        if (!data) return tl::unexpected<Error>(data.error());
        if (test) {
            if (++found_ > announced_)
                return fail_at(chunk.offset,
                               "the header counts " + std::to_string(announced_) + " tests, here is one more");
            body = *data;
            offset = chunk.offset + 8;
            return true;
        }
        Problem problem;
        mask_ = {};
        if (!parse_mask(chunk.name(), *data, chunk.offset + 8, mask_, problem))
            return fail_at(problem.offset, problem.reason);
    }
    if (found_ != announced_)
        return fail_at(offset_, "the header counts " + std::to_string(announced_) + " tests, there are " +
                                    std::to_string(found_));
    return false;
}

Expected<> Reader::parse(std::span<const u8> body, u64 offset, Case& result) const {
    Problem problem;
    if (!parse_case(body, offset, result, problem)) return fail_at(problem.offset, problem.reason);
    return {};
}

} // namespace glassbox::conformance::moo
