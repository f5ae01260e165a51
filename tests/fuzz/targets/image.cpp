// Disk images: raw, qcow2 and what pretends to be one. Opened, read, written and persisted.
#include "devices/image/image.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <unistd.h>

using namespace glassbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    char path[] = "/tmp/glassbox-fuzz-image.XXXXXX";
    const int file = mkstemp(path);
    if (file < 0) return 0;
    const bool written = write(file, data, size) == static_cast<ssize_t>(size) && ftruncate(file, 1 << 20) == 0;
    close(file);
    if (written) {
        if (auto image = open_image(path, {.read_only = false, .discard_writes = false})) {
            std::array<u8, 4096> block{};
            const u64 length = (*image)->size();
            for (const u64 at : {u64{0}, u64{65536}, length / 2, length - std::min<u64>(length, 4096)}) {
                const auto part = std::span(block).first(
                    static_cast<std::size_t>(std::min<u64>(4096, length - std::min(at, length))));
                static_cast<void>((*image)->read(at, part));
                static_cast<void>((*image)->write(at, part));
            }
            static_cast<void>((*image)->read(length, block));
            static_cast<void>((*image)->flush());
            Archive archive = Archive::saver();
            (*image)->persist(archive);
        }
    }
    unlink(path);
    return 0;
}
