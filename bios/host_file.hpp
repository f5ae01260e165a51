// Reading a whole file from the host, with errors that say which file and why.
#pragma once

#include "bios/bytes.hpp"
#include "bus/error.hpp"

#include <string>

namespace glassbox {

/// Reads `path`; fails when it is missing, not a regular file, unreadable, or larger than `max_bytes`. `what` names the
/// file's role.
Expected<Bytes> read_host_file(const std::string& path, u64 max_bytes, const std::string& what);

} // namespace glassbox
