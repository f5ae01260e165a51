#include "devices/debugcon/debug_console.hpp"
#include "tests/unit/devices/board_fakes.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::test;

TEST_CASE("the debug console prints and tells that it is there") {
    PortBus ports;
    FakeSink sink;
    DebugConsole console(&sink), silent(nullptr);
    console.map(ports);
    for (char c : std::string("hi\n")) ports.write(Port{0xE9}, 1, static_cast<u8>(c));
    CHECK(sink.text == "hi\n");
    CHECK(ports.read(Port{0xE9}, 1) == 0xE9);
    CHECK(ports.read(Port{0xE9}, 2) == 0xFFE9);
    silent.write(0, 1, 'x');
}

TEST_CASE("the exit port ends the run with its byte's status") {
    PortBus ports;
    std::vector<u8> ends;
    ExitPort port([&](u8 status) { ends.push_back(status); });
    port.map(ports, 0xF4);
    ports.write(Port{0xF4}, 4, 0x10); // as drivers written for QEMU do
    ports.write(Port{0xF4}, 1, 0x00);
    ports.write(Port{0xF4}, 1, 0xFF);
    CHECK(ends == std::vector<u8>{0x21, 0x01, 0xFF});
    CHECK(ports.read(Port{0xF4}, 1) == 0);
}
