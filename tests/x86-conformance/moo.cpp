#include "moo.hpp"

#include <memory>
#include <span>
#include <string_view>
#include <zlib.h>

namespace glassbox::moo {

namespace {

/// Takes from the front; once it has run short it yields zeros and stays bad.
class Input {
  public:
    explicit Input(std::span<const u8> data) : data_(data) {}
    bool good() const { return good_; }
    bool empty() const { return data_.empty(); }
    std::span<const u8> take(std::size_t size) {
        if (size > data_.size()) {
            good_ = false;
            data_ = {};
            return {};
        }
        const auto front = data_.first(size);
        data_ = data_.subspan(size);
        return front;
    }
    u32 number(unsigned width) {
        u32 value = 0;
        const auto bytes = take(width);
        for (std::size_t i = 0; i < bytes.size(); ++i) value |= u32{bytes[i]} << (8 * i);
        return value;
    }
    std::string text(std::size_t size) {
        const auto bytes = take(size);
        return {bytes.begin(), bytes.end()};
    }

  private:
    std::span<const u8> data_;
    bool good_ = true;
};

/// Calls `visit(tag, body)` for every chunk; false when a chunk is cut short or `visit` says so.
template <class F> bool for_each_chunk(Input& in, F&& visit) {
    while (!in.empty()) {
        const std::string tag = in.text(4);
        const u32 size = in.number(4);
        Input body(in.take(size));
        if (!in.good() || !visit(std::string_view(tag), body)) return false;
    }
    return true;
}

bool read_state(Input& in, State& state) {
    return for_each_chunk(in, [&](std::string_view tag, Input& body) {
        if (tag == "REGS") {
            const u32 mask = body.number(2);
            for (unsigned i = 0; i < register_count; ++i) {
                if (mask >> i & 1) state.registers[i] = static_cast<u16>(body.number(2));
            }
        } else if (tag == "RAM ") {
            const u32 count = body.number(4);
            for (u32 i = 0; i < count && body.good(); ++i) {
                const u32 address = body.number(4);
                state.memory.emplace_back(address, static_cast<u8>(body.number(1)));
            }
        }
        return body.good();
    });
}

bool read_test(Input& in, Test& test) {
    test.index = in.number(4);
    return for_each_chunk(in, [&](std::string_view tag, Input& body) {
        if (tag == "NAME") {
            test.name = body.text(body.number(4));
        } else if (tag == "BYTS") {
            const auto bytes = body.take(body.number(4));
            test.bytes.assign(bytes.begin(), bytes.end());
        } else if (tag == "INIT") {
            return read_state(body, test.initial);
        } else if (tag == "FINA") {
            return read_state(body, test.final);
        } else if (tag == "EXCP") {
            test.exception = true;
            test.exception_number = static_cast<u8>(body.number(1));
            test.flags_address = body.number(4);
        }
        return body.good();
    });
}

} // namespace

std::optional<File> parse(const std::vector<u8>& data, std::string& error) {
    File file;
    Input in(data);
    u32 count = 0;
    bool header = false;
    const bool whole = for_each_chunk(in, [&](std::string_view tag, Input& body) {
        if (tag == "MOO ") {
            header = true;
            body.number(4);
            count = body.number(4);
            file.cpu = body.text(4);
        } else if (tag == "TEST") {
            return read_test(body, file.tests.emplace_back());
        }
        return body.good();
    });
    if (!whole)
        error = "a chunk is cut short";
    else if (!header)
        error = "not a MOO file";
    else if (count != file.tests.size())
        error = "the header counts other tests than there are";
    else
        return file;
    return {};
}

std::optional<File> load(const std::string& path, std::string& error) {
    constexpr std::size_t limit = 64u << 20;
    const std::unique_ptr<gzFile_s, int (*)(gzFile)> in(gzopen(path.c_str(), "rb"), &gzclose);
    if (!in) {
        error = "cannot open " + path;
        return {};
    }
    std::vector<u8> data;
    std::array<u8, 1 << 16> piece;
    int got = 0;
    while ((got = gzread(in.get(), piece.data(), static_cast<unsigned>(piece.size()))) > 0) {
        data.insert(data.end(), piece.begin(), piece.begin() + got);
        if (data.size() > limit) {
            error = path + " is larger than any test file";
            return {};
        }
    }
    if (got < 0) {
        error = "cannot decompress " + path;
        return {};
    }
    auto file = parse(data, error);
    if (!file) error = path + ": " + error;
    return file;
}

} // namespace glassbox::moo
