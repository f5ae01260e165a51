// From the words of a command line to MOO files, each with the name of its form.
#pragma once

#include "bus/error.hpp"

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace glassbox::conformance::moo {

/// Hashes (40 hexadecimal digits, lower case) of cases that a collection's own `revocation_list.txt` calls faulty.
using Revoked = std::set<std::string, std::less<>>;

struct CollectionFile {
    std::string path;
    std::string form; ///< the file's name without .MOO and .gz; with the folder before it when that is not unique
    std::shared_ptr<const Revoked> revoked; ///< of its collection; null for none
};

/// All files in folders, and what is in folders below them, sorted by path. Without arguments those of
/// `vectors_folder`.
Expected<std::vector<CollectionFile>> find_files(const std::vector<std::string>& arguments);

/// $GLASSBOX_VECTORS, or ../shared/vectors beside the source or the current folder. An error says how to get the
/// public collections.
Expected<std::string> vectors_folder();

} // namespace glassbox::conformance::moo
