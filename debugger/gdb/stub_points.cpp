// Breakpoints, watchpoints, and the conditions that gdb gives them as bytecode.
#include "debugger/gdb/agent.hpp"
#include "debugger/gdb/stub.hpp"

#include <algorithm>

namespace glassbox {

using gdb::Scanner;

bool GdbStub::point(Scanner& s, StopPoint& point, std::string& key) {
    const char type = s.peek();
    if (type < '0' || type > '4' || !s.take(type) || !s.take(',')) return false;
    const auto address = s.number();
    if (!address || !s.take(',')) return false;
    const auto length = s.number();
    if (!length) return false;
    constexpr StopPointKind kinds[] = {StopPointKind::execute, StopPointKind::execute, StopPointKind::change,
                                       StopPointKind::read, StopPointKind::access};
    point.kind = kinds[type - '0'];
    point.where.value = *address;
    // The length of a breakpoint is that of an instruction that gdb would put there.
    point.length = point.kind == StopPointKind::execute ? 1 : *length;
    point.hidden = true;
    key = std::string(1, type) + ',' + gdb::to_hex(*address) + ',' + gdb::to_hex(point.length);
    return true;
}

/// ;XLENGTH,BYTES once for each breakpoint of gdb's at the place: it stops if one of them holds.
Expected<std::vector<gdb::AgentExpression>> GdbStub::conditions(Scanner& s) {
    std::vector<gdb::AgentExpression> list;
    while (!s.empty()) {
        if (!s.take(";X")) {
            if (!s.take(';') || !s.empty()) return fail("only conditions are possible here");
            break;
        }
        const auto length = s.number();
        if (!length || *length > gdb::packet_size || !s.take(',')) return fail("the condition has no length");
        const std::string_view digits = s.rest().substr(0, 2 * *length);
        const auto bytes = gdb::from_hex(digits);
        if (!bytes || bytes->size() != *length) return fail("the condition has another length");
        s.skip(digits.size());
        auto expression = gdb::AgentExpression::parse(*bytes);
        if (!expression) return tl::unexpected(expression.error());
        list.push_back(*std::move(expression));
    }
    return list;
}

/// One that goes wrong stops: gdb evaluates it again, and says why.
Expected<bool> GdbStub::holds(const std::vector<gdb::AgentExpression>& list, const Cpu& cpu) const {
    for (const gdb::AgentExpression& expression : list) {
        const auto value = expression.evaluate(cpu, registers_);
        if (!value) return tl::unexpected(value.error());
        if (*value != 0) return true;
    }
    return false;
}

void GdbStub::insert(Scanner& s) {
    StopPoint wanted;
    std::string key;
    if (!s.empty() && (s.peek() < '0' || s.peek() > '4')) return unsupported();
    if (!point(s, wanted, key)) return malformed();
    auto list = conditions(s);
    if (!list) return error(list.error().message);
    auto found = points_.find(key);
    if (found == points_.end()) {
        const Point made{0, key[0], wanted.where.value};
        const auto number = debugger_.add(std::move(wanted));
        if (!number) return error(number.error().message);
        found = points_.emplace(key, made).first;
        found->second.number = *number;
    }
    std::function<Expected<bool>(const Cpu&)> test;
    if (!list->empty()) test = [this, all = *std::move(list)](const Cpu& cpu) { return holds(all, cpu); };
    debugger_.set_test(found->second.number, std::move(test));
    ok();
}

void GdbStub::remove(Scanner& s) {
    StopPoint wanted;
    std::string key;
    if (!s.empty() && (s.peek() < '0' || s.peek() > '4')) return unsupported();
    if (!point(s, wanted, key) || !s.empty()) return malformed();
    if (const auto found = points_.find(key); found != points_.end()) {
        debugger_.remove(found->second.number);
        points_.erase(found);
    }
    ok();
}

void GdbStub::remove_points() {
    for (const auto& [key, point] : points_) debugger_.remove(point.number);
    points_.clear();
}

} // namespace glassbox
