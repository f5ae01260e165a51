#include "cpu/ops/pairs.hpp"

#include "cpu/ops/alu.hpp"
#include "cpu/ops/move.hpp"
#include "cpu/stack.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

namespace glassbox {

namespace {

/// What a profile of a Linux boot and its programs showed most of.
using Bodies = std::tuple<MovRegMem<u32, EaBase<u32>>, MovRegMem<u32, EaFull<u32>>, MovMem<u32, EaBase<u32>, false>,
                          MovRegReg<u32>, MovRegImm<u32>, LeaBase<u32>, Lea<u32>, PushReg<u32, FlatStack>,
                          PopReg<u32, FlatStack>, BinaryRegReg<Add, u32>, BinaryRegReg<FlagsDead<Add>, u32>,
                          BinaryRegImm<Add, u32>, BinaryRegImm<FlagsDead<Add>, u32>, BinaryRegReg<Xor, u32>,
                          BinaryRegReg<FlagsDead<Xor>, u32>, BinaryRegReg<Sub, u32>, BinaryRegImm<FlagsDead<And>, u32>>;
constexpr std::size_t body_count = std::tuple_size_v<Bodies>;

template <class A, class B> GLASSBOX_HANDLER void pair(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    Flags f{result, carries};
    if constexpr (TwoSpeed<A>) {
        if (!A::run(cpu, fast(op), f)) [[unlikely]] {
            f = {result, carries};
            GLASSBOX_LEAVE(slow_handler<A>, cpu, op, f);
        }
    } else {
        A::run(cpu, *op, f);
    }
    const Op* second = op + 1;
    if constexpr (TwoSpeed<B>) {
        const Flags before = f;
        if (!B::run(cpu, fast(second), f)) [[unlikely]] {
            f = before;
            GLASSBOX_LEAVE(slow_handler<B>, cpu, second, f);
        }
    } else {
        B::run(cpu, *second, f);
    }
    GLASSBOX_GO(cpu, op + 2, f);
}

template <std::size_t... i> constexpr std::array<Handler, body_count> singles(std::index_sequence<i...>) {
    return {&handler<std::tuple_element_t<i, Bodies>>...};
}
template <class A, std::size_t... i> constexpr std::array<Handler, body_count> pairs_with(std::index_sequence<i...>) {
    return {&pair<A, std::tuple_element_t<i, Bodies>>...};
}
template <std::size_t... i> constexpr auto all_pairs(std::index_sequence<i...> all) {
    return std::array<std::array<Handler, body_count>, body_count>{pairs_with<std::tuple_element_t<i, Bodies>>(all)...};
}

constexpr auto every = std::make_index_sequence<body_count>{};

std::size_t index_of(Handler h) {
    static constexpr auto table = singles(every);
    return static_cast<std::size_t>(std::find(table.begin(), table.end(), h) - table.begin());
}

} // namespace

Handler pair_of(Handler first, Handler next) {
    static constexpr auto table = all_pairs(every);
    const std::size_t a = index_of(first);
    if (a == body_count) return nullptr;
    const std::size_t b = index_of(next);
    return b == body_count ? nullptr : table[a][b];
}

} // namespace glassbox
