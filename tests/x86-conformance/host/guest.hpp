// The same cases on GlassBox: a bare processor in user mode with the memory, the LDT and the interrupt gates that a
// Linux process sees; every exception ends in a handler of level 0 that halts. In protected mode under PAE paging, as
// 16-bit and 32-bit programs knew it, or in long mode, where those run in compatibility mode.
#pragma once

#include "tests/x86-conformance/bare_machine.hpp"
#include "tests/x86-conformance/host/case.hpp"

#include <memory>

namespace glassbox::conformance::host {

class Guest {
  public:
    enum class Mode : u8 { legacy, long_mode };
    explicit Guest(const EngineOptions* engine = nullptr, Mode mode = Mode::legacy);
    ~Guest();
    Cpu& cpu() { return machine_->cpu; }
    void run(const Input& in, Output& out);
    static constexpr int did_not_end = -4; ///< a vector

  private:
    // guest_memory.cpp: what lies in memory
    void map_page(u64 linear, u32 phys, u64 rights);
    void map_window(const Window& window);
    void map_memory();
    void write_tables();
    void write_idt();

    void enter_mode();
    void load(const Input& in);
    void load_segment(unsigned name, u16 selector);
    void load_units(const Image& image);
    void store_units(Image& image, bool wide);
    void store(const Input& in, Output& out);
    void store_frame(Output& out);

    bool long_mode_;
    u64 system_; ///< where the guest's tables are
    u32 free_table_ = 0;
    std::unique_ptr<Machine> machine_;
    std::array<u8, data_size> pattern_;
};

} // namespace glassbox::conformance::host
