#include "machine/history/recording_parts.hpp"

#include "bios/firmware.hpp"
#include "machine/history/digest.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sys/stat.h>

namespace glassbox {

namespace {
constexpr unsigned longest_list = 16;

void persist_drives(Archive& archive, std::vector<DriveConfig>& drives) {
    u32 count = static_cast<u32>(drives.size());
    archive(count);
    archive.require(count <= longest_list, "it has too many drives");
    if (!archive.ok()) return;
    if (archive.loading()) drives.resize(count);
    for (DriveConfig& drive : drives) archive(drive.path, drive.read_only, drive.discard_writes);
}
} // namespace

void persist_config(Archive& archive, MachineConfig& c) {
    archive.chunk("machine", 1, [&](u32) {
        archive(c.memory_bytes, c.processors, c.cpu_model);
        persist_drives(archive, c.disks);
        archive(c.cdrom);
        persist_drives(archive, c.floppies);
        u32 boot = static_cast<u32>(c.boot.size());
        archive(boot);
        archive.require(boot <= longest_list, "it boots from too many devices");
        if (!archive.ok()) return;
        if (archive.loading()) c.boot.resize(boot);
        for (std::string& name : c.boot) archive(name);
        archive(c.kernel, c.initrd, c.append, c.bios, c.vgabios, c.serial_ports, c.parallel_port, c.exit_port,
                c.test_device, c.instructions_per_second, c.rtc_base, c.entropy_seed, c.stop_on_triple_fault, c.demo,
                c.hostile_seed);
    });
}

void persist_moment(Archive& archive, Moment& moment) { archive(moment.instructions, moment.time); }

void persist_position(Archive& archive, Position& position) {
    persist_moment(archive, position.moment);
    archive(position.entries, position.settled);
}

namespace {

struct Fields {
    Archive& archive;
    void operator()(KeyInput& key) { archive(key.code, key.extended, key.pressed); }
    void operator()(MouseInput& mouse) { archive(mouse.dx, mouse.dy, mouse.wheel, mouse.buttons); }
    void operator()(SerialInput& serial) { archive(serial.port, serial.data); }
    void operator()(MediaInput& media) {
        archive(media.drive, media.path, media.read_only);
        archive.require(media.drive <= MediaInput::Drive::cdrom, "a medium for a drive that does not exist");
    }
    void operator()(PowerButtonInput&) {}
    void operator()(ResetInput&) {}
    void operator()(EntropyInput& entropy) { archive(entropy.bits); }
    void operator()(SkipTimeInput& skip) {
        archive(skip.duration);
        archive.require(skip.duration < never / 2, "it skips more time than there is");
    }
};

template <std::size_t I = 0> void emplace(Input& input, std::size_t index) {
    if constexpr (I < std::variant_size_v<Input>) {
        if (index == I)
            input.emplace<I>();
        else
            emplace<I + 1>(input, index);
    }
}

} // namespace

void persist_input(Archive& archive, Input& input) {
    u32 kind = static_cast<u32>(input.index());
    archive(kind);
    archive.require(kind < std::variant_size_v<Input>, "an input of an unknown kind");
    if (!archive.ok()) return;
    if (archive.loading()) emplace(input, kind);
    std::visit(Fields{archive}, input);
}

Expected<RecordedFile> identify_file(const std::string& role, const std::string& path) {
    const auto cannot = [&](const std::string& why) {
        return fail("cannot read '" + path + "' (" + role + "): " + why);
    };
    struct stat info{};
    if (stat(path.c_str(), &info) != 0) return cannot(std::strerror(errno));
    if (!S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode)) return cannot("it is neither a file nor a block device");
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
    if (!file) return cannot(std::strerror(errno));
    RecordedFile identity{role, path};
    std::vector<u8> buffer(u64{1} << 20);
    while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), file.get())) {
        identity.digest = digest(std::span(buffer).first(got), identity.digest);
        identity.size += got;
    }
    if (std::ferror(file.get())) return cannot(std::strerror(errno));
    return identity;
}

Expected<> check_file(const RecordedFile& recorded, const std::string& path) {
    const auto now = identify_file(recorded.role, path);
    if (!now) return tl::unexpected(now.error());
    const std::string what = "'" + path + "' (" + recorded.role + ") is not what was recorded";
    if (now->size != recorded.size)
        return fail(what + ": it has " + std::to_string(now->size) + " bytes instead of " +
                    std::to_string(recorded.size));
    if (now->digest != recorded.digest) return fail(what + ": its contents have changed");
    return {};
}

Expected<std::vector<NamedFile>> files_of(const MachineConfig& config) {
    std::vector<NamedFile> files;
    const auto bios = load_system_bios(config.bios);
    if (!bios) return tl::unexpected(bios.error());
    const auto vga_bios = load_vga_bios(config.vgabios);
    if (!vga_bios) return tl::unexpected(vga_bios.error());
    files.push_back({"bios", bios->path});
    files.push_back({"vgabios", vga_bios->path});
    if (config.kernel) files.push_back({"kernel", *config.kernel});
    if (config.initrd) files.push_back({"initrd", *config.initrd});
    if (config.cdrom && !config.cdrom->empty()) files.push_back({"cdrom", *config.cdrom});
    for (std::size_t i = 0; i < config.disks.size(); ++i)
        files.push_back({"disk " + std::to_string(i + 1), config.disks[i].path});
    for (std::size_t i = 0; i < config.floppies.size(); ++i)
        files.push_back({"floppy " + std::to_string(i + 1), config.floppies[i].path});
    return files;
}

} // namespace glassbox
