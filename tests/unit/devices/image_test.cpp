// Images: raw, qcow2 (against files made and checked by qemu-img, when it is installed), overlays, locks, bad files.
#include "devices/image/image.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace glassbox;

namespace {

/// A directory that ends with the test.
struct Place {
    std::string dir;
    Place() {
        // Memory, where there is some to be had: the tests flush a lot.
        const bool shm = access("/dev/shm", W_OK) == 0;
        const auto parent = shm ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path();
        std::string name = (parent / "glassbox-image-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        dir = name;
    }
    Place(const Place&) = delete;
    ~Place() { std::filesystem::remove_all(dir); }
    std::string operator/(const std::string& name) const { return dir + "/" + name; }

    bool run(const std::string& command) const {
        return std::system(("cd '" + dir + "' && { " + command + "; } >log 2>&1").c_str()) == 0;
    }
    bool check(const std::string& name) const { return run("qemu-img check -f qcow2 " + name); }
};

bool have_qemu_img() {
    static const bool found = std::system("command -v qemu-img >/dev/null 2>&1") == 0;
    if (!found) MESSAGE("qemu-img (package qemu-utils) is missing: skipped");
    return found;
}

void put_file(const std::string& path, const std::vector<u8>& data) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
}

std::vector<u8> get_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

struct Random {
    u64 state;
    u64 operator()() {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return state >> 33;
    }
};

std::vector<u8> noise(std::size_t size, u64 seed) {
    std::vector<u8> data(size);
    Random random{seed};
    for (u8& byte : data) byte = static_cast<u8>(random());
    return data;
}

std::vector<u8> content(Image& image) {
    std::vector<u8> data(image.size());
    REQUIRE(image.read(0, data));
    return data;
}

std::unique_ptr<Image> must_open(const std::string& path, ImageOptions options = {}) {
    auto image = open_image(path, options);
    if (!image) FAIL(image.error().message);
    return std::move(*image);
}

std::string refusal(const std::string& path, ImageOptions options = {}) {
    auto image = open_image(path, options);
    return image ? "" : image.error().message;
}

bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Random writes mirrored in memory; returns the expected content.
void scribble(Image& image, std::vector<u8>& mirror, u64 seed, unsigned count, std::size_t longest) {
    Random random{seed};
    for (unsigned i = 0; i < count; ++i) {
        const u64 offset = random() % (mirror.size() / 512) * 512;
        std::size_t length = (random() % (longest / 512) + 1) * 512;
        length = std::min<std::size_t>(length, mirror.size() - offset);
        const auto data = noise(length, random());
        auto r = image.write(offset, data);
        if (!r) FAIL(r.error().message);
        std::memcpy(mirror.data() + offset, data.data(), length);
        if (random() % 20 == 0) REQUIRE(image.flush());
    }
}

void put_be(std::vector<u8>& file, std::size_t at, unsigned bytes, u64 value) {
    for (unsigned i = 0; i < bytes; ++i) file[at + i] = static_cast<u8>(value >> (8 * (bytes - 1 - i)));
}
u64 get_be(const std::vector<u8>& file, std::size_t at, unsigned bytes) {
    u64 value = 0;
    for (unsigned i = 0; i < bytes; ++i) value = value << 8 | file[at + i];
    return value;
}

/// A small valid qcow2 v3 image: header, refcount table, refcount block, L1 at 3, L2 at 4, data at 5 (clusters of 4
/// KiB).
std::vector<u8> small_qcow2() {
    std::vector<u8> f(6 * 4096);
    std::memcpy(f.data(), "QFI\xFB", 4);
    put_be(f, 4, 4, 3);
    put_be(f, 20, 4, 12);
    put_be(f, 24, 8, 1 << 20);
    put_be(f, 36, 4, 1);
    put_be(f, 40, 8, 3 * 4096);
    put_be(f, 48, 8, 1 * 4096);
    put_be(f, 56, 4, 1);
    put_be(f, 96, 4, 4);
    put_be(f, 100, 4, 104);
    put_be(f, 4096, 8, 2 * 4096);
    for (unsigned i = 0; i < 6; ++i) put_be(f, 2 * 4096 + 2 * i, 2, 1);
    put_be(f, 3 * 4096, 8, u64{1} << 63 | 4 * 4096);
    put_be(f, 4 * 4096, 8, u64{1} << 63 | 5 * 4096);
    for (unsigned i = 0; i < 4096; ++i) f[5 * 4096 + i] = static_cast<u8>(i * 7);
    return f;
}

} // namespace

TEST_CASE("image: raw files are read, written, bounded and padded to sectors") {
    Place place;
    auto data = noise(10000, 1);
    put_file(place / "a.img", data);
    {
        auto image = must_open(place / "a.img");
        CHECK(image->size() == 10240);
        CHECK(!image->read_only());
        CHECK(image->path() == place / "a.img");
        std::vector<u8> sector(512);
        REQUIRE(image->read(9728, sector));
        CHECK(std::equal(sector.begin(), sector.begin() + 272, data.begin() + 9728));
        CHECK(sector[272] == 0);
        CHECK(sector[511] == 0);
        CHECK(!image->read(9729, sector));
        CHECK(!image->read(~u64{0}, sector));
        CHECK(!image->write(10240, sector));
        REQUIRE(image->write(512, noise(512, 2)));
        REQUIRE(image->write(9728, noise(512, 3)));
        REQUIRE(image->flush());
    }
    const auto now = get_file(place / "a.img");
    const auto two = noise(512, 2), three = noise(512, 3);
    REQUIRE(now.size() == 10240);
    CHECK(std::equal(two.begin(), two.end(), now.begin() + 512));
    CHECK(std::equal(three.begin(), three.end(), now.begin() + 9728));
    CHECK(std::equal(data.begin(), data.begin() + 512, now.begin()));
}

TEST_CASE("image: read-only and discarded writes leave the file alone") {
    Place place;
    const auto data = noise(3 * 4096 + 512, 1);
    put_file(place / "a.img", data);
    {
        auto image = must_open(place / "a.img", {.read_only = true});
        CHECK(image->read_only());
        CHECK(!image->write(0, noise(512, 9)));
        auto again = must_open(place / "a.img", {.read_only = true}); // readers share
        CHECK(content(*again) == data);
    }
    auto image = must_open(place / "a.img", {.discard_writes = true});
    CHECK(!image->read_only());
    auto mirror = data;
    scribble(*image, mirror, 5, 40, 6000);
    CHECK(content(*image) == mirror);
    REQUIRE(image->flush());
    CHECK(get_file(place / "a.img") == data);

    Archive saver = Archive::saver();
    image->persist(saver);
    auto fresh = must_open(place / "a.img", {.discard_writes = true});
    Archive loader = Archive::loader(saver.bytes());
    fresh->persist(loader);
    CHECK(loader.ok());
    CHECK(loader.at_end());
    CHECK(content(*fresh) == mirror);

    for (std::size_t length = 0; length < saver.bytes().size(); length += 37) { // cut off anywhere
        auto other = must_open(place / "a.img", {.discard_writes = true});
        Archive cut = Archive::loader(std::span(saver.bytes()).first(length));
        other->persist(cut);
        CHECK(!cut.ok());
    }
}

TEST_CASE("image: a snapshot refuses an image that is another or has changed") {
    Place place;
    auto data = noise(8192, 1);
    put_file(place / "a.img", data);
    Archive saver = Archive::saver();
    must_open(place / "a.img")->persist(saver);
    data[100] ^= 1;
    put_file(place / "a.img", data);
    Archive changed = Archive::loader(saver.bytes());
    must_open(place / "a.img")->persist(changed);
    CHECK(mentions(changed.reason(), "has changed"));
    data.resize(4096);
    put_file(place / "a.img", data);
    Archive shorter = Archive::loader(saver.bytes());
    must_open(place / "a.img")->persist(shorter);
    CHECK(mentions(shorter.reason(), "another size"));
}

TEST_CASE("image: memory images") {
    auto image = memory_image(noise(5000, 4));
    CHECK(image->size() == 5120);
    auto mirror = content(*image);
    scribble(*image, mirror, 6, 20, 3000);
    CHECK(content(*image) == mirror);
    Archive saver = Archive::saver();
    image->persist(saver);
    auto fresh = memory_image(noise(5000, 4));
    Archive loader = Archive::loader(saver.bytes());
    fresh->persist(loader);
    REQUIRE(loader.ok());
    CHECK(content(*fresh) == mirror);
    auto rom = memory_image(noise(512, 1), true);
    CHECK(rom->read_only());
    CHECK(!rom->write(0, noise(512, 1)));
}

TEST_CASE("image: a second machine on an image gets an error that names it") {
    Place place;
    put_file(place / "a.img", noise(512, 1));
    {
        auto writer = must_open(place / "a.img");
        for (ImageOptions options :
             {ImageOptions{}, ImageOptions{.read_only = true}, ImageOptions{.discard_writes = true}}) {
            const std::string why = refusal(place / "a.img", options);
            CHECK(mentions(why, place / "a.img"));
            CHECK(mentions(why, "in use"));
        }
    }
    {
        auto reader = must_open(place / "a.img", {.discard_writes = true});
        CHECK(mentions(refusal(place / "a.img"), "in use"));
        must_open(place / "a.img", {.read_only = true});
    }
    must_open(place / "a.img");
}

TEST_CASE("image: files that are no images are refused with a reason") {
    Place place;
    CHECK(mentions(refusal(place / "missing.img"), "missing.img"));
    CHECK(mentions(refusal(place.dir), "neither a file nor a block device"));
    put_file(place / "empty.img", {});
    CHECK(mentions(refusal(place / "empty.img"), "empty"));
    std::vector<u8> vmdk(1024);
    std::memcpy(vmdk.data(), "KDMV", 4);
    put_file(place / "a.vmdk", vmdk);
    CHECK(mentions(refusal(place / "a.vmdk"), "VMDK"));
    // A guest must not turn its raw disk into a qcow2 image that names a file of the host.
    put_file(place / "raw.img", std::vector<u8>(1024));
    auto raw = must_open(place / "raw.img");
    auto evil = small_qcow2();
    evil.resize(512);
    CHECK(!raw->write(0, evil));
    CHECK(raw->write(3, std::vector<u8>{0xFB}));
    CHECK(!raw->write(0, std::vector<u8>{'Q', 'F', 'I'}));
    raw.reset();
}

TEST_CASE("qcow2: a hand-made image is read and written") {
    Place place;
    put_file(place / "a.qcow2", small_qcow2());
    auto image = must_open(place / "a.qcow2");
    REQUIRE(image->size() == 1 << 20);
    auto mirror = content(*image);
    for (unsigned i = 0; i < 4096; ++i) REQUIRE(mirror[i] == static_cast<u8>(i * 7));
    CHECK(mirror[4096] == 0);
    scribble(*image, mirror, 7, 100, 20000);
    CHECK(content(*image) == mirror);
    image.reset();
    CHECK(content(*must_open(place / "a.qcow2")) == mirror);
    if (have_qemu_img()) CHECK(place.check("a.qcow2"));
}

TEST_CASE("qcow2: what is not supported or damaged is refused with file, place and reason") {
    struct Case {
        std::size_t at;
        unsigned bytes;
        u64 value;
        const char* reason;
    };
    const Case cases[] = {
        {4, 4, 1, "version 1"},
        {4, 4, 4, "version 4"},
        {8, 8, 4090, "backing file"},
        {16, 4, 5000, ""},
        {20, 4, 8, "cluster size"},
        {20, 4, 22, "cluster size"},
        {20, 4, 0xFFFFFFFF, "cluster size"},
        {24, 8, 0, "empty"},
        {24, 8, ~u64{0}, "large"},
        {24, 8, 1 << 30, "L1 table is too small"},
        {32, 4, 1, "encrypted"},
        {32, 4, 2, "encrypted"},
        {36, 4, 0, "too small"},
        {36, 4, 0xFFFFFFFF, "L1 table"},
        {36, 4, 4 << 20, "past the end"},
        {40, 8, 100, "aligned"},
        {40, 8, 0, "over the header"},
        {40, 8, 1u << 30, "past the end"},
        {40, 8, 0xFFFFFFFFFFFFF000, "past the end"},
        {48, 8, 1, "aligned"},
        {48, 8, 3 * 4096, "overlaps"},
        {48, 8, 1u << 30, "past the end"},
        {56, 4, 0, "no refcount table"},
        {56, 4, 0xFFFFFFFF, "8 MiB"},
        {60, 4, 0xFFFFFFFF, "snapshots"},
        {72, 8, 1, "dirty"},
        {72, 8, 2, "corrupt"},
        {72, 8, 4, "external data"},
        {72, 8, 8, "compression"},
        {72, 8, 16, "extended L2"},
        {72, 8, u64{1} << 40, "unknown"},
        {96, 4, 7, "64 bits"},
        {100, 4, 72, "header"},
        {100, 4, 0x80000000, "header"},
        {104, 4, 0x0537BE77, "encrypted"},
        {104, 8, 0xE2792ACAFFFFFFFF, "extension"},
        {4096, 8, 3 * 4096, "overlaps"},
        {4096, 8, 100 * 4096, "past the end"},
        {4096, 8, 0x600, "aligned"},
        {3 * 4096, 8, u64{1} << 63 | 3 * 4096, "overlaps"},
        {3 * 4096, 8, u64{1} << 63 | 0x4200, "aligned"},
        {3 * 4096, 8, u64{1} << 63 | u64{1} << 50, "past the end"},
    };
    Place place;
    for (const Case& c : cases) {
        auto file = small_qcow2();
        put_be(file, c.at, c.bytes, c.value);
        put_file(place / "bad.qcow2", file);
        if (*c.reason == 0) { // ignored without a backing file
            must_open(place / "bad.qcow2");
            continue;
        }
        const std::string why = refusal(place / "bad.qcow2");
        CAPTURE(c.at);
        CAPTURE(c.value);
        CAPTURE(why);
        CHECK(mentions(why, c.reason));
        CHECK(mentions(why, "bad.qcow2"));
        CHECK(mentions(why, "offset 0x"));
    }
    auto zstd = small_qcow2();
    put_be(zstd, 72, 8, 8);
    put_be(zstd, 100, 4, 112);
    zstd[104] = 1;
    put_file(place / "bad.qcow2", zstd);
    CHECK(mentions(refusal(place / "bad.qcow2"), "zstd"));
    auto dirty = small_qcow2();
    put_be(dirty, 72, 8, 1);
    put_file(place / "dirty.qcow2", dirty);
    must_open(place / "dirty.qcow2", {.read_only = true});
    for (std::size_t length : {4u, 71u, 90u, 4096u, 12289u}) {
        auto cut = small_qcow2();
        cut.resize(length);
        put_file(place / "cut.qcow2", cut);
        CHECK(refusal(place / "cut.qcow2") != "");
    }
}

TEST_CASE("qcow2: damaged entries give an error at the access and the file is not damaged further") {
    Place place;
    const auto try_entry = [&](u64 entry, const char* reason) {
        auto file = small_qcow2();
        put_be(file, 4 * 4096, 8, entry);
        put_file(place / "bad.qcow2", file);
        auto image = must_open(place / "bad.qcow2");
        std::vector<u8> data(512);
        auto read = image->read(0, data);
        CHECK(!read);
        if (!read) CHECK(mentions(read.error().message, reason));
        CHECK(!image->write(0, data));
        CHECK(image->read(4096, data)); // the neighbour is well
        image.reset();
        CHECK(get_be(get_file(place / "bad.qcow2"), 4 * 4096, 8) == entry);
    };
    try_entry(u64{1} << 63 | 0x5200, "aligned");
    try_entry(u64{1} << 63 | u64{1} << 40, "past the end");
    try_entry(u64{1} << 63 | 4 * 4096, "overlaps");
    try_entry(u64{1} << 62 | u64{1} << 40, "past the end");
    try_entry(u64{1} << 62 | 5 * 4096, "damaged");
    // Wrong counts: nothing is written to a cluster that may belong to another.
    for (u64 count : {0, 2}) {
        auto file = small_qcow2();
        put_be(file, 2 * 4096 + 10, 2, count);
        put_file(place / "bad.qcow2", file);
        auto image = must_open(place / "bad.qcow2");
        auto r = image->write(0, noise(512, 1));
        REQUIRE(!r);
        CHECK(mentions(r.error().message, "reference count"));
    }
    auto file = small_qcow2();
    for (unsigned i = 0; i < 6; ++i) put_be(file, 2 * 4096 + 2 * i, 2, 0); // all free, as a hostile file says
    put_file(place / "bad.qcow2", file);
    CHECK(!must_open(place / "bad.qcow2")->write(8192, noise(512, 1)));
}

TEST_CASE("qcow2: any damage is survived") {
    Place place;
    Random random{11};
    const auto good = small_qcow2();
    for (unsigned round = 0; round < 200; ++round) {
        auto file = good;
        for (unsigned n = 0; n < 1 + round % 4; ++n) {
            const std::size_t area[] = {0, 4096, 2 * 4096, 3 * 4096, 4 * 4096};
            file[area[random() % 5] + random() % 120] = static_cast<u8>(random());
        }
        put_file(place / "fuzz.qcow2", file);
        auto image = open_image(place / "fuzz.qcow2", {});
        if (!image || (*image)->size() > 1 << 24) continue;
        std::vector<u8> data((*image)->size());
        (void)(*image)->read(0, data);
        for (unsigned i = 0; i < 4; ++i) {
            (void)(*image)->write(random() % ((*image)->size() / 512) * 512, std::vector<u8>(512, 1));
        }
        (void)(*image)->flush();
    }
}

TEST_CASE("qcow2: images of qemu-img in all geometries are written and stay consistent") {
    if (!have_qemu_img()) return;
    Place place;
    const char* options[] = {"compat=1.1",
                             "compat=0.10",
                             "cluster_size=512",
                             "cluster_size=4k,refcount_bits=1",
                             "refcount_bits=64,cluster_size=1k",
                             "cluster_size=2M,lazy_refcounts=on",
                             "refcount_bits=4,cluster_size=512",
                             "preallocation=metadata"};
    for (const char* option : options) {
        CAPTURE(option);
        REQUIRE(place.run(std::string("qemu-img create -f qcow2 -o ") + option + " a.qcow2 12M"));
        std::vector<u8> mirror(12 << 20);
        {
            auto image = must_open(place / "a.qcow2");
            CHECK(image->size() == mirror.size());
            scribble(*image, mirror, 3, 30, 200000);
            if (option == options[2]) scribble(*image, mirror, 4, 2, 9 << 20); // grows the refcount table
            CHECK(content(*image) == mirror);
        }
        CHECK(place.check("a.qcow2"));
        REQUIRE(place.run("qemu-img convert -f qcow2 -O raw a.qcow2 a.raw"));
        CHECK(get_file(place / "a.raw") == mirror);
    }
}

TEST_CASE("qcow2: compressed clusters, snapshots, zero clusters and backing files") {
    if (!have_qemu_img()) return;
    Place place;
    std::vector<u8> base(4 << 20);
    for (std::size_t i = 0; i < base.size(); ++i) base[i] = static_cast<u8>(i / 700);
    put_file(place / "base.raw", base);
    SUBCASE("compressed") {
        REQUIRE(place.run("qemu-img convert -c -f raw -O qcow2 base.raw a.qcow2"));
        {
            auto image = must_open(place / "a.qcow2");
            CHECK(content(*image) == base);
            scribble(*image, base, 8, 40, 100000);
            CHECK(content(*image) == base);
        }
        CHECK(place.check("a.qcow2"));
        CHECK(content(*must_open(place / "a.qcow2", {.read_only = true})) == base);
    }
    SUBCASE("snapshots keep what they hold") {
        REQUIRE(place.run("qemu-img convert -f raw -O qcow2 base.raw a.qcow2 && qemu-img snapshot -c one a.qcow2"));
        auto mirror = base;
        {
            auto image = must_open(place / "a.qcow2");
            scribble(*image, mirror, 8, 40, 100000);
            CHECK(content(*image) == mirror);
        }
        CHECK(place.check("a.qcow2"));
        CHECK(content(*must_open(place / "a.qcow2")) == mirror);
        REQUIRE(place.run("qemu-img snapshot -a one a.qcow2"));
        CHECK(content(*must_open(place / "a.qcow2")) == base);
        REQUIRE(place.run("qemu-img snapshot -d one a.qcow2"));
        {
            auto image = must_open(place / "a.qcow2");
            scribble(*image, base, 9, 10, 100000);
        }
        CHECK(place.check("a.qcow2"));
    }
    SUBCASE("backing files, by relative path") {
        REQUIRE(
            place.run("mkdir sub && mv base.raw sub && qemu-img create -f qcow2 -F raw -b base.raw sub/mid.qcow2 && "
                      "qemu-img create -f qcow2 -F qcow2 -b sub/mid.qcow2 a.qcow2 5M"));
        base.resize(5 << 20);
        {
            auto image = must_open(place / "a.qcow2");
            CHECK(content(*image) == base);
            scribble(*image, base, 8, 40, 100000);
            CHECK(content(*image) == base);
            CHECK(mentions(refusal(place / "sub/mid.qcow2"), "in use")); // a chain is locked as a whole
        }
        CHECK(place.check("a.qcow2"));
        CHECK(content(*must_open(place / "a.qcow2", {.discard_writes = true})) == base);
        REQUIRE(place.run("rm sub/base.raw"));
        CHECK(mentions(refusal(place / "a.qcow2"), "base.raw"));
    }
    SUBCASE("zero clusters") {
        if (!place.run("command -v qemu-io")) return;
        REQUIRE(place.run("qemu-img convert -f raw -O qcow2 base.raw a.qcow2 && qemu-io -c 'write -z 1M 1M' a.qcow2 && "
                          "qemu-io -c 'write -z -u 3M 512k' a.qcow2"));
        std::fill(base.begin() + (1 << 20), base.begin() + (2 << 20), u8{0});
        std::fill(base.begin() + (3 << 20), base.begin() + (3 << 20) + (512 << 10), u8{0});
        {
            auto image = must_open(place / "a.qcow2");
            CHECK(content(*image) == base);
            scribble(*image, base, 8, 60, 100000);
        }
        CHECK(place.check("a.qcow2"));
        CHECK(content(*must_open(place / "a.qcow2")) == base);
    }
    SUBCASE("an image that is its own backing file") {
        REQUIRE(place.run("qemu-img create -f qcow2 a.qcow2 1M && qemu-img rebase -u -F qcow2 -b a.qcow2 a.qcow2"));
        CHECK(refusal(place / "a.qcow2") != "");
        CHECK(mentions(refusal(place / "a.qcow2", {.read_only = true}), "backing files"));
    }
}

TEST_CASE("qcow2: a crash at any moment leaves a consistent image") {
    if (!have_qemu_img()) return;
    Place place;
    REQUIRE(place.run("qemu-img create -f qcow2 -o cluster_size=4k a.qcow2 8M"));
    std::vector<u8> mirror(8 << 20);
    auto image = must_open(place / "a.qcow2");
    for (unsigned round = 0; round < 6; ++round) {
        scribble(*image, mirror, 20 + round, 10, 60000);
        if (round % 2) REQUIRE(image->flush());
        // What is in the file now is what a killed process would leave: clusters may leak (3), nothing else.
        std::filesystem::copy_file(place / "a.qcow2", place / "crash.qcow2",
                                   std::filesystem::copy_options::overwrite_existing);
        CHECK(place.run("qemu-img check crash.qcow2; s=$?; [ $s = 0 ] || [ $s = 3 ]"));
        if (round % 2) CHECK(content(*must_open(place / "crash.qcow2")) == mirror); // flushed is kept
    }
}
