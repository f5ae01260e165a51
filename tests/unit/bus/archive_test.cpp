#include "bus/archive.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace glassbox;

namespace {

enum class Colour : u8 { red, green };

struct Inner {
    u16 a = 0;
    bool b = false;
    void persist(Archive& archive) { archive(a, b); }
    bool operator==(const Inner&) const = default;
};

struct Everything {
    u8 byte = 0;
    i32 negative = 0;
    u64 wide = 0;
    u128 widest = 0;
    bool truth = false;
    Colour colour = Colour::red;
    PhysAddress address{0};
    std::string text;
    std::array<u8, 3> raw{};
    std::array<Inner, 2> inners{};
    int plain[2] = {};
    std::vector<u32> list;
    std::deque<Inner> queue;
    std::optional<u16> some, none;

    void persist(Archive& archive) {
        archive.chunk("everything", 2, [&](u32) {
            archive(byte, negative, wide, widest, truth, colour, address, text, raw, inners, plain, list, queue, some,
                    none);
        });
    }
};

Everything sample() {
    Everything e;
    e.byte = 0xAB, e.negative = -5, e.wide = 0x0123'4567'89AB'CDEF, e.widest = u128{1} << 100 | 7;
    e.truth = true, e.colour = Colour::green, e.address = PhysAddress{0xFEC0'0000}, e.text = "text";
    e.raw = {1, 2, 3}, e.inners = {Inner{0x1234, true}, Inner{}}, e.plain[1] = -1;
    e.list = {1, 2, 0xFFFF'FFFF}, e.queue = {{7, true}, {8, false}}, e.some = 9, e.none.reset();
    return e;
}

std::vector<u8> save(Everything& e) {
    Archive archive = Archive::saver();
    e.persist(archive);
    return archive.bytes();
}

} // namespace

TEST_CASE("archive: every kind of field comes back") {
    Everything a = sample(), b;
    b.none = 4;
    const std::vector<u8> data = save(a);
    Archive in = Archive::loader(data);
    b.persist(in);
    CHECK(in.ok());
    CHECK(in.at_end());
    CHECK(b.byte == a.byte);
    CHECK(b.negative == -5);
    CHECK(b.wide == a.wide);
    CHECK(b.widest == a.widest);
    CHECK(b.truth);
    CHECK(b.colour == Colour::green);
    CHECK(b.address == a.address);
    CHECK(b.text == "text");
    CHECK(b.raw == a.raw);
    CHECK(b.inners == a.inners);
    CHECK(b.plain[1] == -1);
    CHECK(b.list == a.list);
    CHECK(b.queue == a.queue);
    CHECK(b.some == 9);
    CHECK(!b.none.has_value());
    CHECK(save(b) == data);
}

TEST_CASE("archive: numbers are little-endian without padding") {
    Archive out = Archive::saver();
    u32 a = 0x0403'0201;
    bool b = true;
    u16 c = 0x0605;
    out(a, b, c);
    CHECK(out.bytes() == std::vector<u8>{1, 2, 3, 4, 1, 5, 6});
}

TEST_CASE("archive: a chunk is refused by name, version and length") {
    const auto make = [](std::string_view name, u32 version, u16 payload) {
        Archive out = Archive::saver();
        out.chunk(name, version, [&](u32) { out(payload); });
        return out.bytes();
    };
    const auto reason = [](const std::vector<u8>& data) {
        Archive in = Archive::loader(data);
        u16 payload = 0;
        in.chunk("part", 2, [&](u32) { in(payload); });
        return in.reason();
    };
    CHECK(reason(make("part", 2, 7)) == "");
    CHECK(reason(make("part", 1, 7)) == "");
    CHECK(reason(make("part", 3, 7)).find("newer version") != std::string::npos);
    CHECK(reason(make("tart", 2, 7)).find("expected the part 'part' but found 'tart'") != std::string::npos);
    std::vector<u8> longer = make("part", 2, 7);
    longer[longer.size() - 6] = 3;
    CHECK(reason(longer).find("wrong length") != std::string::npos);
    Archive in = Archive::loader(std::span<const u8>{});
    u32 found = 0;
    in.chunk("part", 2, [&](u32 version) { found = version; });
    CHECK(!in.ok());
}

TEST_CASE("archive: the version found reaches the body") {
    Archive out = Archive::saver();
    out.chunk("part", 1, [](u32) {});
    Archive in = Archive::loader(out.bytes());
    u32 found = 0;
    in.chunk("part", 5, [&](u32 version) { found = version; });
    CHECK(found == 1);
    CHECK(in.ok());
}

TEST_CASE("archive: the first violation is the reason, and the rest reads as zero") {
    const std::vector<u8> data{1, 2, 3, 4, 5, 6, 7, 8};
    Archive in = Archive::loader(data);
    u16 a = 0, b = 0xFFFF;
    in(a);
    CHECK(a == 0x0201);
    in.require(true, "fine");
    CHECK(in.ok());
    in.require(false, "first");
    in.require(false, "second");
    in(b);
    CHECK(b == 0);
    CHECK(in.reason().find("first") == 0);
    std::vector<u32> list;
    in(list);
    CHECK(list.empty());
    Archive out = Archive::saver();
    out.require(false, "saving is never refused");
    CHECK(out.ok());
}

TEST_CASE("archive: truth values and list lengths are checked") {
    const std::vector<u8> two{2};
    Archive in = Archive::loader(two);
    bool b = false;
    in(b);
    CHECK(!in.ok());
    CHECK(!b);
    const std::vector<u8> huge(8, 0xFF);
    Archive lists = Archive::loader(huge);
    std::vector<u64> list;
    lists(list);
    CHECK(!lists.ok());
    CHECK(list.empty());
    const std::vector<u8> five{5, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5};
    Archive bounded = Archive::loader(five);
    std::vector<u8> bytes;
    bounded.bounded(bytes, 4);
    CHECK(!bounded.ok());
    Archive fits = Archive::loader(five);
    fits.bounded(bytes, 5);
    CHECK(fits.ok());
    CHECK(bytes == std::vector<u8>{1, 2, 3, 4, 5});
}

TEST_CASE("archive: no truncation is accepted and no damage crashes") {
    Everything a = sample();
    const std::vector<u8> data = save(a);
    for (std::size_t n = 0; n < data.size(); ++n) {
        Everything b;
        Archive in = Archive::loader(std::span(data).first(n));
        b.persist(in);
        CHECK(!in.ok());
    }
    for (std::size_t i = 0; i < data.size() * 8; ++i) {
        std::vector<u8> bad = data;
        bad[i / 8] ^= static_cast<u8>(1u << i % 8);
        Everything b;
        Archive in = Archive::loader(bad);
        b.persist(in);
        const bool in_version = i / 8 >= 18 && i / 8 < 22; // an older version is fine, and is saved as the newest
        if (in.ok() && !in_version) CHECK(save(b) == bad);
    }
}
