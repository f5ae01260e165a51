// The built-in guest's bytes, between the symbols that cmake/embed.cmake makes.
#include "guests/embedded.hpp"

extern "C" {
extern const glassbox::u8 glassbox_demo_begin[], glassbox_demo_end[];
}

namespace glassbox {

std::span<const u8> demo_floppy() { return {glassbox_demo_begin, glassbox_demo_end}; }

} // namespace glassbox
