// Searching memory: page by page. Linear ranges follow the paging structures, so that a range of the whole address
// space costs no more than what is mapped in it.
#include "debugger/look/memory_text.hpp"
#include "debugger/look/paging_text.hpp"
#include "debugger/view.hpp"

#include <algorithm>
#include <array>

namespace glassbox::look {

namespace {

/// Looks for the pattern in pieces of memory that follow each other, across their borders too.
class Finder {
  public:
    Finder(const SearchRequest& request, SearchResult& result) : request_(request), result_(result) {}
    /// False: enough has been found.
    bool feed(u64 address, std::span<const u8> bytes) {
        if (address != expected_) window_.clear();
        const u64 start = address - window_.size();
        window_.insert(window_.end(), bytes.begin(), bytes.end());
        expected_ = address + bytes.size();
        const std::size_t length = request_.pattern.size();
        std::size_t i = 0;
        for (; i + length <= window_.size(); ++i) {
            if (!matches(i)) continue;
            if (result_.hits.size() == request_.most) {
                result_.more = true;
                return false;
            }
            result_.hits.push_back(start + i);
        }
        window_.erase(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(i));
        return true;
    }

  private:
    bool matches(std::size_t at) const {
        for (std::size_t i = 0; i < request_.pattern.size(); ++i) {
            if (((window_[at + i] ^ request_.pattern[i]) & request_.mask[i]) != 0) return false;
        }
        return true;
    }
    const SearchRequest& request_;
    SearchResult& result_;
    std::vector<u8> window_;
    u64 expected_ = ~u64{0};
};

class Search {
  public:
    Search(const Cpu& cpu, const SearchRequest& request, const std::function<bool(double)>& progress)
        : cpu_(cpu), request_(request), progress_(progress), finder_(request, result_) {}

    SearchResult run() {
        if (request_.pattern.empty() || request_.length == 0) return result_;
        const u64 first = request_.from.address;
        const u64 last = first + std::min(request_.length - 1, ~u64{0} - first);
        if (request_.from.physical || !cpu_.paging())
            physical(first, last);
        else
            for_each_page(cpu_, first, last, [&](const MappedPage& page) {
                const u64 end = page.linear + ((u64{1} << page.shift) - 1);
                return pieces(std::max(first, page.linear), std::min(last, end), page.phys - page.linear);
            });
        return result_;
    }

  private:
    /// Regions in ascending order: whole address spaces are no more than what is in them.
    void physical(u64 first, u64 last) {
        std::vector<std::pair<u64, u64>> spans;
        for (const MemoryMap::Region& r : cpu_.memory.regions()) {
            if (r.size == 0 || r.start > last || r.start + (r.size - 1) < first) continue;
            spans.emplace_back(std::max(first, r.start), std::min(last, r.start + (r.size - 1)));
        }
        std::sort(spans.begin(), spans.end());
        u64 from = first;
        for (const auto& [start, end] : spans) {
            if (end < from) continue;
            if (!pieces(std::max(from, start), end, 0)) return;
            if (end == last) return;
            from = end + 1;
        }
    }
    bool pieces(u64 first, u64 last, u64 to_phys) {
        for (u64 at = first;;) {
            const u64 in_page = page_size - (at & page_mask);
            const auto count = static_cast<std::size_t>(std::min<u64>(in_page, last - at + 1));
            std::array<u8, page_size> bytes;
            const u64 phys = (at + to_phys) & (request_.from.physical ? ~u64{0} : bus_mask());
            const std::size_t got = read_physical_quietly(cpu_, phys, std::span(bytes).first(count));
            if (!finder_.feed(at, std::span<const u8>(bytes).first(got)) || !go_on(at)) return false;
            if (count > last - at) return true;
            at += count;
        }
    }
    u64 bus_mask() const { return cpu_.memory.a20_mask() & ((u64{1} << cpu_.model->physical_bits) - 1); }
    bool go_on(u64 at) {
        constexpr unsigned pages_between = 4096;
        if (!progress_ || ++pages_ % pages_between != 0) return true;
        const double part = static_cast<double>(at - request_.from.address) / static_cast<double>(request_.length);
        result_.stopped = !progress_(part);
        return !result_.stopped;
    }

    const Cpu& cpu_;
    const SearchRequest& request_;
    const std::function<bool(double)>& progress_;
    SearchResult result_;
    Finder finder_;
    unsigned pages_ = 0;
};

} // namespace

SearchResult search_memory(const Cpu& cpu, const SearchRequest& request, const std::function<bool(double)>& progress) {
    return Search(cpu, request, progress).run();
}

} // namespace glassbox::look
