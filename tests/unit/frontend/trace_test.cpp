// Trace lines from a processor made of two registers.
#include "frontend/trace.hpp"

#include "debugger/disassembly.hpp"

#include <cstdio>
#include <doctest/doctest.h>
#include <string>

using namespace glassbox;

namespace {

struct FakeSource final : TraceSource {
    Place here{.instruction = 0, .cs = 0xF000, .ip = 0xFFF0, .linear = 0xFFFF0, .bits = 16, .user = false};
    u64 eax = 0, ebx = 7;
    std::vector<u8> code{0xB8, 0x01, 0x00};

    Place place() const override { return here; }
    std::size_t read_code(u64, std::span<u8> bytes) const override {
        std::copy_n(code.begin(), std::min(code.size(), bytes.size()), bytes.begin());
        return code.size();
    }
    void registers(std::vector<Register>& out) const override { out = {{"eax", eax, 8}, {"ebx", ebx, 8}}; }
};

struct Trace {
    char* text = nullptr;
    std::size_t size = 0;
    std::FILE* file = open_memstream(&text, &size);
    ~Trace() {
        std::fclose(file);
        std::free(text);
    }
    std::string str() {
        std::fflush(file);
        return {text, size};
    }
};

} // namespace

TEST_CASE("a line is complete when the next instruction begins") {
    Trace trace;
    FakeSource source;
    Tracer tracer(trace.file, {});
    tracer.before_instruction(source);
    CHECK(trace.str().empty());
    source.eax = 1;
    source.here = {.instruction = 1, .cs = 0xF000, .ip = 0xFFF3, .linear = 0xFFFF3, .bits = 16, .user = false};
    source.code = {0xEB, 0xFE};
    tracer.before_instruction(source);
    const std::string line = trace.str();
    CHECK(line.starts_with("0 f000:fff0  b8 01 00 "));
    CHECK(line.find("mov ax, 0x01") != std::string::npos);
    CHECK(line.ends_with(" eax=00000001\n"));
    tracer.finish(nullptr);
    CHECK(trace.str().find("jmp 0xFFF3") != std::string::npos);
}

TEST_CASE("code that cannot be read or decoded") {
    CHECK(disassemble({}, 32, 0).text == "(not readable)");
    const std::vector<u8> bad{0x0F, 0xFF};
    CHECK(disassemble(std::span(bad).first(1), 32, 0).text == "(bad)");
    const std::vector<u8> wide{0xB8, 1, 2, 3, 4};
    CHECK(disassemble(wide, 32, 0).length == 5);
    CHECK(disassemble(wide, 16, 0).length == 3);
}

TEST_CASE("the filter chooses lines, and the count ends them") {
    Trace trace;
    FakeSource source;
    TraceFilter filter;
    filter.user = true;
    filter.count = 2;
    Tracer tracer(trace.file, filter);
    for (u64 i = 0; i < 10; ++i) {
        source.here.instruction = i;
        source.here.user = i % 2 == 1;
        tracer.before_instruction(source);
    }
    tracer.finish(&source);
    const std::string text = trace.str();
    CHECK(std::count(text.begin(), text.end(), '\n') == 2);
    CHECK(text.starts_with("1 "));
    CHECK(text.find("\n3 ") != std::string::npos);
}
