// docs/coming-from.md: what people of other debuggers type does here what the page says. Every row of its tables is
// executed both ways in the same state, and what is printed and what becomes of the machine must be equal.
#include "debugger/console/habits.hpp"

#include "habits_fixture.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <fstream>
#include <set>

using namespace glassbox;
using namespace glassbox::test;

namespace {

struct Row {
    std::vector<std::string> there; ///< different ways to write the same
    std::vector<std::string> here;  ///< one behind the other; none: it is refused
};

/// What stands between backticks; "\|" is a bar.
std::vector<std::string> codes_of(const std::string& cell) {
    std::vector<std::string> codes;
    std::size_t at = 0;
    while ((at = cell.find('`', at)) != std::string::npos) {
        const std::size_t end = cell.find('`', at + 1);
        REQUIRE(end != std::string::npos);
        std::string code = cell.substr(at + 1, end - at - 1);
        for (std::size_t bar; (bar = code.find("\\|")) != std::string::npos;) code.erase(bar, 1);
        codes.push_back(code);
        at = end + 1;
    }
    return codes;
}

std::vector<std::string> cells_of(const std::string& line) {
    std::vector<std::string> cells;
    std::size_t begin = 1;
    for (std::size_t i = 1; i < line.size(); ++i) {
        if (line[i] != '|' || line[i - 1] == '\\') continue;
        cells.push_back(line.substr(begin, i - begin));
        begin = i + 1;
    }
    return cells;
}

std::vector<Row> rows_of_page() {
    std::ifstream page(GLASSBOX_SOURCE_DIR "/docs/coming-from.md");
    std::vector<Row> rows;
    for (std::string line; std::getline(page, line);) {
        if (!line.starts_with("| `")) continue;
        const auto cells = cells_of(line);
        REQUIRE_MESSAGE(cells.size() == 3, line);
        Row row{codes_of(cells[0]), {}};
        if (cells[1].find("an error") == std::string::npos) row.here = codes_of(cells[1]);
        CHECK_MESSAGE((!row.here.empty() || cells[1].find("an error") != std::string::npos), line);
        rows.push_back(row);
    }
    return rows;
}

/// What lines print, and what the machine, the stop points and the displays are afterwards.
struct Outcome {
    std::string printed, left;
};

/// The hash of everything is asked for where something is changed by hand.
Outcome carry_out(GuestAtWork& guest, const std::vector<std::string>& lines, bool with_hash) {
    guest.begin_session();
    Outcome outcome;
    for (const std::string& line : lines) outcome.printed += guest(line);
    outcome.left = std::to_string(guest.machine().instructions()) + " " +
                   std::to_string(with_hash ? guest.machine().state_hash() : 0) + " " +
                   std::to_string(guest.debugger().processor()) + (guest.console->quit_requested() ? " quit" : "") +
                   "\n" + guest("registers") + guest("stops") + guest("display") + guest("symbols list");
    return outcome;
}

bool failed(const Outcome& outcome) { return outcome.printed.find("error: ") != std::string::npos; }

bool changes_by_hand(const std::vector<std::string>& lines) {
    return std::ranges::any_of(lines, [](const std::string& line) {
        const auto command = find_command(command_word(line));
        return command && ((*command)->group == "Change" || (*command)->name == "key" || (*command)->name == "reset");
    });
}

bool needs_debug_information(const std::string& line) {
    return line.find("main.c") != std::string::npos || line.find("counter") != std::string::npos;
}

} // namespace

TEST_CASE("what other debuggers' users type does what docs/coming-from.md says") {
    GuestAtWork& guest = guest_at_work();
    const auto rows = rows_of_page();
    CHECK(rows.size() > 150);
    for (const Row& row : rows) {
        const bool changes = changes_by_hand(row.here);
        const Outcome ours = row.here.empty() ? Outcome{} : carry_out(guest, row.here, changes);
        for (const std::string& there : row.there) {
            CAPTURE(there);
            if (needs_debug_information(there) && !guest.has_debug_information) continue;
            const Outcome theirs = carry_out(guest, {there}, changes);
            if (row.here.empty()) {
                CHECK_MESSAGE(failed(theirs), theirs.printed);
                CHECK(theirs.printed.find("there is no command") == std::string::npos);
                continue;
            }
            CHECK_MESSAGE(!failed(theirs), theirs.printed);
            CHECK(theirs.printed == ours.printed);
            CHECK(theirs.left == ours.left);
        }
    }
}

TEST_CASE("every row of the table of habits is on the page") {
    std::set<std::size_t> used;
    for (const Row& row : rows_of_page()) {
        for (const std::string& there : row.there) {
            std::size_t number = 0;
            if (translate_habit(there, &number)) used.insert(number);
        }
    }
    for (std::size_t i = 0; i < habits().size(); ++i) CHECK_MESSAGE(used.contains(i), habits()[i].typed);
}

TEST_CASE("lines that are ours are left as they are; lines that lead to themselves end") {
    for (const char* ours : {"step", "x/4xw esp", "watch counter 4", "set eax 5", "set dword 400h = 5", "p eax",
                             "u /10", "delete 1", "find bytes 55 AA", "run 500", "p/x eax", "i", "time 5ms", "", "   "})
        CHECK_MESSAGE(!translate_habit(ours), ours);
    GuestAtWork& guest = guest_at_work();
    guest.begin_session();
    CHECK(guest("monitor monitor monitor echo deep") == "deep\n");
    CHECK(guest("monitor monitor monitor monitor monitor monitor echo deep").find("without an end") !=
          std::string::npos);
    CHECK(guest("monitor " + std::string(100'000, 'x')).starts_with("error: there is no command"));
    CHECK(guest("set var").starts_with("error: set needs"));
}
