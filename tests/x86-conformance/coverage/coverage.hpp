// Which rows of the opcode table and which of their handler variants the cases of a run have executed (--coverage).
#pragma once

#include "bus/types.hpp"

#include <memory>
#include <mutex>
#include <string>

namespace glassbox {
struct Cpu;
}

namespace glassbox::conformance {

/// One for all jobs of a run; `watch` and the processors that it watches may be on any thread.
class Coverage {
  public:
    Coverage();
    ~Coverage();
    /// From now on what `cpu` executes is recorded. The processor may die before the coverage does.
    void watch(Cpu& cpu);
    /// The rows and handler variants that nothing executed, one a line with an example encoding, and a total.
    std::string report() const;
    struct Totals {
        std::size_t rows = 0, executed_rows = 0, variants = 0, executed_variants = 0;
    };
    Totals totals() const;

  private:
    struct Record;
    Record& record() const;

    mutable std::once_flag made_;
    mutable std::unique_ptr<Record> record_;
};

} // namespace glassbox::conformance
