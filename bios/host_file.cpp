// Reading a whole file from the host.
#include "bios/host_file.hpp"

#include <filesystem>
#include <fstream>

namespace glassbox {

Expected<Bytes> read_host_file(const std::string& path, u64 max_bytes, const std::string& what) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (!std::filesystem::exists(status)) return fail(what + " '" + path + "' does not exist");
    if (!std::filesystem::is_regular_file(status)) return fail(what + " '" + path + "' is not a regular file");
    const auto size = std::filesystem::file_size(path, error);
    if (error) return fail(what + " '" + path + "': " + error.message());
    if (size > max_bytes)
        return fail(what + " '" + path + "' has " + std::to_string(size) + " bytes; the most that fits is " +
                    std::to_string(max_bytes));
    std::ifstream stream(path, std::ios::binary);
    if (!stream) return fail(what + " '" + path + "' cannot be opened for reading");
    Bytes bytes(static_cast<std::size_t>(size));
    stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (static_cast<u64>(stream.gcount()) != size) return fail(what + " '" + path + "' could not be read to its end");
    return bytes;
}

} // namespace glassbox
