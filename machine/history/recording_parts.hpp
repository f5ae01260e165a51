// What the chunks of a recording hold, each with one function for both ways.
#pragma once

#include "bus/archive.hpp"
#include "machine/history/checkpoint.hpp"
#include "machine/input.hpp"

#include <string>
#include <vector>

namespace glassbox {

/// A file of the host that the guest saw something of.
struct RecordedFile {
    std::string role; ///< "disk 1", "cdrom", "bios" …
    std::string path;
    u64 size = 0;
    u64 digest = 0; ///< of all of its bytes
    void persist(Archive& archive) { archive(role, path, size, digest); }
};

/// Reads all of the file.
Expected<RecordedFile> identify_file(const std::string& role, const std::string& path);
/// Refuses a file with other contents.
Expected<> check_file(const RecordedFile& recorded, const std::string& path);
/// Every file that the configuration names or stands for, by role.
struct NamedFile {
    std::string role;
    std::string path;
};
Expected<std::vector<NamedFile>> files_of(const MachineConfig& config);

void persist_config(Archive& archive, MachineConfig& config);
void persist_input(Archive& archive, Input& input);
void persist_moment(Archive& archive, Moment& moment);
void persist_position(Archive& archive, Position& position);

} // namespace glassbox
