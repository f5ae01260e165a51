// Frames as PNG files, through libpng's simplified interface (which has no setjmp).
#include "devices/vga/png.hpp"

#include <png.h>

namespace glassbox {

Expected<> write_png(const Frame& frame, const std::string& path) {
    const std::size_t count = std::size_t{frame.width} * frame.height;
    if (count == 0 || frame.pixels.size() < count) {
        return fail("cannot write " + path + ": the screen shows nothing yet");
    }
    std::vector<u8> rgb;
    rgb.reserve(count * 3);
    for (std::size_t i = 0; i < count; ++i) {
        for (const unsigned shift : {16u, 8u, 0u}) rgb.push_back(static_cast<u8>(frame.pixels[i] >> shift));
    }
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = frame.width;
    image.height = frame.height;
    image.format = PNG_FORMAT_RGB;
    if (png_image_write_to_file(&image, path.c_str(), 0, rgb.data(), 0, nullptr) == 0) {
        const std::string reason = image.message;
        png_image_free(&image);
        return fail("cannot write " + path + ": " + reason);
    }
    return {};
}

} // namespace glassbox
