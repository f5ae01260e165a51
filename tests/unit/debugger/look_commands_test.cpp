// The commands on a whole machine: looking changes nothing that the guest could see, whatever its registers are;
// changing does what it says.
#include "debugger/command.hpp"
#include "debugger/debugger.hpp"
#include "debugger/view.hpp"
#include "machine/history/timeline.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>

using namespace glassbox;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

struct Bench {
    std::unique_ptr<Machine> machine;
    std::unique_ptr<Timeline> timeline;
    std::unique_ptr<Debugger> debugger;

    explicit Bench(u64 instructions) {
        MachineConfig config;
        config.memory_bytes = 4 << 20;
        config.demo = true;
        auto made = Machine::create(config, {});
        REQUIRE(made);
        machine = std::move(*made);
        timeline = std::make_unique<Timeline>(*machine);
        timeline->begin({});
        debugger = std::make_unique<Debugger>(*machine, *timeline);
        debugger->attach_stopped(StopKind::start);
        Plan plan;
        plan.kind = Plan::Kind::instructions;
        plan.count = instructions;
        REQUIRE(debugger->resume(plan));
        debugger->run_to_stop();
    }
    std::string run(std::string_view line) {
        std::string out;
        CommandContext context{*debugger, out};
        const auto done = execute_command(context, line);
        return done ? out : out + "error: " + done.error().message;
    }
};

/// Every command of the folder that looks, in forms that reach all of it.
constexpr const char* looks[] = {"registers",
                                 "registers all",
                                 "registers changed",
                                 "r eax cs.base zf",
                                 "r segment",
                                 "flags",
                                 "fpu",
                                 "sse",
                                 "sse xmm1 as f32",
                                 "sse ymm as f64",
                                 "sse mm2 as i16",
                                 "msr",
                                 "msr efer",
                                 "disassemble",
                                 "u cs:ip 30",
                                 "u 0 20 as 16",
                                 "u 0 20 as 32",
                                 "u 0 20 as 64",
                                 "u phys(7c00h) /5",
                                 "stack",
                                 "stack 100",
                                 "backtrace",
                                 "bt 5",
                                 "last 5",
                                 "last 5 branches",
                                 "x/8xb 0",
                                 "x/4gx ss:esp",
                                 "x/s phys(0f0000h)",
                                 "x/5i cs:ip",
                                 "x/4a 0",
                                 "x/4f 0",
                                 "dump 0",
                                 "dump 0fee00000h 64",
                                 "dump phys(0a0000h) 64",
                                 "dump 0 64 word",
                                 "table",
                                 "table bda 400h",
                                 "table mbr 7c00h",
                                 "table gdt 0 4",
                                 "table idt 0 4",
                                 "table pte 0 4",
                                 "table pde 0 4",
                                 "table bpb 7c00h",
                                 "table e820 0",
                                 "table rsdp 0",
                                 "table acpi 0",
                                 "table mp 0",
                                 "table linux 0",
                                 "table multiboot 0",
                                 "table \"a:byte b:qword\" 0 3",
                                 "search string \"no such text\" in 0 100000h",
                                 "search bytes 55 AA in phys(0) 100000h",
                                 "search dword 12345678h in 0 0ffffffffh",
                                 "memory-map",
                                 "gdt",
                                 "gdt 1",
                                 "ldt",
                                 "idt",
                                 "idt 8 2",
                                 "ivt",
                                 "tss",
                                 "descriptor 8",
                                 "descriptor 0fffch",
                                 "page-tables",
                                 "pt 0 0ffffffh",
                                 "pages",
                                 "pages physical",
                                 "walk 7c00h",
                                 "walk cs:ip",
                                 "tlb",
                                 "cpu",
                                 "cpu 0",
                                 "cpuid",
                                 "cpuid 1",
                                 "cpuid 7 0"};

void look_at_everything(Bench& bench) {
    for (const char* line : looks) {
        CAPTURE(line);
        const u64 before = bench.machine->state_hash();
        const std::string out = bench.run(line);
        CHECK(bench.machine->state_hash() == before);
        CHECK(out.size() < 300'000);
        CHECK_FALSE(out.empty());
        for (std::size_t at = 0; at < out.size();) {
            const std::size_t end = std::min(out.find('\n', at), out.size());
            const auto bytes = out.substr(at, end - at);
            CHECK_MESSAGE(std::count_if(bytes.begin(), bytes.end(), [](char c) { return (c & 0xC0) != 0x80; }) <= 160,
                          bytes);
            at = end + 1;
        }
    }
}

} // namespace

TEST_CASE("no command that looks changes the state; real, protected and absurd registers") {
    Bench bench(400'000);
    look_at_everything(bench);
    Cpu& cpu = bench.machine->cpu();
    // What no guest would do; addresses of devices whose registers change by being read.
    for (const u64 address : {u64{0xFEE0'0000}, u64{0xA'0000}, ~u64{0}}) {
        cpu.gdtr = {address, 0xFFFF};
        cpu.idtr = {address, 0xFFFF};
        cpu.ldtr.base = cpu.tr.base = address;
        cpu.ldtr.limit = cpu.tr.limit = 0xFFFF'FFFF;
        cpu.gpr[RSP] = cpu.gpr[RBP] = address;
        cpu.ip = address & 0xFFFF'FFFF;
        cpu.cr3 = address & 0xFFFF'FFFF'F000;
        cpu.cr0 |= cr0::PE | cr0::PG;
        for (const u64 cr4_bits : {u64{0}, cr4::PAE, cr4::PAE | cr4::PSE}) {
            cpu.cr4 = cr4_bits;
            cpu.pdpte = {address | 1, 1, ~u64{0}, address | 1};
            for (const u64 efer_bits : {u64{0}, efer::LME | efer::LMA}) {
                if (efer_bits && !cr4_bits) continue;
                cpu.msrs.efer = efer_bits;
                cpu.update_mode();
                const u64 before = bench.machine->state_hash();
                for (const char* line : looks) {
                    if (std::string_view(line).starts_with("last")) continue; // goes back and is what it was
                    CAPTURE(line);
                    CHECK(bench.run(line).size() < 300'000);
                }
                CHECK(bench.machine->state_hash() == before);
            }
        }
    }
}

TEST_CASE("what is changed by hand can be looked at") {
    Bench bench(100'000);
    CHECK(contains(bench.run("set eax 12345678h"), "EAX = 12345678"));
    CHECK(contains(bench.run("r eax"), "(was "));
    CHECK(contains(bench.run("set ebx=7"), "EBX = 00000007"));
    CHECK(contains(bench.run("set dword 20000h 1 2 3"), "00000001 00000002  00000003"));
    CHECK(contains(bench.run("dump 20000h 12 dword"), "00000001 00000002  00000003"));
    CHECK(contains(bench.run("set word phys(20000h) = 0beefh"), "BEEF"));
    CHECK(contains(bench.run("set byte 20000h -1"), "FF"));
    CHECK(contains(bench.run("set byte 20000h 256"), "error: 100h does not fit 1 byte"));
    CHECK(contains(bench.run("set string 20000h \"hello there\""), "hello there"));
    CHECK(contains(bench.run("search string \"hello there\" in 0 100000h"), "1 place"));
    CHECK(contains(bench.run("fill 21000h 8 0abcdh word"), "8 bytes filled"));
    CHECK(contains(bench.run("x/4xh 21000h"), "ABCD ABCD ABCD ABCD"));
    CHECK(contains(bench.run("fill 21000h 7 0abcdh word"), "error: "));
    CHECK(contains(bench.run("copy 20000h 22000h 11"), "11 bytes copied"));
    CHECK(contains(bench.run("x/s 22000h"), "\"hello there"));
    CHECK(contains(bench.run("set byte phys(80000000h) 1"), "has no memory"));
    CHECK(contains(bench.run("set byte phys(0ffff0000h) 1"), "is ROM"));
    CHECK(contains(bench.run("set xmm0 as f32 1.5 -2"), "[0] 1.5"));
    CHECK(contains(bench.run("set xmm0 as f64 1 2 3"), "error: the register has no more than 2 such elements"));
    CHECK(contains(bench.run("set msr lstar 1234h"), "IA32_LSTAR = 0000000000001234"));
    CHECK(contains(bench.run("set nothing 5"), "error: "));
    CHECK(contains(bench.run("set cr8 99"), "error: CR8 has four bits"));
    CHECK(contains(bench.run("in 64h"), "port 64h = "));
    CHECK(contains(bench.run("out 80h 55h"), "55 written to port 80h"));
    CHECK(contains(bench.run("out 80h 555h"), "error: "));
    CHECK(contains(bench.run("in 10000h"), "error: ports go up to FFFFh"));
}

TEST_CASE("a file goes into memory and memory into a file") {
    Bench bench(10'000);
    const auto folder = std::filesystem::temp_directory_path() / "glassbox_look_test";
    std::filesystem::create_directories(folder);
    const std::string in = folder / "in.bin", out = folder / "out.bin";
    std::ofstream(in, std::ios::binary) << "0123456789";
    CHECK(contains(bench.run("load " + in + " 30000h"), "10 bytes loaded"));
    CHECK(contains(bench.run("load " + in + " 30100h 4 3"), "3 bytes loaded"));
    CHECK(contains(bench.run("x/s 30100h"), "\"456\""));
    CHECK(contains(bench.run("save " + out + " 30002h 5"), "5 bytes saved"));
    std::ifstream saved(out, std::ios::binary);
    std::string text;
    saved >> text;
    CHECK(text == "23456");
    CHECK(contains(bench.run("load " + in + " 30000h 11"), "error: "));
    CHECK(contains(bench.run("load /nonexistent/file 30000h"), "error: cannot open"));
    CHECK(contains(bench.run("load " + in + " phys(0ffff0000h)"), "is ROM"));
    CHECK(contains(bench.run("save " + out + " phys(80000000h) 5"), "cannot be read"));
    std::filesystem::remove_all(folder);
}

TEST_CASE("the last instructions are those that were executed, and the machine is where it was") {
    Bench bench(50'000);
    const u64 before = bench.machine->state_hash();
    const std::string ip = bench.run("u cs:ip 1");
    const std::string out = bench.run("last 20");
    CHECK(std::count(out.begin(), out.end(), '\n') >= 20);
    CHECK(contains(out, " times)")); // REP MOVSB of the firmware: each repetition counts
    CHECK_FALSE(contains(out, "       50000 "));
    CHECK(bench.machine->state_hash() == before);
    CHECK(bench.run("u cs:ip 1") == ip);
    CHECK(contains(bench.run("last 3 branches"), "  to "));
}

TEST_CASE("errors say what was expected") {
    Bench bench(1000);
    CHECK(contains(bench.run("dump"), "error: the address is missing"));
    CHECK(contains(bench.run("u 0 10 as 12"), "error: code is decoded as 16, 32 or 64 bits"));
    CHECK(contains(bench.run("r nosuch"), "error: there is no register or group 'nosuch'"));
    CHECK(contains(bench.run("cpu 9"), "error: there is no processor 9"));
    CHECK(contains(bench.run("table nosuch 0"), "is no kind of table"));
    CHECK(contains(bench.run("search"), "error: search needs what to look for"));
    CHECK(contains(bench.run("search bytes ??"), "error: ?? alone"));
    CHECK(contains(bench.run("msr 12345h"), "error: this processor has no MSR"));
    CHECK(contains(bench.run("walk phys(0)"), "error: paging translates linear addresses"));
    CHECK(contains(bench.run("flags now"), "error: nothing is expected"));
    CHECK(contains(bench.run("x/8q 0"), "is no format"));
}
