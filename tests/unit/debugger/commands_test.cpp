// The table of commands as a whole, how lines are cut into words, and how names are found.
#include "debugger/command.hpp"
#include "debugger/console/help.hpp"
#include "debugger/console/spelling.hpp"

#include <doctest/doctest.h>
#include <set>
#include <sstream>

using namespace glassbox;

TEST_CASE("words are cut at spaces; brackets, parentheses and quotes keep theirs") {
    Arguments arguments("  dword [esp + 4]  phys( 1000h ) \"two words\" 'a b'  ");
    CHECK(arguments.words() == std::vector<std::string>{"dword", "[esp + 4]", "phys( 1000h )", "two words", "'a b'"});
    CHECK(arguments.take() == "dword");
    CHECK_FALSE(arguments.take_if("esp"));
    CHECK(arguments.take_if("[esp + 4]"));
    CHECK(arguments.left() == 3);
    CHECK(arguments.rest() == "phys( 1000h ) \"two words\" 'a b'");
    CHECK(arguments.empty());
    CHECK(arguments.take().empty());
    CHECK(arguments.rest().empty());
}

TEST_CASE("unbalanced brackets and quotes end with the line") {
    CHECK(Arguments("[a b").words() == std::vector<std::string>{"[a b"});
    CHECK(Arguments("a] b").words() == std::vector<std::string>{"a]", "b"});
    CHECK(Arguments("\"a b").words() == std::vector<std::string>{"\"a b"});
}

TEST_CASE("every command can be found, and no name stands for two") {
    static const std::set<std::string_view> groups(command_groups.begin(), command_groups.end());
    std::set<std::string> names;
    for (const Command* command : all_commands()) {
        CAPTURE(command->name);
        CHECK(groups.contains(command->group));
        CHECK_FALSE(command->summary.empty());
        CHECK((command->run != nullptr));
        CHECK(names.insert(std::string(command->name)).second);
        std::istringstream shorts{std::string(command->shorts)};
        for (std::string word; shorts >> word;) CHECK_MESSAGE(names.insert(word).second, word);
        const auto found = find_command(command->name);
        REQUIRE(found);
        CHECK(*found == command);
    }
}

TEST_CASE("a name may be shortened while it is clear") {
    const auto help = find_command("apr");
    REQUIRE(help);
    CHECK((*help)->name == "apropos");
    const auto nothing = find_command("frobnicate");
    REQUIRE_FALSE(nothing);
    CHECK(nothing.error().message == "there is no command 'frobnicate' (help lists them)");
    const auto both = find_command("un"); // undisplay and others
    if (!both) CHECK(both.error().message.find("undisplay") != std::string::npos);
}

TEST_CASE("a name that nobody knows: the nearest ones") {
    const auto message = [](std::string_view name) {
        const auto found = find_command(name);
        return found ? std::string() : found.error().message;
    };
    CHECK(message("braek") == "there is no command 'braek' (did you mean break?)");
    CHECK(message("disassmble").find("did you mean disassemble") != std::string::npos);
    CHECK(message("contniue").find("continue") != std::string::npos);
    CHECK(message("lspci").find("pci") != std::string::npos);
    CHECK(message("qqq") == "there is no command 'qqq' (help lists them)");
    CHECK(message(std::string(5000, 'x')).ends_with("(help lists them)"));
}

TEST_CASE("how far words are apart: letters inserted, removed, replaced, swapped") {
    CHECK(letters_apart("break", "break") == 0);
    CHECK(letters_apart("break", "braek") == 1);
    CHECK(letters_apart("break", "brek") == 1);
    CHECK(letters_apart("break", "breaks") == 1);
    CHECK(letters_apart("break", "brake") == 2);
    CHECK(letters_apart("", "abc") == 3);
    CHECK(letters_apart("abc", "") == 3);
}
