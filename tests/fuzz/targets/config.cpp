// MACHINE.toml: any text is a configuration, or is refused with a reason.
#include "frontend/options.hpp"

#include <cstdlib>

using namespace glassbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Options options;
    const auto done = read_config_text(options, std::string(reinterpret_cast<const char*>(data), size), "fuzz.toml");
    if (!done && done.error().message.empty()) std::abort();
    return 0;
}
