// Scripts: any text is one, or is refused with a line number.
#include "frontend/script.hpp"

#include <cstdlib>

using namespace glassbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto script = parse_script(std::string(reinterpret_cast<const char*>(data), size), "fuzz");
    if (!script && script.error().message.empty()) std::abort();
    return 0;
}
