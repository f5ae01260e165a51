// `catch`: stop points that are no addresses.
#include "debugger/control/commands.hpp"
#include "debugger/control/impl.hpp"
#include "debugger/debugger.hpp"
#include "debugger/symbols/expression.hpp"
#include "machine/board.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

namespace glassbox::control {

namespace {

std::string lower(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
}

void take_direction(Arguments& arguments, StopPoint& point) {
    if (arguments.take_if("read") || arguments.take_if("in")) point.on_write = false;
    if (arguments.take_if("write") || arguments.take_if("out")) point.on_read = false;
}

/// A range, or everything up to `most` when none is given.
Expected<> optional_range(CommandContext& context, Arguments& arguments, StopPoint& point, u64 most) {
    point.first = 0;
    point.last = std::max<u64>(most, 255); // "any" in lists
    if (arguments.empty() || is_option(arguments.peek()) || arguments.take_if("all") || arguments.take_if("any"))
        return {};
    const std::string text = arguments.take();
    if (const auto good = parse_range(context, text, point.first, point.last); !good) return good;
    if (point.last > most) return fail("the greatest number is " + std::to_string(most) + ": '" + text + "'");
    return {};
}

Expected<> port(CommandContext& context, Arguments& arguments, StopPoint& point) {
    if (arguments.empty()) return fail("which port? catch port 60h, catch port 1F0h-1F7h write");
    if (const auto good = parse_range(context, arguments.take(), point.first, point.last); !good) return good;
    if (point.last > 0xFFFF) return fail("the last port is FFFFh");
    take_direction(arguments, point);
    return {};
}

/// "0B8000h-0B8FFFh" and "base..end"; a difference of other things is an address.
bool is_range(std::string_view text) {
    if (text.find("..") != std::string_view::npos) return true;
    const std::size_t dash = text.find('-');
    const auto number = [](std::string_view word) {
        return !word.empty() && word.front() >= '0' && word.front() <= '9' &&
               std::ranges::all_of(word, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; });
    };
    return dash != std::string_view::npos && number(text.substr(0, dash)) && number(text.substr(dash + 1));
}

Expected<> mmio(CommandContext& context, Arguments& arguments, StopPoint& point) {
    if (arguments.empty()) return fail("which address? catch mmio 0FEE00000h 1000h");
    const std::string place = arguments.take();
    if (is_range(place)) {
        u64 last = 0;
        if (auto good = parse_range(context, place, point.where.value, last); !good) return good;
        point.length = last - point.where.value + 1;
    } else {
        const auto where = evaluate_address(context.debugger, place);
        if (!where) return tl::unexpected(where.error());
        point.where = *where;
    }
    point.where.space = Address::Space::physical;
    const std::string_view word = arguments.peek();
    if (!word.empty() && !is_option(word) && word != "read" && word != "write") {
        const auto length = evaluate(context.debugger, arguments.take());
        if (!length) return tl::unexpected(length.error());
        point.length = *length;
    }
    take_direction(arguments, point);
    return {};
}

Expected<> interrupt(CommandContext& context, Arguments& arguments, StopPoint& point) {
    return optional_range(context, arguments, point, 255);
}

Expected<> exception(CommandContext& context, Arguments& arguments, StopPoint& point) {
    constexpr std::array<std::string_view, 21> names = {"de", "db", "nmi", "bp", "of", "br", "ud",
                                                        "nm", "df", "cso", "ts", "np", "ss", "gp",
                                                        "pf", "-",  "mf",  "ac", "mc", "xm", "ve"};
    std::string name = lower(std::string(arguments.peek()));
    if (name.starts_with('#')) name.erase(0, 1);
    if (const auto at = std::ranges::find(names, name); at != names.end() && name != "-") {
        arguments.take();
        point.first = point.last = static_cast<u64>(at - names.begin());
        return {};
    }
    return optional_range(context, arguments, point, 31);
}

Expected<> irq(CommandContext& context, Arguments& arguments, StopPoint& point) {
    return optional_range(context, arguments, point, 15);
}
Expected<> nothing(CommandContext&, Arguments&, StopPoint&) { return {}; }
Expected<> cpl(CommandContext& context, Arguments& arguments, StopPoint& point) {
    return optional_range(context, arguments, point, 3);
}

Expected<> mode(CommandContext&, Arguments& arguments, StopPoint& point) {
    struct Name {
        std::string_view word, mode;
    };
    constexpr std::array<Name, 7> names = {{{"real", "real"},
                                            {"v86", "virtual-8086"},
                                            {"virtual-8086", "virtual-8086"},
                                            {"16", "protected 16-bit"},
                                            {"32", "protected 32-bit"},
                                            {"compatibility", "compatibility"},
                                            {"64", "64-bit"}}};
    if (arguments.empty() || is_option(arguments.peek()) || arguments.take_if("any")) return {};
    const std::string word = arguments.take();
    const auto at = std::ranges::find(names, word, &Name::word);
    if (at == names.end()) return fail("the modes are real, v86, 16, 32, compatibility and 64, not '" + word + "'");
    point.name = at->mode;
    return {};
}

Expected<> control_register(CommandContext& context, Arguments& arguments, StopPoint& point) {
    std::string text = lower(arguments.take());
    point.name = "cr";
    for (const std::string_view prefix : {"xcr", "cr", "dr"}) {
        if (!text.starts_with(prefix)) continue;
        point.name = prefix;
        text.erase(0, prefix.size());
        break;
    }
    if (text.empty()) return fail("which register? catch cr 3, catch cr dr7, catch cr xcr0");
    const auto number = evaluate(context.debugger, text);
    if (!number) return tl::unexpected(number.error());
    point.first = point.last = *number;
    if (*number > 15) return fail("there is no " + point.name + std::to_string(*number));
    return {};
}

Expected<> msr(CommandContext& context, Arguments& arguments, StopPoint& point) {
    point.first = 0;
    point.last = 0xFFFF'FFFF;
    if (arguments.empty() || is_option(arguments.peek()) || arguments.take_if("all")) return {};
    return parse_range(context, arguments.take(), point.first, point.last);
}

Expected<> device(CommandContext& context, Arguments& arguments, StopPoint& point) {
    point.name = arguments.take();
    Board& board = context.debugger.machine().board();
    std::set<std::string> names;
    for (const PortBus::Mapping& mapping : board.ports.mappings()) {
        if (mapping.live && !mapping.name.empty()) names.insert(mapping.name);
    }
    for (const MemoryMap::Region& region : board.memory.regions()) {
        if (region.device) names.insert(region.name);
    }
    const bool known = !point.name.empty() && std::ranges::any_of(names, [&](const std::string& name) {
        return name.starts_with(point.name);
    });
    if (!known) {
        std::string text = point.name.empty() ? "which device?" : "no device's name begins with '" + point.name + "':";
        for (const std::string& name : names) text += " " + name;
        return fail(text);
    }
    take_direction(arguments, point);
    return {};
}

Expected<> mnemonic(CommandContext&, Arguments& arguments, StopPoint& point) {
    point.name = lower(arguments.take());
    if (point.name.empty()) return fail("which instruction? catch instruction hlt");
    return {};
}

Expected<> new_code(CommandContext& context, Arguments& arguments, StopPoint& point) {
    point.length = 0; // everywhere
    if (arguments.empty() || is_option(arguments.peek())) return {};
    const auto where = evaluate_address(context.debugger, arguments.take());
    if (!where) return tl::unexpected(where.error());
    if (where->space == Address::Space::physical) return fail("a linear address is needed");
    point.where = *where;
    point.length = page_size;
    if (arguments.empty() || is_option(arguments.peek())) return {};
    const auto length = evaluate(context.debugger, arguments.take());
    if (!length) return tl::unexpected(length.error());
    if (*length == 0) return fail("a length of 0 bytes holds nothing");
    point.length = *length;
    return {};
}

struct Kind {
    std::string_view word;
    StopPointKind kind;
    Expected<> (*parse)(CommandContext&, Arguments&, StopPoint&);
};
constexpr std::array<Kind, 18> kinds = {{{"port", StopPointKind::port, port},
                                         {"mmio", StopPointKind::mmio, mmio},
                                         {"interrupt", StopPointKind::interrupt, interrupt},
                                         {"int", StopPointKind::interrupt, interrupt},
                                         {"exception", StopPointKind::exception, exception},
                                         {"irq", StopPointKind::irq, irq},
                                         {"task", StopPointKind::task, nothing},
                                         {"cpl", StopPointKind::cpl, cpl},
                                         {"mode", StopPointKind::mode, mode},
                                         {"cr", StopPointKind::control, control_register},
                                         {"control", StopPointKind::control, control_register},
                                         {"msr", StopPointKind::msr, msr},
                                         {"device", StopPointKind::device, device},
                                         {"instruction", StopPointKind::mnemonic, mnemonic},
                                         {"mnemonic", StopPointKind::mnemonic, mnemonic},
                                         {"new-code", StopPointKind::new_code, new_code},
                                         {"shutdown", StopPointKind::shutdown, nothing},
                                         {"triple-fault", StopPointKind::shutdown, nothing}}};

} // namespace

Expected<> add_catch(CommandContext& context, Arguments& arguments) {
    const std::string word = lower(arguments.take());
    const auto at = std::ranges::find(kinds, word, &Kind::word);
    if (at == kinds.end()) {
        return fail((word.empty() ? "what is to be caught?" : "'" + word + "' cannot be caught;") +
                    " port, mmio, device, interrupt, exception, irq, task, cpl, mode, cr, msr, instruction, new-code "
                    "or shutdown");
    }
    StopPoint point;
    point.kind = at->kind;
    if (const auto good = at->parse(context, arguments, point); !good) return good;
    if (const auto good = take_options(context, arguments, point); !good) return good;
    return add_point(context, std::move(point));
}

} // namespace glassbox::control
