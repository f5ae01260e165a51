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

/// What a profile of a Linux boot and its programs showed most of, in 32-bit code and in 64-bit code.
using Bodies32 =
    std::tuple<MovRegMem<u32, EaBase<u32>>, MovRegMem<u32, EaFull<u32>>, MovMem<u32, EaBase<u32>, false>,
               MovRegReg<u32>, MovRegImm<u32>, LeaBase<u32>, Lea<u32>, PushReg<u32, FlatStack>, PopReg<u32, FlatStack>,
               BinaryRegReg<Add, u32>, BinaryRegReg<FlagsDead<Add>, u32>, BinaryRegImm<Add, u32>,
               BinaryRegImm<FlagsDead<Add>, u32>, BinaryRegReg<Xor, u32>, BinaryRegReg<FlagsDead<Xor>, u32>,
               BinaryRegReg<Sub, u32>, BinaryRegImm<FlagsDead<And>, u32>>;
using Bodies64 =
    std::tuple<MovRegMem<u64, EaBase<u64>>, MovRegMem<u64, EaFull<u64>>, MovMem<u64, EaBase<u64>, false>,
               MovRegReg<u64>, MovRegMem<u32, EaBase<u64>>, MovRegMem<u32, EaFull<u64>>,
               MovMem<u32, EaBase<u64>, false>, MovRegReg<u32>, MovRegImm<u32>, LeaBase<u64>, Lea64<u64>,
               PushReg<u64, Stack64>, PopReg<u64, Stack64>, BinaryRegReg<FlagsDead<Add>, u64>,
               BinaryRegImm<FlagsDead<Add>, u64>, BinaryRegImm<FlagsDead<Add>, u32>, BinaryRegReg<FlagsDead<Xor>, u32>,
               BinaryRegReg<FlagsDead<Add>, u32>, BinaryRegImm<FlagsDead<And>, u32>>;

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

template <class Bodies> struct PairTable {
    static constexpr std::size_t count = std::tuple_size_v<Bodies>;
    using Row = std::array<Handler, count>;

    static Handler find(Handler first, Handler next) {
        static constexpr auto table = all(std::make_index_sequence<count>{});
        const std::size_t a = index_of(first);
        if (a == count) return nullptr;
        const std::size_t b = index_of(next);
        return b == count ? nullptr : table[a][b];
    }

  private:
    template <std::size_t... i> static constexpr Row singles(std::index_sequence<i...>) {
        return {&handler<std::tuple_element_t<i, Bodies>>...};
    }
    template <class A, std::size_t... i> static constexpr Row with(std::index_sequence<i...>) {
        return {&pair<A, std::tuple_element_t<i, Bodies>>...};
    }
    template <std::size_t... i> static constexpr auto all(std::index_sequence<i...> every) {
        return std::array<Row, count>{with<std::tuple_element_t<i, Bodies>>(every)...};
    }
    static std::size_t index_of(Handler h) {
        static constexpr auto table = singles(std::make_index_sequence<count>{});
        return static_cast<std::size_t>(std::find(table.begin(), table.end(), h) - table.begin());
    }
};

} // namespace

Handler pair_of(Handler first, Handler next) {
    if (const Handler both = PairTable<Bodies32>::find(first, next)) return both;
    return PairTable<Bodies64>::find(first, next);
}

} // namespace glassbox
