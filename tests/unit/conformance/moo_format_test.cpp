// Reading MOO files: every kind of chunk, and every kind of damage, which must end in an error that says where.
#include "moo_writer.hpp"

#include "tests/x86-conformance/moo/file.hpp"

#include <cstring>
#include <doctest/doctest.h>
#include <zlib.h>

using namespace glassbox;
using namespace glassbox::conformance;
using namespace moo_test;

namespace {

/// Bytes in memory, handed out in pieces.
class MemorySource final : public moo::Source {
  public:
    MemorySource(const Bytes& data, std::size_t piece) : data_(data), piece_(piece) {}
    Expected<std::size_t> read(std::span<u8> to) override {
        const std::size_t size = std::min({to.size(), piece_, data_.size() - at_});
        if (size) std::memcpy(to.data(), data_.data() + at_, size);
        at_ += size;
        return size;
    }

  private:
    const Bytes& data_;
    std::size_t piece_, at_ = 0;
};

struct ReadFile {
    moo::Header header;
    std::vector<u32> indexes;
    moo::Registers mask;
    std::string error;
};

/// Reads all of it, as the suite does.
ReadFile read_all(moo::Source& source, const std::string& name) {
    ReadFile result;
    moo::Reader reader(name, source);
    const auto header = reader.header();
    if (!header) {
        result.error = header.error().message;
        return result;
    }
    result.header = *header;
    std::span<const u8> body;
    u64 offset = 0;
    for (;;) {
        const auto more = reader.next(body, offset);
        if (!more) {
            result.error = more.error().message;
            return result;
        }
        if (!*more) break;
        moo::Case test;
        if (const auto parsed = reader.parse(body, offset, test); !parsed) {
            result.error = parsed.error().message;
            return result;
        }
        result.indexes.push_back(test.index);
    }
    result.mask = reader.mask();
    return result;
}
ReadFile read_bytes(const Bytes& data, std::size_t piece = 1u << 20) {
    MemorySource source(data, piece);
    return read_all(source, "file.MOO");
}
ReadFile read_path(const std::string& path) {
    const auto source = moo::open_source(path);
    if (!source) return {{}, {}, {}, source.error().message};
    return read_all(**source, path);
}

Bytes gzip(const Bytes& data) {
    z_stream z{};
    REQUIRE(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    Bytes out(deflateBound(&z, data.size()));
    z.next_in = const_cast<u8*>(data.data());
    z.avail_in = static_cast<unsigned>(data.size());
    z.next_out = out.data();
    z.avail_out = static_cast<unsigned>(out.size());
    REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out.resize(z.total_out);
    deflateEnd(&z);
    return out;
}

Written nop() {
    Written w;
    w.code = {0x90, 0xF4};
    w.final = {{reg::eip, 0x102}};
    return w;
}

/// Where `what` stands in `data`.
std::size_t place_of(const Bytes& data, const char* what, std::size_t nth = 0) {
    const std::string text(data.begin(), data.end());
    std::size_t at = text.find(what);
    while (nth-- > 0) at = text.find(what, at + 1);
    REQUIRE(at != std::string::npos);
    return at;
}
void poke(Bytes& data, std::size_t at, u32 value) {
    for (unsigned i = 0; i < 4; ++i) data[at + i] = static_cast<u8>(value >> (8 * i));
}

} // namespace

TEST_CASE("a MOO file of 16-bit registers") {
    Written w = nop();
    w.initial = {{reg::eax, 0x1234}, {reg::edi, 0x5678}, {reg::eflags, 0x0ED7}};
    w.final = {{reg::ebx, 0xABCD}, {reg::eip, 0x102}};
    w.memory = {{0x12345, 0x67}};
    w.final_memory = {{0xFFFFF, 0x89}};
    w.exception = moo::ExceptionTaken{6, 0x20FFE};
    w.mask = {{reg::eflags, 0xF7FF}};
    const Bytes body = w.test_body(41);
    moo::Case test;
    moo::Problem problem;
    REQUIRE_MESSAGE(moo::parse_case(body, 1000, test, problem), problem.reason);
    CHECK(test.index == 41);
    CHECK(test.name == "case");
    CHECK(Bytes(test.bytes.begin(), test.bytes.end()) == w.code);
    CHECK(!test.initial.registers.wide);
    for (const auto& [name, value] : w.whole_initial()) CHECK(test.initial.registers.value[name] == value);
    CHECK(!test.initial.registers.has(reg::fs));
    CHECK(test.final.registers.present == (1u << reg::ebx | 1u << reg::eip));
    CHECK(test.final.registers.value[reg::ebx] == 0xABCD);
    CHECK(test.final.mask.has(reg::eflags));
    CHECK(test.final.mask.value[reg::eflags] == 0xF7FF);
    REQUIRE(test.initial.ram.size() == 3);
    CHECK(test.initial.ram.address(2) == 0x12345);
    CHECK(test.initial.ram.byte(2) == 0x67);
    CHECK(body[test.initial.ram.offset(2) - 1000] == 0x45);
    REQUIRE(test.final.ram.size() == 1);
    CHECK(test.final.ram.byte(0) == 0x89);
    REQUIRE(test.exception);
    CHECK(test.exception->number == 6);
    CHECK(test.exception->flags_address == 0x20FFE);
    CHECK(test.hash.size() == 20);
    CHECK(!test.final.shutdown);
}

TEST_CASE("a MOO file of 32-bit registers") {
    Written w = nop();
    w.wide = true;
    w.initial = {{reg::eax, 0x1234'5678}, {reg::dr7, 0x400}};
    w.more = chunk("EA32", Bytes(23, 0));
    moo::Case test;
    moo::Problem problem;
    const Bytes body = w.test_body(0);
    REQUIRE_MESSAGE(moo::parse_case(body, 0, test, problem), problem.reason);
    CHECK(test.initial.registers.wide);
    CHECK(test.initial.registers.present == 0xF'FFFF);
    for (const auto& [name, value] : w.whole_initial()) CHECK(test.initial.registers.value[name] == value);

    w.shutdown = true;
    const Bytes down = w.test_body(0);
    REQUIRE(moo::parse_case(down, 0, test, problem));
    CHECK(test.final.shutdown);
    w.wide = false;
    const Bytes down_16 = w.test_body(0);
    REQUIRE(moo::parse_case(down_16, 0, test, problem));
    CHECK(test.final.shutdown);
}

TEST_CASE("a file is read in pieces of any size, and what is not known is skipped") {
    Bytes data = file("C286", {nop(), nop(), nop()}, registers("RMSK", false, {{reg::eflags, 0xF7FF}}));
    append(data, chunk("NEW!", Bytes(300'000, 7)));
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, std::size_t{1} << 20}) {
        const ReadFile f = read_bytes(data, piece);
        CHECK(f.error.empty());
        CHECK(f.header.cpu == "C286");
        CHECK(f.header.cases == 3);
        CHECK(f.indexes == std::vector<u32>{0, 1, 2});
        CHECK(f.mask.value[reg::eflags] == 0xF7FF);
    }
    CHECK(read_bytes(file("V20 ", {})).header.cpu == "V20");
    Bytes longer = header("8088", 0); // the header may grow
    poke(longer, 4, 16);
    append(longer, Bytes(4, 0));
    CHECK(read_bytes(longer).error.empty());
    CHECK(read_bytes(longer).header.cpu == "8088");
}

TEST_CASE("plain and compressed files") {
    const Folder folder;
    const Bytes data = file("C286", {nop(), nop()});
    CHECK(read_path(folder.write("plain.MOO", data)).indexes.size() == 2);
    const Bytes packed = gzip(data);
    CHECK(read_path(folder.write("packed.MOO.gz", packed)).indexes.size() == 2);
    CHECK(read_path(folder.path() + "/none.MOO").error.find("cannot be opened") != std::string::npos);

    Bytes cut(packed.begin(), packed.end() - 12);
    const std::string early = read_path(folder.write("cut.MOO.gz", cut)).error;
    CHECK(early.find("cut.MOO.gz: byte ") != std::string::npos);
    CHECK(early.find("of the decompressed data: the compressed data ends too early") != std::string::npos);

    Bytes wrong_sum = packed;
    wrong_sum[wrong_sum.size() - 6] ^= 0xFF;
    const std::string sum = read_path(folder.write("sum.MOO.gz", wrong_sum)).error;
    CHECK(sum.find("the compressed data is damaged, at byte ") != std::string::npos);

    Bytes garbage = {0x1F, 0x8B, 8, 0};
    for (unsigned i = 0; i < 200; ++i) garbage.push_back(static_cast<u8>(i * 37));
    const std::string bad = read_path(folder.write("garbage.MOO.gz", garbage)).error;
    CHECK(bad.find("garbage.MOO.gz: byte 0 of the decompressed data: the compressed data") != std::string::npos);

    const std::string text = read_path(folder.write("text.MOO.gz", Bytes(100, 'x'))).error;
    CHECK(text.find("text.MOO.gz: byte 0 of the data: not a MOO file") != std::string::npos);
    CHECK(read_path(folder.path()).error.find("it cannot be read") != std::string::npos);
    CHECK(read_path(folder.write("empty.MOO", {})).error.find("byte 0 of the data: not a MOO file") !=
          std::string::npos);
}

TEST_CASE("damage is refused, with the place") {
    const Bytes sound = file("C286", {nop(), nop()});
    REQUIRE(read_bytes(sound).error.empty());
    Bytes data = sound;
    std::string place, reason;
    SUBCASE("no MOO chunk") {
        data[0] = 'X';
        place = "byte 0 ";
        reason = "not a MOO file";
    }
    SUBCASE("a header that is too short") {
        data = chunk("MOO ", Bytes{1, 1, 0, 0, 1, 0});
        place = "byte 12 ";
        reason = "the number of tests takes 4 bytes, its chunk has 2 left";
    }
    SUBCASE("a version from the future") {
        data[8] = 2;
        place = "byte 8 ";
        reason = "version 2 is not known";
    }
    SUBCASE("more tests than the header counts") {
        poke(data, 12, 1);
        place = "byte " + std::to_string(place_of(data, "TEST", 1));
        reason = "the header counts 1 tests, here is one more";
    }
    SUBCASE("fewer tests than the header counts") {
        poke(data, 12, 3);
        place = "byte " + std::to_string(data.size());
        reason = "the header counts 3 tests, there are 2";
    }
    SUBCASE("a test that is cut off") {
        data.resize(data.size() - 30);
        place = "byte " + std::to_string(place_of(data, "TEST", 1));
        reason = "a chunk says that it has ";
    }
    SUBCASE("the head of a chunk cut off") {
        data.resize(place_of(data, "TEST", 1) + 5);
        place = "byte " + std::to_string(place_of(data, "TEST", 1));
        reason = "within the head of a chunk";
    }
    SUBCASE("a chunk that is skipped, cut off") {
        append(data, {'N', 'E', 'W', '!', 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3});
        place = "byte " + std::to_string(place_of(data, "NEW!"));
        reason = "4294967292 of them are missing";
    }
    SUBCASE("a test of an absurd length") {
        const std::size_t at = place_of(data, "TEST", 1);
        poke(data, at + 4, 0xFFFF'FFF0);
        place = "byte " + std::to_string(at);
        reason = "longer than any can be";
    }
    SUBCASE("a chunk beyond its parent") {
        const std::size_t at = place_of(data, "REGS");
        poke(data, at + 4, 0x7FFF'FFFF);
        place = "byte " + std::to_string(at + 8);
        reason = "a chunk takes 2147483647 bytes";
    }
    SUBCASE("a chunk whose length wraps around") {
        const std::size_t at = place_of(data, "INIT");
        poke(data, at + 4, 0xFFFF'FFFF);
        place = "byte " + std::to_string(at + 8);
        reason = "a chunk takes 4294967295 bytes";
    }
    SUBCASE("more memory than there is room for") {
        const std::size_t at = place_of(data, "RAM ");
        poke(data, at + 8, 0x4000'0000);
        place = "byte " + std::to_string(at + 8);
        reason = "1073741824 memory entries do not fit";
    }
    SUBCASE("memory whose size wraps around") {
        const std::size_t at = place_of(data, "RAM ");
        poke(data, at + 8, 0x3333'3334); // times five is 4 in 32 bits
        place = "byte " + std::to_string(at + 8);
        reason = "memory entries do not fit";
    }
    SUBCASE("more instruction bytes than there are") {
        const std::size_t at = place_of(data, "BYTS");
        poke(data, at + 8, 3);
        place = "byte " + std::to_string(at + 12);
        reason = "the instruction takes 3 bytes, its chunk has 2 left";
    }
    SUBCASE("no instruction bytes") {
        const std::size_t at = place_of(data, "BYTS");
        poke(data, at + 8, 0);
        place = "byte " + std::to_string(place_of(data, "TEST") + 8);
        reason = "no instruction bytes";
    }
    SUBCASE("a name longer than its chunk") {
        const std::size_t at = place_of(data, "NAME");
        poke(data, at + 8, 0xFFFF'FFFF);
        place = "byte " + std::to_string(at + 12);
        reason = "the name takes 4294967295 bytes";
    }
    SUBCASE("a register mask with unknown bits") {
        const std::size_t at = place_of(data, "REGS");
        data[at + 9] |= 0x40;
        place = "byte " + std::to_string(at + 8);
        reason = "registers that there are not";
    }
    SUBCASE("an initial state without all registers") {
        const std::size_t at = place_of(data, "REGS");
        data[at + 8] &= 0xFE;
        place = "byte " + std::to_string(place_of(data, "INIT") + 8);
        reason = "lacks registers";
    }
    SUBCASE("no initial state") {
        data[place_of(data, "INIT")] = 'X';
        place = "byte " + std::to_string(place_of(data, "TEST") + 8);
        reason = "no INIT chunk";
    }
    SUBCASE("no final state") {
        data[place_of(data, "FINA")] = 'X';
        place = "byte " + std::to_string(place_of(data, "TEST") + 8);
        reason = "no FINA chunk";
    }
    SUBCASE("no registers in a state") {
        data[place_of(data, "REGS", 1)] = 'X';
        place = "byte " + std::to_string(place_of(data, "FINA") + 8);
        reason = "no REGS or RG32 chunk";
    }
    SUBCASE("more bus cycles than there is room for") {
        Written w = nop();
        Bytes cycles;
        put(cycles, 2, 4);
        append(cycles, Bytes(29, 0));
        w.more = chunk("CYCL", cycles);
        data = file("C286", {w});
        place = "byte " + std::to_string(place_of(data, "CYCL") + 8);
        reason = "2 bus cycles do not fit into a chunk with 29 bytes left";
    }
    SUBCASE("a mask that is cut off") {
        Bytes mask = chunk("RM32", {0xFF, 0, 0, 0, 1, 2});
        data = file("386E", {}, mask);
        place = "byte " + std::to_string(place_of(data, "RM32") + 12);
        reason = "a register takes 4 bytes";
    }
    const ReadFile f = read_bytes(data);
    CHECK_MESSAGE(f.error.starts_with("file.MOO: byte "), f.error);
    CHECK_MESSAGE(f.error.find(place) != std::string::npos, f.error);
    CHECK_MESSAGE(f.error.find(reason) != std::string::npos, f.error);
}

TEST_CASE("a file cut anywhere is refused, a damaged one reads nothing that is not there") {
    const Bytes sound = file("C286", {nop(), nop()});
    for (std::size_t size = 0; size < sound.size(); ++size) {
        const Bytes cut(sound.begin(), sound.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK_FALSE(read_bytes(cut).error.empty());
    }
    for (std::size_t at = 0; at < sound.size(); ++at) {
        for (const unsigned value : {0x00u, 0x7Fu, 0xFFu}) {
            Bytes damaged = sound;
            damaged[at] = static_cast<u8>(value);
            read_bytes(damaged);
        }
    }
}
