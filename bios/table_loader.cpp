// The linker script with which SeaBIOS places firmware tables in guest memory.
#include "bios/table_loader.hpp"

namespace glassbox {

namespace {
constexpr u32 command_allocate = 1, command_add_pointer = 2, command_add_checksum = 3;
}

void TableLoader::finish_entry() { align_to(bytes_, entry_size); }

void TableLoader::allocate(std::string_view file, u32 alignment, Zone zone) {
    append_le<u32>(bytes_, command_allocate);
    append_padded(bytes_, file, name_size);
    append_le<u32>(bytes_, alignment);
    bytes_.push_back(static_cast<u8>(zone));
    finish_entry();
}

void TableLoader::add_pointer(std::string_view file, u32 offset, u8 size, std::string_view target) {
    append_le<u32>(bytes_, command_add_pointer);
    append_padded(bytes_, file, name_size);
    append_padded(bytes_, target, name_size);
    append_le<u32>(bytes_, offset);
    bytes_.push_back(size);
    finish_entry();
}

void TableLoader::add_checksum(std::string_view file, u32 offset, u32 start, u32 length) {
    append_le<u32>(bytes_, command_add_checksum);
    append_padded(bytes_, file, name_size);
    append_le<u32>(bytes_, offset);
    append_le<u32>(bytes_, start);
    append_le<u32>(bytes_, length);
    finish_entry();
}

} // namespace glassbox
