// The same cases on GlassBox: a bare processor in user mode under PAE paging, with the memory, the LDT and the
// interrupt gates that a Linux process sees; every exception ends in a handler of level 0 that halts.
#pragma once

#include "tests/x86-conformance/bare_machine.hpp"
#include "tests/x86-conformance/host/case.hpp"

#include <memory>

namespace glassbox::conformance::host {

class Guest {
  public:
    explicit Guest(const EngineOptions* engine = nullptr);
    ~Guest();
    Cpu& cpu() { return machine_->cpu; }
    void run(const Input& in, Output& out);
    static constexpr int did_not_end = -4; ///< a vector

  private:
    void map_page(u32 linear, u32 phys, u64 rights);
    void map_memory();
    void write_tables();
    void load(const Input& in);
    void store(const Input& in, Output& out);

    std::unique_ptr<Machine> machine_;
    std::array<u8, data_size> pattern_;
};

} // namespace glassbox::conformance::host
