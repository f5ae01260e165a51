// A PNG file of true colour without alpha: signature, IHDR, one IDAT of unfiltered rows, IEND. Screens are flat areas,
// which zlib packs well without filters.
#include "devices/vga/png.hpp"

#include <fstream>
#include <string_view>
#include <zlib.h>

namespace glassbox {

namespace {

void put_u32(std::vector<u8>& out, u64 value) {
    for (unsigned shift = 32; shift > 0;) out.push_back(static_cast<u8>(value >> (shift -= 8)));
}

/// Length, type, data, and the CRC of type and data.
void put_chunk(std::vector<u8>& out, std::string_view type, const std::vector<u8>& data) {
    put_u32(out, data.size());
    const std::size_t start = out.size();
    out.insert(out.end(), type.begin(), type.end());
    out.insert(out.end(), data.begin(), data.end());
    put_u32(out, crc32_z(0, out.data() + start, out.size() - start));
}

/// Each row begins with its filter: 0, none.
std::vector<u8> rows_of(const Frame& frame) {
    std::vector<u8> rows;
    rows.reserve((std::size_t{frame.width} * 3 + 1) * frame.height);
    for (std::size_t y = 0; y < frame.height; ++y) {
        rows.push_back(0);
        for (std::size_t x = 0; x < frame.width; ++x) {
            const u32 pixel = frame.pixels[y * frame.width + x];
            for (const unsigned shift : {16u, 8u, 0u}) rows.push_back(static_cast<u8>(pixel >> shift));
        }
    }
    return rows;
}

} // namespace

Expected<> write_png(const Frame& frame, const std::string& path) {
    const std::size_t count = std::size_t{frame.width} * frame.height;
    if (count == 0 || frame.pixels.size() < count)
        return fail("cannot write " + path + ": the screen shows nothing yet");
    constexpr u8 bits = 8, true_colour = 2;
    std::vector<u8> header;
    put_u32(header, frame.width);
    put_u32(header, frame.height);
    for (const u8 field : {bits, true_colour, u8{0}, u8{0}, u8{0}}) header.push_back(field); // deflate, no interlacing
    const std::vector<u8> rows = rows_of(frame);
    std::vector<u8> packed(compressBound(rows.size()));
    uLongf size = packed.size();
    if (compress2(packed.data(), &size, rows.data(), rows.size(), Z_BEST_COMPRESSION) != Z_OK)
        return fail("cannot write " + path + ": there is not enough memory");
    packed.resize(size);
    std::vector<u8> file = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    put_chunk(file, "IHDR", header);
    put_chunk(file, "IDAT", packed);
    put_chunk(file, "IEND", {});
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
    out.close();
    if (!out) return fail("cannot write " + path);
    return {};
}

} // namespace glassbox
