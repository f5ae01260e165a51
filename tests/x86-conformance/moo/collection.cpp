#include "tests/x86-conformance/moo/collection.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string_view>

namespace glassbox::conformance::moo {

namespace fs = std::filesystem;

namespace {

constexpr const char* how_to_get_them =
    "Get the public collections by Daniel Balsom, for example\n"
    "    git clone https://github.com/SingleStepTests/80286\n"
    "    glassbox conform moo 80286/v1_real_mode\n"
    "(likewise 8088, folder v2_binary; 8086, v1_binary; 80386, v1_ex_real_mode), or set GLASSBOX_VECTORS to a folder\n"
    "that has folders of .MOO or .MOO.gz files in it, such as GLASSBOX_VECTORS/80286-real/F7.6.MOO.gz";

std::string lower(std::string text) {
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return text;
}

/// Length of ".MOO" or ".MOO.gz" at the end, else 0.
std::size_t extension_of(const std::string& name) {
    const std::string small = lower(name);
    if (small.ends_with(".moo.gz")) return 7;
    return small.ends_with(".moo") ? 4 : 0;
}

/// Names of forms hold no spaces, no '#' and nothing that is special in a --filter.
std::string tidy(std::string name) {
    std::ranges::replace_if(
        name,
        [](char c) { return c <= ' ' || c == 0x7F || std::string_view("#*?[]").find(c) != std::string_view::npos; },
        '_');
    return name;
}

std::string stem_of(const fs::path& path) {
    const std::string name = path.filename().string();
    return tidy(name.substr(0, name.size() - extension_of(name)));
}

Expected<> add_argument(const std::string& argument, std::vector<fs::path>& paths) {
    std::error_code error;
    const fs::file_status status = fs::status(argument, error);
    if (!fs::exists(status)) return fail(argument + ": there is no such file or folder");
    if (!fs::is_directory(status)) {
        paths.emplace_back(argument);
        return {};
    }
    const std::size_t before = paths.size();
    for (fs::recursive_directory_iterator it(argument, fs::directory_options::skip_permission_denied, error), end;
         !error && it != end; it.increment(error)) {
        std::error_code ignored;
        if (extension_of(it->path().filename().string()) && it->is_regular_file(ignored)) paths.push_back(it->path());
    }
    if (error) return fail(argument + ": cannot be read: " + error.message());
    if (paths.size() == before) return fail(argument + ": no .MOO or .MOO.gz file is in this folder");
    return {};
}

/// Given twice is read once.
void sort_and_unite(std::vector<fs::path>& paths) {
    std::ranges::sort(paths);
    std::set<fs::path> seen;
    std::erase_if(paths, [&](const fs::path& path) {
        std::error_code error;
        const fs::path real = fs::weakly_canonical(path, error);
        return !seen.insert(error ? path : real).second;
    });
}

/// The stem; if two files share one, all have their folder before it; if that is not enough, the whole path.
std::vector<std::string> names_of(const std::vector<fs::path>& paths) {
    const auto unique = [](const std::vector<std::string>& names) {
        return std::set<std::string>(names.begin(), names.end()).size() == names.size();
    };
    std::vector<std::string> names;
    for (const fs::path& path : paths) names.push_back(stem_of(path));
    if (unique(names)) return names;
    for (std::size_t i = 0; i < paths.size(); ++i) {
        const fs::path folder = fs::absolute(paths[i]).lexically_normal().parent_path().filename();
        names[i] = tidy(folder.string()) + "/" + stem_of(paths[i]);
    }
    if (unique(names)) return names;
    for (std::size_t i = 0; i < paths.size(); ++i) names[i] = tidy(fs::absolute(paths[i]).lexically_normal().string());
    return names;
}

std::shared_ptr<const Revoked> read_list(const fs::path& path) {
    std::ifstream in(path);
    if (!in) return nullptr;
    auto list = std::make_shared<Revoked>();
    for (std::string line; std::getline(in, line);) {
        while (!line.empty() && line.back() <= ' ') line.pop_back();
        if (line.size() == 40) list->insert(lower(line));
    }
    return list->empty() ? nullptr : list;
}

/// The list lies beside the files or, as published, one folder above.
class RevocationLists {
  public:
    std::shared_ptr<const Revoked> of(const fs::path& file) {
        const fs::path folder = fs::absolute(file).lexically_normal().parent_path();
        const auto known = lists_.find(folder);
        if (known != lists_.end()) return known->second;
        auto list = read_list(folder / "revocation_list.txt");
        if (!list) list = read_list(folder.parent_path() / "revocation_list.txt");
        return lists_[folder] = std::move(list);
    }

  private:
    std::map<fs::path, std::shared_ptr<const Revoked>> lists_;
};

} // namespace

Expected<std::string> vectors_folder() {
    std::error_code error;
    if (const char* set = std::getenv("GLASSBOX_VECTORS"); set && *set) {
        if (fs::is_directory(set, error)) return std::string(set);
        return fail("GLASSBOX_VECTORS is \"" + std::string(set) + "\", which is no folder. " + how_to_get_them);
    }
    const fs::path here(__FILE__); // tests/x86-conformance/moo/collection.cpp, where this was built
    for (const fs::path& root : {fs::path("."), here.parent_path() / "../../.."}) {
        const fs::path folder = root / "../shared/vectors";
        if (fs::is_directory(folder, error)) return folder.lexically_normal().string();
    }
    return fail(std::string("no captures are here: ../shared/vectors does not exist. ") + how_to_get_them);
}

Expected<std::vector<CollectionFile>> find_files(const std::vector<std::string>& arguments) {
    std::vector<std::string> from = arguments;
    if (from.empty()) {
        auto folder = vectors_folder();
        if (!folder) return tl::unexpected<Error>(folder.error());
        from.push_back(std::move(*folder));
    }
    std::vector<fs::path> paths;
    for (const std::string& argument : from) {
        if (const auto added = add_argument(argument, paths); !added) return tl::unexpected<Error>(added.error());
    }
    sort_and_unite(paths);
    const std::vector<std::string> names = names_of(paths);
    RevocationLists lists;
    std::vector<CollectionFile> files;
    for (std::size_t i = 0; i < paths.size(); ++i) files.push_back({paths[i].string(), names[i], lists.of(paths[i])});
    return files;
}

} // namespace glassbox::conformance::moo
