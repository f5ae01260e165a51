// Reads an ELF kernel with a PVH entry, such as Linux's own vmlinux, and lays it out with its initial RAM disk.
//
// Xen, "x86/HVM direct boot ABI" (docs/misc/pvh.pandoc) and public/arch-x86/hvm/start_info.h: version 1 of the
// structure; ELF note XEN_ELFNOTE_PHYS32_ENTRY (18). The entry is 32-bit protected mode without paging, EBX the start
// information.
#include "bios/embedded.hpp"
#include "bios/kernel_image.hpp"

namespace glassbox {

namespace {

namespace start { // the structure, then the memory map's place, which the option ROM fills
constexpr std::size_t version = 4, module_count = 12, modules = 16, command_line = 24, map = 40, map_offset = 0x80,
                      map_bytes = 128 * 24;
constexpr u32 magic = 0x336E'C578;
} // namespace start

Bytes build_information(const std::vector<PlacedModule>& placed, const std::string& command_line) {
    Bytes block(start::map_offset + start::map_bytes);
    const auto here = [&] { return u64{multiboot_memory::info_address} + block.size(); };
    put_le<u32>(block, 0, start::magic);
    put_le<u32>(block, start::version, 1u);
    put_le<u64>(block, start::map, multiboot_memory::info_address + start::map_offset);
    if (!placed.empty()) {
        put_le<u32>(block, start::module_count, static_cast<u32>(placed.size()));
        put_le<u64>(block, start::modules, here());
    }
    for (const auto& module : placed)
        for (const u64 field : {module.start, module.end - module.start, u64{0}, u64{0}}) append_le<u64>(block, field);
    put_le<u64>(block, start::command_line, here());
    append_text(block, command_line);
    block.push_back(0);
    return block;
}

} // namespace

bool is_pvh(const NamedBytes& kernel) { return find_pvh_entry(kernel).has_value(); }

Expected<DirectBoot> prepare_pvh(const NamedBytes& file, const std::optional<NamedBytes>& initrd,
                                 const std::string& append, u64 memory_bytes) {
    const KernelFile kernel{file, loadable_memory_end(memory_bytes)};
    const auto entry = find_pvh_entry(file);
    if (!entry) return kernel.error("it has no PVH entry (an ELF note of the owner Xen, type 18)");
    auto image = load_elf(kernel, {.own_entry = true});
    if (!image) return tl::unexpected(image.error());
    if (*entry < image->address || *entry >= image->end())
        return kernel.error("the PVH entry " + boot_hex(*entry) + " lies outside the loaded image");
    image->entry = *entry;
    std::vector<MultibootModule> modules;
    if (initrd) modules.push_back({initrd->name, initrd->bytes});
    const auto placed = place_modules(kernel, *image, modules);
    if (!placed) return tl::unexpected(placed.error());
    Bytes block = build_information(*placed, append);
    if (block.size() > multiboot_memory::info_limit)
        return kernel.error("the command line has " + std::to_string(append.size()) + " characters; at most " +
                            std::to_string(multiboot_memory::info_limit - (block.size() - append.size())) + " fit");
    return multiboot_items("pvh.bin", embedded_pvh_rom(), std::move(*image), multiboot_memory::info_address,
                           std::move(block), {});
}

} // namespace glassbox
