// Every kind of stop point stops where it says, once for each time, forwards and backwards.
#include "tests/unit/debugger/control_bench.hpp"

#include <vector>

using namespace glassbox;
using namespace glassbox::control_guests;

namespace {

/// The first stops of the only stop point, and then the way back over them: before instructions at the same counts,
/// else just before the instruction that did it.
std::vector<Stop> there_and_back(std::span<const u8> code, StopPoint point, unsigned most, bool before) {
    CAPTURE(static_cast<int>(point.kind));
    CAPTURE(point.first);
    Bench b(code);
    b.add(std::move(point));
    std::vector<Stop> stops;
    for (unsigned i = 0; i < most; ++i) {
        b.go_on();
        if (b.stop().number != 1) break;
        if (!stops.empty()) CHECK(b.count() > stops.back().moment.instructions);
        stops.push_back(b.stop());
    }
    REQUIRE_FALSE(stops.empty());
    if (before && b.stop().number == 1) b.step(); // away from the last one
    for (std::size_t i = stops.size(); i-- > 0;) {
        CAPTURE(i);
        b.back();
        CHECK(b.stop().number == 1);
        CHECK(b.count() == stops[i].moment.instructions - (before ? 0 : 1));
    }
    b.back();
    CHECK(b.stop().kind == StopKind::history_end);
    CHECK(b.count() == 0);
    return stops;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("control: breakpoints, and going on from them") {
    const auto stops = there_and_back(real, {.where = {.value = mark_a}}, 5, true);
    CHECK(stops.size() == 5);
    for (const Stop& stop : stops) CHECK(stop.kind == StopKind::breakpoint);
    there_and_back(real, {.where = {.space = Address::Space::physical, .value = mark_c}}, 3, true);
    // A range, the inner part of which is reached by steps of the guest
    const auto range = there_and_back(real, {.where = {.value = mark_a}, .length = 8}, 4, true);
    CHECK(range[1].moment.instructions < range[0].moment.instructions + 20);
    // At a repeated instruction: once
    const auto repeated = there_and_back(real, {.where = {.value = mark_b}}, 2, true);
    CHECK(repeated[1].moment.instructions > repeated[0].moment.instructions + 5);
}

TEST_CASE("control: conditions, ignore counts, temporary ones, commands and processors") {
    Bench b(real, 2);
    StopPoint point{.where = {.value = mark_a}, .ignore = 1, .condition = "word [7CA0h] >= 2"};
    point.commands = {"registers"};
    const unsigned number = b.add(point);
    b.go_on();
    CHECK(b.stop().number == number);
    CHECK(b.stop().commands == std::vector<std::string>{"registers"});
    u64 value = 0;
    std::array<u8, 2> bytes{};
    b.machine->board().memory.read_block(PhysAddress{counter}, bytes);
    value = bytes[0];
    CHECK(value == 3);
    CHECK(b.debugger.find(number)->hits == 2);
    b.debugger.find(number)->enabled = false;
    b.debugger.stop_points_changed();
    const unsigned once = b.add({.where = {.value = mark_h}, .temporary = true});
    b.go_on();
    CHECK(b.stop().number == once);
    CHECK(b.debugger.find(once) == nullptr);
    b.add({.where = {.value = 0x9000}, .processor = 0});
    const unsigned other = b.add({.where = {.value = 0x9004}, .processor = 1});
    b.go_on();
    CHECK(b.stop().number == other);
    CHECK(b.debugger.processor() == 1);
    CHECK_FALSE(b.debugger.add({.processor = 2}).has_value());
    CHECK_FALSE(b.debugger.add({.length = 0}).has_value());
    CHECK_FALSE(b.debugger.add({.condition = "1 +"}).has_value());
    CHECK_FALSE(b.debugger.add({.kind = StopPointKind::port, .first = 2, .last = 1}).has_value());
    CHECK_FALSE(b.debugger.remove(77));
}

TEST_CASE("control: a condition is parsed once, and again when it is another") {
    // mov cx, 1000 / again: inc word [9100h] / dec cx / jnz again / hlt
    constexpr std::array<u8, 11> code = {0xB9, 0xE8, 0x03, 0xFF, 0x06, 0x00, 0x91, 0x49, 0x75, 0xF9, 0xF4};
    Bench b(code);
    const unsigned first = b.add({.where = {.value = 0x7C07}, .condition = "cx == 500"});
    const unsigned other = b.add({.where = {.value = 0x7C07}, .condition = "word [9100h] == 600 && cx != 500"});
    b.go_on();
    CHECK(b.stop().number == first);
    CHECK((b.debugger.cpu().gpr[RCX] & 0xFFFF) == 500);
    b.debugger.remove(first); // the others keep their own
    b.go_on();
    CHECK(b.stop().number == other);
    CHECK((b.debugger.cpu().gpr[RCX] & 0xFFFF) == 401);
    b.debugger.find(other)->condition = "cx == 100";
    b.debugger.stop_points_changed();
    b.go_on();
    CHECK((b.debugger.cpu().gpr[RCX] & 0xFFFF) == 100);
    CHECK(contains(b.command("condition 2 not_there == 1"), ""));
    b.go_on(); // what cannot be evaluated stops
    CHECK((b.debugger.cpu().gpr[RCX] & 0xFFFF) == 99);
    CHECK(contains(b.stop().text, "its condition fails"));
    b.debugger.find(other)->condition = "1 +"; // whoever sets it without asking
    b.debugger.stop_points_changed();
    b.go_on();
    CHECK(contains(b.stop().text, "its condition fails"));
    b.debugger.find(other)->condition = "";
    b.debugger.stop_points_changed();
    b.go_on();
    CHECK((b.debugger.cpu().gpr[RCX] & 0xFFFF) == 97);
}

TEST_CASE("control: watchpoints tell who wrote what") {
    const auto writes =
        there_and_back(real, {.kind = StopPointKind::write, .where = {.value = counter}, .length = 2}, 4, false);
    CHECK(writes[1].before == 0);
    CHECK(writes[1].after == 1);
    CHECK(writes[1].write);
    CHECK(contains(writes[1].text, "watchpoint 1: 2 bytes at 7CA0h were 0000, are 0001, written by 0000:7C4F"));
    // The first one writes zero over zero
    const auto changes =
        there_and_back(real, {.kind = StopPointKind::change, .where = {.value = counter}, .length = 2}, 3, false);
    CHECK(changes[0].moment == writes[1].moment);
    const auto reads = there_and_back(real, {.kind = StopPointKind::read, .where = {.value = counter + 1}}, 4, false);
    CHECK_FALSE(reads[0].write);
    const auto physical = there_and_back(
        real,
        {.kind = StopPointKind::write, .where = {.space = Address::Space::physical, .value = counter}, .length = 2}, 3,
        false);
    CHECK(physical[2].moment == writes[2].moment);
    // Several pages, all of which REP MOVSB comes to: one of its repetitions at a time
    const auto pages =
        there_and_back(real, {.kind = StopPointKind::write, .where = {.value = 0x5000}, .length = 0x1FF0}, 8, false);
    CHECK(pages[0].address == 0x6000);
    CHECK(pages[1].moment.instructions == pages[0].moment.instructions + 1);
}

TEST_CASE("control: a physical watchpoint sees through every address that leads there") {
    const auto stops = there_and_back(
        prot,
        {.kind = StopPointKind::write, .where = {.space = Address::Space::physical, .value = 0x3000}, .length = 4}, 9,
        false);
    REQUIRE(stops.size() == 2);
    CHECK(stops[0].after == 1);
    CHECK(stops[1].before == 1);
    CHECK(stops[1].after == 2);
}

TEST_CASE("control: events of the processor") {
    const auto stop_texts = [](std::span<const u8> code, StopPoint point, unsigned most, bool before) {
        std::vector<std::string> texts;
        for (const Stop& stop : there_and_back(code, std::move(point), most, before)) texts.push_back(stop.text);
        return texts;
    };
    auto texts = stop_texts(real, {.kind = StopPointKind::interrupt, .first = 0x20, .last = 0x20}, 3, false);
    CHECK(contains(texts[0], "interrupt 20h"));
    texts = stop_texts(real, {.kind = StopPointKind::interrupt, .first = 0x21, .last = 0x21}, 3, false);
    CHECK(contains(texts[0], "software interrupt 21h"));
    texts = stop_texts(real, {.kind = StopPointKind::exception, .first = 0, .last = 31}, 3, true);
    CHECK(contains(texts[0], "#UD"));
    texts = stop_texts(prot, {.kind = StopPointKind::exception, .first = 14, .last = 14}, 2, true);
    CHECK(contains(texts[0], "#PF(4h) at A00000h"));
    texts = stop_texts(prot, {.kind = StopPointKind::mode}, 3, false);
    REQUIRE(texts.size() == 2);
    CHECK(contains(texts[1], "from protected 16-bit to protected 32-bit"));
    texts = stop_texts(prot, {.kind = StopPointKind::cpl, .first = 3, .last = 3}, 2, false);
    CHECK(contains(texts[0], "CPL was 0, is 3"));
    texts = stop_texts(prot, {.kind = StopPointKind::control, .first = 0, .last = 0, .name = "cr"}, 4, false);
    REQUIRE(texts.size() >= 3); // PE, PG, and TS by each task switch
    CHECK(contains(texts[1], "CR0 was"));
    texts = stop_texts(prot, {.kind = StopPointKind::msr, .first = 0x174, .last = 0x176}, 2, false);
    CHECK(contains(texts[0], "MSR 174h was 0h, is 8h"));
    texts = stop_texts(prot, {.kind = StopPointKind::task}, 2, false);
    REQUIRE(texts.size() == 2);
    CHECK(contains(texts[0], "from TSS 0028h to 0030h"));
}

TEST_CASE("control: events of the buses") {
    auto stops =
        there_and_back(real, {.kind = StopPointKind::port, .first = 0x43, .last = 0x43, .on_read = false}, 1, false);
    CHECK(contains(stops[0].text, "OUT of 34h to port 43h"));
    stops = there_and_back(real, {.kind = StopPointKind::device, .name = "pic"}, 4, false);
    CHECK(stops[0].write);
    Bench b(real);
    b.add({.kind = StopPointKind::irq, .first = 0, .last = 0});
    b.go_on();
    CHECK(contains(b.stop().text, "IRQ 0 was raised"));
    const Moment first = b.stop().moment;
    b.go_on();
    CHECK(b.stop().number == 1);
    b.back();
    CHECK(b.stop().moment == first);
}

TEST_CASE("control: instructions by name, code that is new, magic breaks and shutdown") {
    auto stops = there_and_back(real, {.kind = StopPointKind::mnemonic, .name = "hlt"}, 3, true);
    stops = there_and_back(real, {.kind = StopPointKind::mnemonic, .name = "movs"}, 3, true);
    stops = there_and_back(real, {.kind = StopPointKind::new_code, .where = {.value = mark_a}, .length = 16}, 20, true);
    CHECK(stops.size() == 6);
    {
        Bench b(real);
        b.debugger.set_magic_break(true);
        b.go_on();
        CHECK(b.stop().kind == StopKind::magic);
        CHECK(b.ip() == mark_i);
        const u64 count = b.count();
        b.go_on();
        CHECK(b.ip() == mark_i);
        b.back();
        CHECK(b.count() == count);
    }
    Bench b(prot);
    const unsigned number = b.add({.kind = StopPointKind::shutdown});
    b.go_on();
    CHECK(b.stop().number == number);
    b.go_on();
    CHECK(b.stop().kind == StopKind::triple_fault);
    b.back();
    CHECK(b.stop().number == number);
    CHECK(b.ip() == 0x7CED);
}

TEST_CASE("control: commands as they are typed") {
    Bench b(real);
    CHECK(contains(b.command("break 0:7c4f if word [7CA0h] == 2"), "breakpoint 1: 7C4Fh, if"));
    b.command("continue");
    CHECK(b.ip() == mark_a);
    CHECK(contains(b.command("watch word 7CA0h"), "watchpoint 2: 7CA0h, 2 bytes"));
    CHECK(contains(b.command("watch phys(0x7CA6) 2 ignore 1"), "watchpoint 3: physical 7CA6h, 2 bytes"));
    CHECK(contains(b.command("stops"), "if word [7CA0h] == 2"));
    b.command("c");
    CHECK(contains(b.stop().text, "watchpoint 2: 2 bytes at 7CA0h were 0002, are 0003"));
    b.command("rc");
    CHECK(b.ip() == mark_a);
    b.command("delete");
    CHECK(contains(b.command("stops"), "There are no stop points."));
    b.command("catch port 20h write");
    b.command("catch exception #UD");
    b.command("catch instruction hlt");
    CHECK(contains(b.command("catch device zz"), "no device's name begins with 'zz'"));
    CHECK(contains(b.command("catch nothing"), "cannot be caught"));
    CHECK(contains(b.command("catch mode 17"), "the modes are"));
    CHECK(contains(b.command("break nowhere_at_all"), "error"));
    CHECK(contains(b.command("ignore 99 1"), "there is no stop point 99"));
    CHECK(contains(b.command("commands 4 registers; continue"), ""));
    CHECK(b.debugger.find(4)->commands.size() == 2);
    b.command("d");
    b.command("tbreak 7c61h");
    b.command("c");
    CHECK(b.ip() == mark_c);
    b.command("n");
    CHECK(b.ip() == mark_d);
    b.command("rn");
    CHECK(b.ip() == mark_c);
    b.command("s");
    b.command("fin");
    CHECK(b.ip() == mark_d);
    b.command("rf");
    const u64 count = b.count();
    b.command("goto +100");
    CHECK(b.count() == count + 100);
    b.command("goto -100");
    CHECK(b.count() == count);
    b.command("run-to-time +1ms");
    b.command("goto end");
    b.command("run-instructions 50");
    CHECK(contains(b.command("history"), "The history reaches from instruction 0"));
    b.command("history 1");
    CHECK(b.count() == 0);
    CHECK(contains(describe_stop(b.debugger), "0000:7C00"));
}
