// The texts of the commands: their form, and every example of every help text, executed.
#include "debugger/console/help.hpp"

#include "debugger/console/habits.hpp"

#include "habits_fixture.hpp"

#include <algorithm>
#include <array>
#include <sstream>

using namespace glassbox;
using namespace glassbox::test;

namespace {

/// Examples that only say how it is written: what they need is not there.
constexpr std::array<std::string_view, 10> need_more = {
    "commit-media",                         // --no-history has files; with a history the demo has no disk
    "c 10",                                 // to stand at a stop point
    "live",                                 // a recording that is repeated
    "locals 1",                             // a caller whose frame is known
    "up",                                   // a caller
    "up 2",                                 // and its caller
    "down",                                 // a frame that was chosen
    "symbols load System.map",              // Linux
    "symbols path /build/src /home/me/src", // another computer
    "end",                                  // a definition
};
/// The names and members that only debug information has.
constexpr std::array<std::string_view, 5> need_debug_information = {"table[", "main.c", "list", "locals", "line"};

bool is_error(const std::string& answer) {
    return answer.starts_with("error: ") || answer.find("\nerror: ") != std::string::npos;
}

bool possible(const GuestAtWork& guest, std::string_view example) {
    if (std::ranges::find(need_more, example) != need_more.end()) return false;
    return guest.has_debug_information || std::ranges::none_of(need_debug_information, [&](std::string_view part) {
               return example.find(part) != std::string_view::npos;
           });
}

} // namespace

namespace {

/// What the examples of a command print, one after the other in one session.
std::vector<std::string> answers(GuestAtWork& guest, const std::vector<std::string>& examples) {
    guest.begin_session();
    std::vector<std::string> all;
    for (const std::string& example : examples) all.push_back(guest(example));
    return all;
}

} // namespace

TEST_CASE("every example of every help text works, in user mode with paging or in real mode") {
    GuestAtWork& guest = guest_at_work();
    unsigned executed = 0, left_out = 0, in_real_mode = 0;
    for (const Command* command : all_commands()) {
        std::vector<std::string> examples = examples_of(*command);
        const std::size_t before = examples.size();
        std::erase_if(examples, [&](const std::string& example) { return !possible(guest, example); });
        left_out += static_cast<unsigned>(before - examples.size());
        if (examples.empty()) continue;
        const std::vector<std::string> in_user_mode = answers(guest, examples);
        executed += static_cast<unsigned>(examples.size());
        if (std::ranges::none_of(in_user_mode, is_error)) continue;
        ++in_real_mode;
        const std::vector<std::string> in_boot_sector = answers(boot_sector_at_work(), examples);
        for (std::size_t i = 0; i < examples.size(); ++i) {
            CHECK_MESSAGE((!is_error(in_user_mode[i]) || !is_error(in_boot_sector[i])), "help ", command->name, ": ",
                          examples[i], "\n", in_user_mode[i], "in real mode: ", in_boot_sector[i]);
        }
    }
    CHECK(executed > 200);
    CHECK(in_real_mode < 16); // else most would be about another machine than this one
    CHECK((!guest.has_debug_information || left_out <= need_more.size()));
}

TEST_CASE("an example that is wrong is noticed") {
    GuestAtWork& guest = guest_at_work();
    guest.begin_session();
    CHECK(is_error(guest("dump")));
    CHECK(is_error(guest("print no_such_name")));
    CHECK_FALSE(is_error(guest("print eax")));
}

TEST_CASE("every command has a text of the same form, with examples") {
    static constexpr std::array<std::string_view, 7> bare = {"end",      "quit",   "live", "source",
                                                             "snapshot", "define", "down"};
    for (const Command* command : all_commands()) {
        CAPTURE(command->name);
        CHECK((command->summary.front() >= 'A' && command->summary.front() <= 'Z'));
        CHECK((!command->summary.ends_with('.') || command->summary.ends_with(" ...")));
        CHECK(command->summary.size() <= 72);
        CHECK_FALSE(command->help.empty());
        // What takes no argument has nothing else to show.
        const std::size_t least = command->usage.empty() ? 1 : 2;
        if (std::ranges::find(bare, command->name) == bare.end()) CHECK(examples_of(*command).size() >= least);
    }
}

TEST_CASE("lists of commands are columns, whatever the names are") {
    GuestAtWork& guest = guest_at_work();
    guest.begin_session();
    std::vector<std::string> pages = {"help", "info", "help info", "apropos memory", "help xp", "help break"};
    for (const std::string_view group : command_groups) pages.push_back("help " + std::string(group));
    for (const std::string& page : pages) {
        std::istringstream text(guest(page));
        for (std::string line; std::getline(text, line);) {
            CHECK_MESSAGE(line.size() <= page_width, page, ": ", line);
            CHECK_MESSAGE(!line.ends_with(' '), page, ": ", line);
        }
    }
    // One text behind the other begins in the same column: two spaces are before it.
    for (const std::string_view group : command_groups) {
        std::istringstream text(help_of_group(group));
        std::string line;
        std::getline(text, line);
        CHECK(line == std::string(group) + ":");
        std::size_t column = 0;
        while (std::getline(text, line)) {
            const std::size_t gap = line.find("  ", 2);
            if (gap == std::string::npos) continue; // a long name: the text is in the next line
            const std::size_t here = line.find_first_not_of(' ', gap);
            if (column == 0) column = here;
            CHECK_MESSAGE(here == column, line);
        }
    }
}

TEST_CASE("help of one group, of a beginning, of other debuggers' words, of info's words") {
    GuestAtWork& guest = guest_at_work();
    guest.begin_session();
    CHECK(guest("help stop").find("Look:") == std::string::npos);
    CHECK(guest("help stop").find("rwatch") != std::string::npos);
    const std::string beginning = guest("help reverse");
    CHECK(beginning.find("reverse-step (") != std::string::npos);
    CHECK(beginning.find("reverse-continue") != std::string::npos);
    CHECK(beginning.find("break") == std::string::npos);
    CHECK(guest("help xp").find("examine/FORMAT phys(X)") != std::string::npos);
    CHECK(guest("help xp").find("FORMAT is x hexadecimal") != std::string::npos); // the target's help
    CHECK(guest("help setpmem").find("setpmem X 2 Y   ") == std::string::npos);
    CHECK(guest("help setpmem").find("Is here: set word phys(X) Y") != std::string::npos);
    CHECK(guest("help devices").find("lapic") != std::string::npos);
    CHECK(guest("help info tab").find("pages") != std::string::npos);
    CHECK(guest("help info nonsense").starts_with("error: info has nothing about 'nonsense'"));
    CHECK(guest("? 7c00h + 200h").find("7E00h") != std::string::npos);
    CHECK(guest("apropos gva2gpa").find("walk") != std::string::npos);
}

TEST_CASE("the words of info: each leads to a command that works, or says why there is none") {
    GuestAtWork& guest = guest_at_work();
    for (const InfoWord& word : info_words()) {
        guest.begin_session();
        CAPTURE(word.name);
        const std::string does(word.does), text = "info " + std::string(word.name);
        const bool wants_more = word.name == "address" || word.name == "functions" || word.name == "variables";
        if (does.starts_with('!')) {
            CHECK(guest(text) == "error: " + does.substr(1) + "\n");
        } else if (word.does == "locals" && !guest.has_debug_information) {
            CHECK(guest(text) == guest(does));
        } else {
            const std::string more = wants_more ? " schedule" : "";
            const std::string answer = guest(text + more);
            CHECK_FALSE(is_error(answer));
            CHECK(answer == guest(does + more));
        }
    }
}

TEST_CASE("info: clear beginnings, and what a wrong word is told") {
    GuestAtWork& guest = guest_at_work();
    guest.begin_session();
    CHECK(guest("info reg eax") == guest("registers eax"));
    CHECK(guest("i r eax") == guest("registers eax"));
    CHECK(guest("i b") == guest("stops"));
    CHECK(guest("info brea") == guest("stops"));
    const std::string wrong = guest("info regsiters");
    CHECK(wrong.starts_with("error: info has nothing about 'regsiters'; did you mean registers? It knows registers "));
    CHECK(wrong.find(" mtree ") != std::string::npos);
    CHECK(guest("info m").starts_with("error: 'info m' may be msr mem mtree mice"));
}
