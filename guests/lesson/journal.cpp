// A journal of what the kernel has done: four lines of sixteen characters, the last of which is the terminating zero.
#include "guests/lesson/lesson.hpp"

namespace {

constexpr unsigned line_length = 16;

struct Journal {
    char lines[4][line_length];
    unsigned count;
};

} // namespace

Journal journal;

void note(const char* text) {
    const unsigned room = bugs.overrun ? line_length : line_length - 1;
    char* line = journal.lines[journal.count % 4];
    unsigned length = 0;
    while (text[length] != 0 && length < room) {
        line[length] = text[length];
        ++length;
    }
    line[length] = 0;
    ++journal.count;
}

unsigned notes() { return journal.count; }

void print_journal() {
    for (unsigned i = 0; i < journal.count && i < 4; ++i) {
        print("  ");
        print(journal.lines[i]);
        print("\n");
    }
}
