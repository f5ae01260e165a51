#include "debugger/look/paging_text.hpp"

#include "debugger/look/text.hpp"
#include "debugger/view.hpp"
#include "mmu/page_walk.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace glassbox::look {

namespace {

constexpr unsigned most_tables = 60'000;

u64 sign_extended(const PagingShape& shape, u64 linear) {
    if (shape.levels < 4) return linear;
    const unsigned unused = 64 - (shape.levels == 5 ? 57 : 48);
    return static_cast<u64>(static_cast<i64>(linear << unused) >> unused);
}

/// The address without its sign extension: tables are indexed by it.
u64 plain(const PagingShape& shape, u64 linear) {
    if (shape.levels < 4) return linear & 0xFFFF'FFFF;
    return linear & ((u64{1} << (shape.levels == 5 ? 57 : 48)) - 1);
}

/// A table's entries at once; nothing where it lies in a device.
class Entries {
  public:
    Entries(const Cpu& cpu, const PagingShape& shape, unsigned level, u64 table) {
        for (unsigned i = 0; i < shape.table_entries(level); ++i) {
            const auto value = read_paging_entry(cpu, shape, level, table, i);
            if (!value) return;
            values_[i] = *value;
        }
        readable_ = true;
    }
    bool readable() const { return readable_; }
    u64 operator[](unsigned i) const { return values_[i]; }

  private:
    std::array<u64, 1024> values_{};
    bool readable_ = false;
};

struct Rights {
    bool writable = true, user = true, executable = true;
};

Rights below(const Cpu& cpu, const PagingShape& shape, unsigned level, u64 entry, Rights r) {
    if (shape.mode == PagingMode::pae && level == 3) return r; // a register, without rights
    r.writable = r.writable && (entry & pte::write) != 0;
    r.user = r.user && (entry & pte::user) != 0;
    if (shape.entry_bytes == 8 && (entry & pte::no_execute) != 0 && execute_disable_enabled(cpu)) r.executable = false;
    return r;
}

/// An entry that leads somewhere.
bool usable(const Cpu& cpu, const PagingShape& shape, unsigned level, u64 entry) {
    if ((entry & pte::present) == 0) return false;
    return (shape.mode == PagingMode::pae && level == 3) || reserved_in_entry(cpu, level, entry) == 0;
}

class PageVisitor {
  public:
    PageVisitor(const Cpu& cpu, u64 first, u64 last, const std::function<bool(const MappedPage&)>& visit)
        : cpu_(cpu), shape_(paging_shape(cpu)), first_(plain(shape_, first)), last_(plain(shape_, last)),
          visit_(visit) {}
    Visit run() { return descend(shape_.levels, shape_.root, 0, {}); }

  private:
    Visit descend(unsigned level, u64 table, u64 linear, Rights rights) {
        if (++tables_ > most_tables) return Visit::too_many;
        const Entries entries(cpu_, shape_, level, table);
        if (!entries.readable()) return Visit::complete;
        const u64 span = u64{1} << shape_.shift(level);
        for (unsigned i = 0; i < shape_.table_entries(level); ++i) {
            const u64 at = linear + i * span;
            if (at > last_ || at + (span - 1) < first_ || !usable(cpu_, shape_, level, entries[i])) continue;
            const Rights r = below(cpu_, shape_, level, entries[i], rights);
            const u64 target = entry_target(cpu_, level, entries[i]);
            const bool leaf = !(shape_.mode == PagingMode::pae && level == 3) && maps_page(cpu_, level, entries[i]);
            const Visit result = leaf ? tell(level, at, target, entries[i], r) : descend(level - 1, target, at, r);
            if (result != Visit::complete) return result;
        }
        return Visit::complete;
    }
    Visit tell(unsigned level, u64 linear, u64 target, u64 entry, Rights r) {
        const bool global = (entry & pte::global) != 0 && (cpu_.cr4 & cr4::PGE) != 0;
        const MappedPage page{sign_extended(shape_, linear),
                              target,
                              shape_.shift(level),
                              r.writable,
                              r.user,
                              r.executable,
                              global,
                              entry};
        return visit_(page) ? Visit::complete : Visit::stopped;
    }

    const Cpu& cpu_;
    PagingShape shape_;
    u64 first_, last_;
    const std::function<bool(const MappedPage&)>& visit_;
    unsigned tables_ = 0;
};

bool same_kind(const PageRange& range, const MappedPage& page) {
    return range.shift == page.shift && range.writable == page.writable && range.user == page.user &&
           range.executable == page.executable && range.global == page.global;
}

std::string end_words(Visit end) {
    if (end == Visit::stopped) return "  … there is more: give a range of addresses\n";
    if (end == Visit::too_many) return "  … the tables lead to more tables than are shown: give a range of addresses\n";
    return {};
}

} // namespace

Visit for_each_page(const Cpu& cpu, u64 first, u64 last, const std::function<bool(const MappedPage&)>& visit) {
    if (!cpu.paging()) return Visit::complete;
    return PageVisitor(cpu, first, last, visit).run();
}

PageRanges merged_ranges(const Cpu& cpu, u64 first, u64 last, std::size_t most, bool physical) {
    PageRanges result;
    result.end = for_each_page(cpu, first, last, [&](const MappedPage& page) {
        const u64 size = u64{1} << page.shift;
        if (!result.ranges.empty()) {
            PageRange& range = result.ranges.back();
            const bool in_piece = range.one_block && range.phys + (page.linear - range.first) == page.phys;
            if (range.last + 1 == page.linear && same_kind(range, page) && (in_piece || !physical)) {
                range.last = page.linear + (size - 1);
                range.one_block = in_piece;
                return true;
            }
        }
        if (result.ranges.size() == most) return false;
        result.ranges.push_back({page.linear, page.linear + (size - 1), page.phys, true, page.shift, page.writable,
                                 page.user, page.executable, page.global});
        return true;
    });
    return result;
}

std::string rights_words(const PageRange& r) {
    return std::string("r") + (r.writable ? "w" : "-") + (r.executable ? "x" : "-") +
           (r.user ? " user" : " supervisor") + (r.global ? " global" : "");
}

std::string entry_words(const Cpu& cpu, unsigned level, u64 entry, unsigned bytes) {
    if ((entry & pte::present) == 0) return "not present";
    const bool leaf = maps_page(cpu, level, entry);
    std::string text = "P";
    const auto add = [&](bool set, std::string_view name) {
        if (set) text += " " + std::string(name);
    };
    add(entry & pte::write, "R/W");
    add(entry & pte::user, "U/S");
    add(entry & 8, "PWT");
    add(entry & 16, "PCD");
    add(entry & pte::accessed, "A");
    add(leaf && (entry & pte::dirty), "D");
    if (level > 1) add(entry & pte::large, "PS");
    add(leaf && (level == 1 ? entry & 0x80 : entry & 0x1000), "PAT");
    add(leaf && (entry & pte::global), "G");
    add(bytes == 8 && (entry & pte::no_execute), "XD");
    const u64 key = entry >> pte::key_shift & 15;
    if (leaf && bytes == 8 && cpu.long_mode() && (cpu.cr4 & cr4::PKE) && key != 0)
        text += " key " + std::to_string(key);
    return text;
}

void write_page_ranges(const Cpu& cpu, u64 first, u64 last, std::size_t most, bool physical, std::string& out) {
    out += std::string(paging_mode_name(paging_mode(cpu)));
    if (!cpu.paging()) {
        out += ": linear addresses are physical addresses\n";
        return;
    }
    out += ", CR3 " + digits(cpu.cr3, 8) + "\n";
    const PageRanges found = merged_ranges(cpu, first, last, most, physical);
    if (found.ranges.empty()) out += "  no page is mapped\n";
    Table table({"first", "last", "length", "pages", "rights", "physical"}, {2});
    const unsigned width = linear_digits(cpu);
    for (const PageRange& r : found.ranges) {
        table.add({digits(r.first, width), digits(r.last, width), size_text(r.last - r.first + 1),
                   size_text(u64{1} << r.shift), rights_words(r), r.one_block ? digits(r.phys, 8) : "scattered"});
    }
    if (!table.empty()) table.write(out);
    out += end_words(found.end);
}

namespace {

/// The tree, where neighbouring leaves with the same bits and consecutive frames are one row.
class TreeWriter {
  public:
    TreeWriter(const Cpu& cpu, u64 first, u64 last, std::size_t most, std::string& out)
        : cpu_(cpu), shape_(paging_shape(cpu)), first_(plain(shape_, first)), last_(plain(shape_, last)), most_(most),
          out_(out) {}
    Visit run() { return descend(shape_.levels, shape_.root, 0); }

  private:
    struct Leaves {
        unsigned level = 1, first = 0, last = 0;
        u64 linear = 0, entry = 0, target = 0;
    };

    void row(unsigned level, const std::string& text) {
        out_ += std::string(2 * (shape_.levels - level + 1), ' ') + text + "\n";
        ++rows_;
    }
    std::string head(unsigned level, unsigned first, unsigned last, u64 linear) const {
        std::string index = digits(first, 3) + (last == first ? "" : "-" + digits(last, 3));
        return left(std::string(paging_entry_name(level)) + " " + index, 13) + " " +
               digits(sign_extended(shape_, linear), linear_digits(cpu_));
    }
    void flush() {
        if (!leaves_) return;
        const Leaves& l = *leaves_;
        const u64 size = u64{1} << shape_.shift(l.level);
        const unsigned count = l.last - l.first + 1;
        row(l.level, head(l.level, l.first, l.last, l.linear) + " -> " + digits(l.target, 8) + "  " +
                         (count > 1 ? std::to_string(count) + " x " : std::string()) + size_text(size) + "  " +
                         entry_words(cpu_, l.level, l.entry, shape_.entry_bytes));
        leaves_.reset();
    }
    u64 bits_of(unsigned level, u64 entry) const {
        const u64 frame = shape_.entry_bytes == 4 ? 0xFFFF'F000 : pte::frame;
        // A PSE-36 entry has address bits that look like others.
        return entry & ~(frame & (level == 1 ? ~u64{0} : ~u64{0x1000}));
    }
    void leaf(unsigned level, unsigned index, u64 linear, u64 entry) {
        const u64 target = entry_target(cpu_, level, entry), size = u64{1} << shape_.shift(level);
        if (leaves_ && leaves_->level == level && leaves_->last + 1 == index &&
            bits_of(level, leaves_->entry) == bits_of(level, entry) &&
            leaves_->target + (index - leaves_->first) * size == target) {
            leaves_->last = index;
            return;
        }
        flush();
        leaves_ = Leaves{level, index, index, linear, entry, target};
    }
    Visit descend(unsigned level, u64 table, u64 linear) {
        if (++tables_ > most_tables) return Visit::too_many;
        const Entries entries(cpu_, shape_, level, table);
        if (!entries.readable()) {
            flush();
            row(level, "the table at " + digits(table, 8) + " lies in a device");
            return Visit::complete;
        }
        const u64 span = u64{1} << shape_.shift(level);
        for (unsigned i = 0; i < shape_.table_entries(level); ++i) {
            const u64 at = linear + i * span, entry = entries[i];
            if (at > last_ || at + (span - 1) < first_ || (entry & pte::present) == 0) continue;
            if (rows_ >= most_) return Visit::stopped;
            const Visit result = show(level, i, at, entry);
            if (result != Visit::complete) return result;
        }
        flush();
        return Visit::complete;
    }
    Visit show(unsigned level, unsigned index, u64 at, u64 entry) {
        const bool pointer = shape_.mode == PagingMode::pae && level == 3;
        const u64 reserved = pointer ? 0 : reserved_in_entry(cpu_, level, entry);
        if (reserved != 0) {
            flush();
            row(level, head(level, index, index, at) + " = " + digits(entry, shape_.entry_bytes * 2) +
                           "  reserved bits set: " + prose(reserved));
            return Visit::complete;
        }
        if (!pointer && maps_page(cpu_, level, entry)) {
            leaf(level, index, at, entry);
            return Visit::complete;
        }
        flush();
        const u64 target = entry_target(cpu_, level, entry);
        row(level, head(level, index, index, at) + " -> table " + digits(target, 8) + "  " +
                       (pointer ? "P" : entry_words(cpu_, level, entry, shape_.entry_bytes)));
        return descend(level - 1, target, at);
    }

    const Cpu& cpu_;
    PagingShape shape_;
    u64 first_, last_;
    std::size_t most_, rows_ = 0;
    std::string& out_;
    unsigned tables_ = 0;
    std::optional<Leaves> leaves_;
};

} // namespace

void write_page_tree(const Cpu& cpu, u64 first, u64 last, std::size_t most, std::string& out) {
    out += std::string(paging_mode_name(paging_mode(cpu)));
    if (!cpu.paging()) {
        out += ": linear addresses are physical addresses\n";
        return;
    }
    out += ", CR3 " + digits(cpu.cr3, 8) + "\n";
    const std::size_t before = out.size();
    const Visit end = TreeWriter(cpu, first, last, most, out).run();
    if (out.size() == before) out += "  no entry is present\n";
    out += end_words(end);
}

} // namespace glassbox::look
