// The processor as the instruction trace sees it.
#include "cpu/state.hpp"
#include "frontend/trace.hpp"
#include "machine/machine.hpp"
#include "mmu/access.hpp"

#include <algorithm>

namespace glassbox {

namespace {

class CpuTraceSource final : public TraceSource {
  public:
    explicit CpuTraceSource(Cpu& cpu) : cpu_(cpu) {}

    Place place() const override {
        Place p;
        p.instruction = cpu_.scheduler.instructions();
        p.cs = cpu_.seg[CS].selector;
        p.ip = cpu_.ip;
        p.linear = static_cast<u32>(cpu_.seg[CS].base + cpu_.ip);
        p.bits = cpu_.seg[CS].big() ? 32 : 16;
        p.user = cpu_.cpl == 3;
        return p;
    }
    std::size_t read_code(u64 linear, std::span<u8> bytes) const override {
        std::size_t done = 0;
        while (done < bytes.size()) {
            u64 phys = 0;
            const u64 at = static_cast<u32>(linear + done);
            if (!translate_quietly(cpu_, at, phys)) break;
            const u8* page = cpu_.memory.page_for_read(PhysAddress{phys});
            if (!page) break;
            const std::size_t n = std::min<std::size_t>(bytes.size() - done, page_size - (at & page_mask));
            std::copy_n(page + (phys & page_mask), n, bytes.begin() + static_cast<std::ptrdiff_t>(done));
            done += n;
        }
        return done;
    }
    void registers(std::vector<Register>& list) const override {
        static constexpr std::string_view names[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
        static constexpr std::string_view segments[] = {"es", "cs", "ss", "ds", "fs", "gs"};
        list.clear();
        for (unsigned i = 0; i < 8; ++i) list.push_back({names[i], static_cast<u32>(cpu_.gpr[i]), 8});
        list.push_back({"eflags", cpu_.full_eflags(), 8});
        for (unsigned i = 0; i < 6; ++i) list.push_back({segments[i], cpu_.seg[i].selector, 4});
        list.push_back({"cr0", cpu_.cr0, 8});
        list.push_back({"cr2", cpu_.cr2, 8});
        list.push_back({"cr3", cpu_.cr3, 8});
        list.push_back({"cr4", cpu_.cr4, 8});
    }

  private:
    Cpu& cpu_;
};

} // namespace

std::unique_ptr<TraceSource> make_trace_source(Machine& machine) { return std::make_unique<CpuTraceSource>(machine.cpu()); }

} // namespace glassbox
