// ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST, INC, DEC, NEG, NOT (SDM 2).
#include "cpu/ops/alu.hpp"
#include "cpu/operands.hpp"
#include "cpu/ops/families.hpp"

namespace glassbox {

namespace {

using namespace eflags;
using enum Arg;
using attr::lockable;

struct Neg {
    static constexpr OpInfo info{"neg", OSZAPC};
    template <Word T> static T apply(Flags& f, T a) {
        const T r = static_cast<T>(0 - a);
        f.sub<T>(T{0}, a, r);
        return r;
    }
};
struct Not {
    static constexpr OpInfo info{"not"};
    template <Word T> static T apply(Flags&, T a) { return static_cast<T>(~a); }
};

/// The nine encodings that the eight classic operations share: n*8 to n*8+5 and groups 80-83 /n.
template <class S, u32 n> consteval std::array<Row, 10> classic(u32 lock) {
    return {binary<S>(at(n * 8 + 0), Eb, Gb, lock),
            binary<S>(at(n * 8 + 1), Ev, Gv, lock),
            binary<S>(at(n * 8 + 2), Gb, Eb),
            binary<S>(at(n * 8 + 3), Gv, Ev),
            binary<S>(at(n * 8 + 4), AL, Ib),
            binary<S>(at(n * 8 + 5), eAX, Iz),
            binary<S>(at(0x80).digit(n), Eb, Ib, lock),
            binary<S>(at(0x81).digit(n), Ev, Iz, lock),
            binary<S>(at(0x82).digit(n), Eb, Ib, lock | attr::undocumented | attr::not_in_64),
            binary<S>(at(0x83).digit(n), Ev, Ibs, lock)};
}

constexpr auto classics = [] {
    std::array<std::array<Row, 10>, 8> groups = {
        classic<Add, 0>(lockable), classic<Or, 1>(lockable),  classic<Adc, 2>(lockable), classic<Sbb, 3>(lockable),
        classic<And, 4>(lockable), classic<Sub, 5>(lockable), classic<Xor, 6>(lockable), classic<Cmp, 7>(0)};
    std::array<Row, 80> all{};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = groups[i / 10][i % 10];
    return all;
}();

constexpr Row others[] = {
    binary<Test>(at(0x84), Eb, Gb),
    binary<Test>(at(0x85), Ev, Gv),
    binary<Test>(at(0xA8), AL, Ib),
    binary<Test>(at(0xA9), eAX, Iz),
    binary<Test>(at(0xF6).digit(0), Eb, Ib),
    binary<Test>(at(0xF6).digit(1), Eb, Ib, attr::undocumented),
    binary<Test>(at(0xF7).digit(0), Ev, Iz),
    binary<Test>(at(0xF7).digit(1), Ev, Iz, attr::undocumented),
    unary<Not>(at(0xF6).digit(2), Eb, lockable),
    unary<Not>(at(0xF7).digit(2), Ev, lockable),
    unary<Neg>(at(0xF6).digit(3), Eb, lockable),
    unary<Neg>(at(0xF7).digit(3), Ev, lockable),
    unary<Inc>(at(0xFE).digit(0), Eb, lockable),
    unary<Dec>(at(0xFE).digit(1), Eb, lockable),
    unary<Inc>(at(0xFF).digit(0), Ev, lockable),
    unary<Dec>(at(0xFF).digit(1), Ev, lockable),
    unary<Inc>(at(0x40), Zv, attr::not_in_64),
    unary<Inc>(at(0x41), Zv, attr::not_in_64),
    unary<Inc>(at(0x42), Zv, attr::not_in_64),
    unary<Inc>(at(0x43), Zv, attr::not_in_64),
    unary<Inc>(at(0x44), Zv, attr::not_in_64),
    unary<Inc>(at(0x45), Zv, attr::not_in_64),
    unary<Inc>(at(0x46), Zv, attr::not_in_64),
    unary<Inc>(at(0x47), Zv, attr::not_in_64),
    unary<Dec>(at(0x48), Zv, attr::not_in_64),
    unary<Dec>(at(0x49), Zv, attr::not_in_64),
    unary<Dec>(at(0x4A), Zv, attr::not_in_64),
    unary<Dec>(at(0x4B), Zv, attr::not_in_64),
    unary<Dec>(at(0x4C), Zv, attr::not_in_64),
    unary<Dec>(at(0x4D), Zv, attr::not_in_64),
    unary<Dec>(at(0x4E), Zv, attr::not_in_64),
    unary<Dec>(at(0x4F), Zv, attr::not_in_64),
};

} // namespace

std::span<const Row> families::alu() {
    static constexpr auto rows = [] {
        std::array<Row, classics.size() + std::size(others)> all{};
        for (std::size_t i = 0; i < classics.size(); ++i) all[i] = classics[i];
        for (std::size_t i = 0; i < std::size(others); ++i) all[classics.size() + i] = others[i];
        return all;
    }();
    return rows;
}

} // namespace glassbox
