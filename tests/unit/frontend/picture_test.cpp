// Screenshots, the window's layout, and dropped files.
#include "devices/vga/png.hpp"
#include "frontend/layout.hpp"
#include "frontend/media_guess.hpp"

#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <png.h>
#include <unistd.h>

using namespace glassbox;

namespace {
struct TemporaryFile {
    std::string path;
    explicit TemporaryFile(const std::string& ending, std::uintmax_t size = 0)
        : path("/tmp/glassbox-test-" + std::to_string(::getpid()) + ending) {
        std::ofstream{path};
        std::filesystem::resize_file(path, size);
    }
    ~TemporaryFile() { std::filesystem::remove(path); }
};
} // namespace

TEST_CASE("a screenshot read back has the same pixels") {
    Frame frame;
    frame.width = 3, frame.height = 2;
    frame.pixels = {0xFF0000, 0x00FF00, 0x0000FF, 0x123456, 0xFFFFFF, 0x000000};
    const TemporaryFile file(".png");
    REQUIRE(write_png(frame, file.path));
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    REQUIRE(png_image_begin_read_from_file(&image, file.path.c_str()) != 0);
    CHECK(image.width == 3);
    CHECK(image.height == 2);
    image.format = PNG_FORMAT_RGB;
    std::vector<u8> rgb(PNG_IMAGE_SIZE(image));
    REQUIRE(png_image_finish_read(&image, nullptr, rgb.data(), 0, nullptr) != 0);
    for (std::size_t i = 0; i < 6; ++i) {
        CHECK((u32{rgb[3 * i]} << 16 | u32{rgb[3 * i + 1]} << 8 | rgb[3 * i + 2]) == frame.pixels[i]);
    }
}

TEST_CASE("a screenshot that cannot be") {
    Frame frame;
    CHECK_FALSE(write_png(frame, "/tmp/x.png"));
    frame.width = frame.height = 2;
    frame.pixels.resize(3);
    CHECK_FALSE(write_png(frame, "/tmp/x.png"));
    frame.pixels.resize(4);
    const auto error = write_png(frame, "/nonexistent/x.png");
    REQUIRE_FALSE(error);
    CHECK(error.error().message.find("/nonexistent/x.png") != std::string::npos);
}

TEST_CASE("screens with tall pixels are 4:3") {
    CHECK(natural_size({720, 400}, true) == Size{720, 540});
    CHECK(natural_size({320, 200}, true) == Size{320, 240});
    CHECK(natural_size({320, 400}, true) == Size{533, 400});
    CHECK(natural_size({800, 600}, false) == Size{800, 600});
    CHECK(window_size({320, 200}, true, {1920, 1080}) == Size{640, 480});
    CHECK(window_size({640, 480}, false, {1920, 1080}) == Size{640, 480});
}

TEST_CASE("frames in windows") {
    CHECK(place_frame({640, 480}, false, {1280, 960}) == Placement{0, 0, 1280, 960, true});
    CHECK(place_frame({640, 480}, false, {1400, 1000}) == Placement{60, 20, 1280, 960, true});
    CHECK(place_frame({640, 480}, false, {320, 480}) == Placement{0, 120, 320, 240, false});
    CHECK(place_frame({720, 400}, true, {1920, 1080}) == Placement{240, 0, 1440, 1080, false});
    CHECK(place_frame({0, 0}, false, {640, 480}) == Placement{});
    CHECK(place_frame({640, 480}, false, {0, 0}) == Placement{});
}

TEST_CASE("dropped files") {
    const TemporaryFile floppy(".img", 1440 * 1024), disk("-disk.img", 1440 * 1024 + 512), iso(".ISO", 2048);
    CHECK(guess_medium(floppy.path)->drive == MediaInput::Drive::floppy0);
    CHECK(guess_medium(iso.path)->drive == MediaInput::Drive::cdrom);
    CHECK_FALSE(guess_medium(disk.path));
    CHECK_FALSE(guess_medium("/nonexistent.iso"));
    CHECK(is_floppy_size(160 * 1024));
    CHECK(is_floppy_size(2880 * 1024));
    CHECK_FALSE(is_floppy_size(0));
}
