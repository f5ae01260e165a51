// Key tables against the set-1 column of the PS/2 technical reference and the US layout.
#include "machine/keys.hpp"

#include "frontend/key_queue.hpp"

#include <doctest/doctest.h>
#include <set>

using namespace glassbox;

namespace {
std::vector<Key> combination(const char* text) {
    const auto keys = parse_combination(text);
    if (!keys) FAIL(keys.error().message);
    return *keys;
}
} // namespace

TEST_CASE("keys by name") {
    CHECK(find_key("esc") == Key{0x01});
    CHECK(find_key("a") == Key{0x1E});
    CHECK(find_key("enter") == Key{0x1C});
    CHECK(find_key("kp-enter") == Key{0x1C, true});
    CHECK(find_key("f1") == Key{0x3B});
    CHECK(find_key("f12") == Key{0x58});
    CHECK(find_key("up") == Key{0x48, true});
    CHECK(find_key("kp8") == Key{0x48});
    CHECK(find_key("pause") == Key{0x45, true});
    CHECK(find_key("num-lock") == Key{0x45});
    CHECK_FALSE(find_key("any"));
}

TEST_CASE("combinations") {
    CHECK(combination("ctrl-alt-delete") == std::vector<Key>{{0x1D}, {0x38}, {0x53, true}});
    CHECK(combination("shift-a") == std::vector<Key>{{0x2A}, {0x1E}});
    CHECK(combination("Ctrl-C") == std::vector<Key>{{0x1D}, {0x2E}});
    CHECK(combination("right-ctrl-c") == std::vector<Key>{{0x1D, true}, {0x2E}});
    CHECK(combination("-") == std::vector<Key>{{0x0C}});
    CHECK(combination("ctrl--") == std::vector<Key>{{0x1D}, {0x0C}});
    CHECK(combination("alt-kp-minus") == std::vector<Key>{{0x38}, {0x4A}});
    CHECK(combination("page-up") == std::vector<Key>{{0x49, true}});
    for (const char* bad : {"", "foo", "ctrl-", "ctrl-foo", "foo-a", "ctrl--a-"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_combination(bad));
    }
}

TEST_CASE("keys go down in order and up in reverse") {
    const auto inputs = press_and_release(combination("ctrl-c"));
    REQUIRE(inputs.size() == 4);
    CHECK((inputs[0].code == 0x1D && inputs[0].pressed));
    CHECK((inputs[1].code == 0x2E && inputs[1].pressed));
    CHECK((inputs[2].code == 0x2E && !inputs[2].pressed));
    CHECK((inputs[3].code == 0x1D && !inputs[3].pressed));
}

TEST_CASE("every printable character has its own keys") {
    std::set<std::pair<std::size_t, u8>> seen;
    for (char c = ' '; c < 0x7F; ++c) {
        CAPTURE(c);
        const auto keys = keys_for_character(c);
        REQUIRE((keys.size() == 1 || (keys.size() == 2 && keys[0] == Key{0x2A})));
        CHECK(seen.emplace(keys.size(), keys.back().code).second);
    }
    CHECK(seen.size() == 95);
    CHECK(keys_for_character('A') == std::vector<Key>{{0x2A}, {0x1E}});
    CHECK(keys_for_character('?') == std::vector<Key>{{0x2A}, {0x35}});
    CHECK(keys_for_character('<') == std::vector<Key>{{0x2A}, {0x33}});
    CHECK(keys_for_character('\n') == std::vector<Key>{{0x1C}});
    CHECK(keys_for_character('\x03') == std::vector<Key>{{0x1D}, {0x2E}});
    CHECK(keys_for_character('\xE4').empty());
}

TEST_CASE("USB usage codes") {
    CHECK(key_of_usb_usage(4) == Key{0x1E});         // a
    CHECK(key_of_usb_usage(29) == Key{0x2C});        // z
    CHECK(key_of_usb_usage(40) == Key{0x1C});        // enter
    CHECK(key_of_usb_usage(50) == Key{0x2B});        // the key by Enter of ISO keyboards
    CHECK(key_of_usb_usage(82) == Key{0x48, true});  // up
    CHECK(key_of_usb_usage(99) == Key{0x53});        // keypad .
    CHECK(key_of_usb_usage(228) == Key{0x1D, true}); // right ctrl
    CHECK_FALSE(key_of_usb_usage(0));
    CHECK_FALSE(key_of_usb_usage(400));
    std::set<std::pair<u8, bool>> seen;
    int known = 0;
    for (unsigned usage = 1; usage < 256; ++usage) {
        const auto key = key_of_usb_usage(usage);
        if (!key || usage == 50) continue;
        ++known;
        CHECK(seen.emplace(key->code, key->extended).second);
    }
    CHECK(known == 105);
}

TEST_CASE("keys keep a distance in guest time") {
    KeyQueue queue;
    CHECK(queue.idle(0));
    CHECK(queue.due(0) == never);
    queue.add(press_and_release({{0x1E}}));
    CHECK(queue.take(0));
    CHECK_FALSE(queue.take(KeyQueue::spacing - 1));
    CHECK(queue.due(1) == KeyQueue::spacing);
    CHECK(queue.take(KeyQueue::spacing));
    CHECK_FALSE(queue.idle(KeyQueue::spacing)); // the pause after the last key belongs to it
    CHECK(queue.due(KeyQueue::spacing) == 2 * KeyQueue::spacing);
    CHECK(queue.idle(2 * KeyQueue::spacing));
}
