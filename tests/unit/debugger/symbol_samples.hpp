// Small programs for tests of symbol files, made by the host's own tools; and what those tools say of them.
#pragma once

#include "bus/types.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace glassbox::symbol_samples {

/// A folder that goes away with its test.
struct Folder {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("glassbox-symbols-" + std::to_string(::getpid()));
    Folder() { std::filesystem::create_directories(path); }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(path / name, std::ios::binary) << text;
        return (path / name).string();
    }
    std::string operator/(const std::string& name) const { return (path / name).string(); }
};

inline bool succeeds(const std::string& command) {
    return std::system((command + " >/dev/null 2>&1").c_str()) == 0; // NOLINT: a test's own commands
}

inline bool have(const std::string& tool) {
    if (succeeds("command -v " + tool)) return true;
    std::printf("skipped: %s is not installed\n", tool.c_str());
    return false;
}

inline std::vector<std::string> output(const std::string& command) {
    std::vector<std::string> lines;
    FILE* const pipe = ::popen((command + " 2>/dev/null").c_str(), "r");
    if (!pipe) return lines;
    std::string line;
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
        if (c != '\n') {
            line += static_cast<char>(c);
            continue;
        }
        lines.push_back(line);
        line.clear();
    }
    ::pclose(pipe);
    return lines;
}

inline constexpr const char* c_source = R"(struct entry {
    unsigned base;
    unsigned short limit;
    struct {
        unsigned char type, dpl;
    } access;
    union {
        unsigned low;
        unsigned char bytes[4];
    };
};
typedef const struct entry constant_entry;
struct entry table[5];
volatile constant_entry fixed = {1, 2, {3, 4}, {5}};
int matrix[3][4];
static int hidden = 3;
int counter;
__attribute__((noinline)) static int leaf(int n) {
    static int calls;
    calls += n;
    hidden ^= calls;
    return calls + hidden;
}
__attribute__((noinline)) int middle(int a, int b) {
    volatile int local[8];
    for (int i = 0; i < 8; ++i) local[i] = leaf(a + i);
    return local[b & 7] + leaf(b) * table[1].limit + matrix[1][2];
}
void _start(void) {
    for (;;) counter += middle(counter, 2) + table[2].base;
}
)";

/// Compiled with debug information; "" where there is no compiler for it.
inline std::string compile(const Folder& folder, unsigned bits, const std::string& options, const std::string& name) {
    const std::string source = folder.write("sample.c", c_source), program = folder / name;
    const std::string command = "cd " + folder.path.string() + " && gcc -m" + std::to_string(bits) + " " + options +
                                " -ffreestanding -nostdlib -static -no-pie -fno-stack-protector -Wl,-Ttext=0x100000" +
                                " -Wl,--build-id=none sample.c -o " + program;
    if (succeeds(command)) return program;
    std::printf("skipped: gcc cannot make %u-bit programs\n", bits);
    return {};
}

} // namespace glassbox::symbol_samples
