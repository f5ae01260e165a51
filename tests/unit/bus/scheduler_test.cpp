#include "bus/scheduler.hpp"

#include <doctest/doctest.h>

#include <memory>

using namespace glassbox;

TEST_CASE("scheduler: time is instructions plus what was skipped") {
    Scheduler s(1'000'000);
    CHECK(s.instruction_time() == microsecond);
    CHECK(s.now() == 0);
    s.set_instructions(1500);
    CHECK(s.now() == 1500 * microsecond);
    s.skip_to(second);
    CHECK(s.now() == second);
    CHECK(s.instructions() == 1500);
    s.skip_to(millisecond); // the past: nothing
    CHECK(s.now() == second);
    s.set_instructions(1501);
    CHECK(s.now() == second + microsecond);
    CHECK(Scheduler(0).instruction_time() == second);
    CHECK(Scheduler(~u64{0}).instruction_time() == 1);
}

TEST_CASE("scheduler: ticks and times are each other's inverse") {
    for (u64 hz : {u64{1}, u64{32768}, u64{1'193'182}, u64{3'579'545}, u64{100'000'000}}) {
        for (u64 n : {u64{0}, u64{1}, u64{2}, u64{999'999}, u64{10'000'000}}) {
            CHECK(ticks_in(time_of(n, hz), hz) == n);
            if (n) CHECK(ticks_in(time_of(n, hz) - 1, hz) == n - 1);
        }
    }
}

TEST_CASE("scheduler: events fire by time, then by the order of scheduling") {
    Scheduler s(1'000'000);
    std::string order;
    Scheduler::Event a(s, "a", [&] { order += 'a'; }), b(s, "b", [&] { order += 'b'; }),
        c(s, "c", [&] { order += 'c'; });
    CHECK(s.next_event() == never);
    CHECK(s.instructions_to_next_event() > u64{1} << 60);
    c.at(5 * microsecond);
    b.at(5 * microsecond);
    a.at(9 * microsecond);
    CHECK(s.next_event() == 5 * microsecond);
    CHECK(s.instructions_to_next_event() == 5);
    s.set_instructions(4);
    s.fire_due();
    CHECK(order.empty());
    CHECK(s.instructions_to_next_event() == 1);
    s.set_instructions(5);
    CHECK(s.instructions_to_next_event() == 0);
    s.fire_due();
    CHECK(order == "cb");
    CHECK(!b.pending());
    a.after(microsecond); // earlier
    CHECK(a.when() == 6 * microsecond);
    s.set_instructions(20);
    s.fire_due();
    CHECK(order == "cba");
    CHECK(s.next_event() == never);
}

TEST_CASE("scheduler: an event is due at the first instruction not before it") {
    Scheduler s(1'000'000);
    int fired = 0;
    Scheduler::Event e(s, "e", [&] { ++fired; });
    e.at(2 * microsecond + 1);
    CHECK(s.instructions_to_next_event() == 3);
    s.set_instructions(2);
    s.fire_due();
    CHECK(fired == 0);
    s.set_instructions(3);
    s.fire_due();
    CHECK(fired == 1);
}

TEST_CASE("scheduler: events move, are cancelled, and may schedule themselves and others") {
    Scheduler s(1'000'000);
    int ticks = 0, other = 0;
    Scheduler::Event second_event(s, "other", [&] { ++other; });
    Scheduler::Event periodic(s, "periodic", [&] {
        ++ticks;
        periodic.at(periodic.pending() ? never : s.now() + 10 * microsecond);
        if (ticks == 3) second_event.at(0); // the past: due at once
    });
    periodic.at(0);
    for (u64 n = 0; n <= 25; ++n) {
        s.set_instructions(n);
        s.fire_due();
    }
    CHECK(ticks == 3);
    CHECK(other == 1);
    periodic.cancel();
    CHECK(s.next_event() == never);
    s.set_instructions(1000);
    s.fire_due();
    CHECK(ticks == 3);
    second_event.at(2 * millisecond);
    second_event.at(3 * millisecond); // later: the queue's head moves back
    CHECK(s.next_event() == 3 * millisecond);
}

TEST_CASE("scheduler: a running processor hears of an earlier event only") {
    Scheduler s(1'000'000);
    int calls = 0;
    s.on_earlier = [&] { ++calls; };
    Scheduler::Event a(s, "a", [] {}), b(s, "b", [] {});
    a.at(100);
    CHECK(calls == 1);
    b.at(200);
    CHECK(calls == 1);
    b.at(50);
    CHECK(calls == 2);
    a.at(300);
    CHECK(calls == 2);
}

TEST_CASE("scheduler: a destroyed event never fires") {
    Scheduler s(1'000'000);
    auto a = std::make_unique<Scheduler::Event>(s, "a", [] { FAIL("fired"); });
    Scheduler::Event b(s, "b", [] {});
    a->at(10);
    b.at(20);
    CHECK(s.pending().size() == 2);
    CHECK(s.pending()[0]->name() == "a");
    a.reset();
    CHECK(s.next_event() == 20);
    s.set_instructions(1);
    s.fire_due();
    CHECK(s.pending().empty());
}

TEST_CASE("scheduler: a snapshot keeps times and order, and refuses another board's") {
    struct Board {
        Scheduler s{1'000'000};
        std::string order;
        Scheduler::Event a{s, "a", [this] { order += 'a'; }}, b{s, "b", [this] { order += 'b'; }};
    } one, two;
    one.s.set_instructions(3);
    one.s.skip_to(50 * microsecond);
    one.b.at(second);
    one.a.at(second);
    Archive out = Archive::saver();
    one.s.persist(out);
    Archive in = Archive::loader(out.bytes());
    two.s.persist(in);
    REQUIRE(in.ok());
    CHECK(two.s.now() == one.s.now());
    CHECK(two.s.next_event() == second);
    two.s.skip_to(second);
    two.s.fire_due();
    CHECK(two.order == "ba");
    Scheduler other;
    Scheduler::Event x(other, "a", [] {}), y(other, "c", [] {});
    Archive wrong = Archive::loader(out.bytes());
    other.persist(wrong);
    CHECK(wrong.reason().find("expected the event 'c'") != std::string::npos);
    Scheduler empty;
    Archive fewer = Archive::loader(out.bytes());
    empty.persist(fewer);
    CHECK(!fewer.ok());
}
