// The lines that the kernel of guests/system prints on port E9h, as they come (guests/system/report.cpp has the list).
#pragma once

#include "bus/byte_sink.hpp"
#include "bus/types.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox::conformance {

/// One comparison that failed; the numbers are hexadecimal text.
struct Mismatch {
    std::string what, expected, got;
};

/// What one start of the kernel has said so far.
struct KernelLog {
    struct Case {
        u64 index = 0;
        std::string text;
        std::vector<Mismatch> mismatches; ///< empty: only announced, because it must end in a shutdown
    };
    struct FormLine {
        std::string name, section;
        u64 cases = 0;
        bool complete = false;
    };
    std::vector<FormLine> forms;
    std::vector<Case> cases; ///< of the last form
    std::vector<std::pair<u64, std::string>> skipped;
    bool awaiting_shutdown = false; ///< the last line said that the last case shuts down
    bool ended = false;
    std::string nonsense; ///< the first line that means nothing
};

/// Splits the bytes of a console into lines and fills a log. A line is at most 4 KiB; longer ones are cut.
class KernelLines final : public ByteSink {
  public:
    void put(u8 byte) override;
    const KernelLog& log() const { return log_; }

  private:
    void take(std::string_view line);

    static constexpr std::size_t longest = 4096, most_cases = 10'000;
    std::string line_;
    KernelLog log_;
};

} // namespace glassbox::conformance
