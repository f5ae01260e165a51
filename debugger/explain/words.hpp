// The text of an explanation: sentences in a chain of reasons, each with the section of the manual that it rests on, at
// most 100 columns wide. "SDM" is Intel's Software Developer's Manual, "APM" AMD's Programmer's Manual; the sections
// are those that the rest of this program names.
#pragma once

#include "bus/types.hpp"
#include "cpu/fault.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace glassbox::explain {

/// "7C00h", with at least so many digits.
std::string h(u64 value, unsigned digits = 1);
/// "0008:00101234": hexadecimal, without the letter that says so.
std::string far_words(u64 selector, u64 offset, unsigned digits);
/// "#PF" and "page fault"; for vectors that are no exceptions "interrupt 80h".
std::string vector_name(unsigned vector);
std::string_view vector_title(unsigned vector);
bool is_exception(unsigned vector);
/// "a" or "an" in front of it.
std::string with_article(std::string_view words);
/// "1 byte", "4 bytes".
std::string counted(u64 count, std::string_view thing);

/// What the processor raises, as the explanation works it out. `why` is the engine's own word for it (Fault::why), so
/// that the two can be compared.
struct Denial {
    Exception vector{};
    bool has_error = false;
    u32 error = 0;
    u64 cr2 = 0;
    std::string why;
    std::string words; ///< "the write is not allowed"

    bool agrees(const Fault& fault) const;
};
/// Nothing: it is allowed.
using Verdict = std::optional<Denial>;

Denial deny(Exception vector, std::string why, std::string words);
Denial deny(Exception vector, u32 error, std::string why, std::string words);

/// "#PF, error code 0003h".
std::string fault_words(const Fault& fault, bool with_error = true);

/// A place in memory that an explanation rests on: "page-table entry 6". Size 0: none.
struct Cited {
    std::string what;
    u64 phys = 0, size = 0;
};

class Story {
  public:
    /// What linear addresses are called; may be empty.
    using Names = std::function<std::string(u64 linear)>;
    Story() = default;
    explicit Story(Names names) : names_(std::move(names)) {}

    /// A sentence without its full stop; a colon at its end stays there. `section`: "3A 4.6.1", of the SDM.
    void say(std::string_view text, std::string_view section = {});
    /// The end of a chain: "→ so the write is not allowed: #PF, error code 0003h."
    void conclude(const Denial& denial);
    void conclude(std::string_view text, std::string_view section = {});
    /// As it stands, indented.
    void line(std::string_view text);
    void gap();
    /// The sentences of another story, indented as this one is now.
    void append(const Story& other);
    /// Complete lines, as they are.
    void append_text(std::string_view lines) { text_ += lines; }

    /// False in real mode, where none are pushed (SDM 3A 6.13).
    bool error_codes = true;

    /// The memory that decides may be this: who wrote it, history can tell. Counts when a conclusion follows.
    void cite(std::string what, u64 phys, u64 size) { last_cited_ = {std::move(what), phys, size}; }
    const Cited& cited() const { return cited_; }
    /// What was said last before the conclusion: the bit that decided. Without section and full stop.
    const std::string& decisive() const { return decisive_; }
    const std::string& text() const { return text_; }
    bool empty() const { return text_.empty(); }
    const Names& names() const { return names_; }
    /// A story of its own for an attempt that may be thrown away.
    Story fresh() const {
        Story other(names_);
        other.error_codes = error_codes;
        other.margin_ = margin_ + 2 * depth_;
        return other;
    }
    /// " <schedule+1Ch>", or nothing.
    std::string name(u64 linear) const;

    class Indented {
      public:
        explicit Indented(Story& story) : story_(story) { ++story_.depth_; }
        ~Indented() { --story_.depth_; }
        Indented(const Indented&) = delete;
        Indented& operator=(const Indented&) = delete;

      private:
        Story& story_;
    };

  private:
    void wrap(std::string_view first, std::string_view text);

    Names names_;
    std::string text_, last_said_, decisive_;
    Cited last_cited_, cited_;
    unsigned depth_ = 0;
    unsigned margin_ = 0; ///< columns by which the story that takes this one in will move it
};

} // namespace glassbox::explain
