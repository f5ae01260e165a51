// One function for both ways: a component's `persist(Archive&)` names its fields once, and the archive saves, loads
// or hashes them. Little-endian, no padding, no pointers. A loader trusts nothing: the first violation is kept as
// the reason, everything after it reads as zero, and the owner of the archive refuses the snapshot.
#pragma once

#include "bus/error.hpp"
#include "bus/page_pool.hpp"
#include "bus/types.hpp"

#include <array>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace glassbox {

class Archive {
  public:
    enum class Way { save, load };

    /// An archive that collects bytes; take them with `bytes()`.
    static Archive saver() { return Archive(Way::save, {}); }
    /// An archive that reads `data`, which must outlive it.
    static Archive loader(std::span<const u8> data) { return Archive(Way::load, data); }

    /// The same, with large memories as references to pages, for a history that shares what has not changed: only for
    /// use within one program.
    static Archive saver(const PagePool& pool, std::vector<SharedPage>& pages) {
        Archive archive(Way::save, {});
        archive.pool_ = &pool, archive.pages_out_ = &pages;
        return archive;
    }
    static Archive loader(std::span<const u8> data, const std::vector<SharedPage>& pages) {
        Archive archive(Way::load, data);
        archive.pages_in_ = &pages;
        return archive;
    }
    /// Whether `page` is to be used where there are pages.
    bool by_reference() const { return pages_in_ != nullptr || pages_out_ != nullptr; }
    const PagePool& pool() const { return *pool_; } ///< saving by reference
    void page(SharedPage& page);

    bool loading() const { return way_ == Way::load; }
    bool ok() const { return reason_.empty(); }
    const std::string& reason() const { return reason_; }
    std::vector<u8>& bytes() { return out_; }
    bool at_end() const { return position_ == in_.size(); }

    /// Persists every argument in order.
    template <class... T> void operator()(T&... fields) { (field(fields), ...); }

    /// While loading: refuses the snapshot unless `holds`. Use it for every index, count or mode a loaded value is used
    /// as.
    void require(bool holds, std::string_view what) {
        if (loading() && !holds) refuse(what);
    }
    void refuse(std::string_view what);

    /// A named, versioned part. `body(version)` is called with the version found (loading) or `version` (saving);
    /// a name that differs, a newer version or a length that does not match is a refusal.
    template <class F> void chunk(std::string_view name, u32 version, F&& body) {
        const std::size_t mark = begin_chunk(name, version);
        body(version);
        end_chunk(name, mark);
    }

    /// Raw bytes of a fixed length.
    void raw(std::span<u8> data);
    /// A vector whose length is at most `limit`, a bound that protects the loader from absurd sizes.
    template <class T> void bounded(std::vector<T>& items, u64 limit) {
        u64 n = items.size();
        field(n);
        require(n <= limit, "a list is longer than the machine allows");
        require(n <= in_.size() - position_, "the data ends too early"); // an item takes a byte at least
        if (!ok()) return;
        if (loading()) items.assign(n, T{});
        if constexpr (std::is_same_v<T, u8>) {
            raw(items);
        } else {
            for (T& item : items) field(item);
        }
    }

  private:
    Archive(Way way, std::span<const u8> data) : way_(way), in_(data) {}

    std::size_t begin_chunk(std::string_view name, u32& version);
    void end_chunk(std::string_view name, std::size_t mark);

    template <class T> void field(T& value) {
        if constexpr (std::is_same_v<T, bool>) {
            u8 b = value;
            number(b);
            require(b <= 1, "a truth value is neither 0 nor 1");
            if (loading()) value = b == 1;
        } else if constexpr (std::is_enum_v<T>) {
            auto n = static_cast<std::underlying_type_t<T>>(value);
            number(n);
            if (loading()) value = static_cast<T>(n);
        } else if constexpr (std::is_integral_v<T> || std::is_same_v<T, u128>) {
            number(value);
        } else if constexpr (requires { value.persist(*this); }) {
            value.persist(*this);
        } else if constexpr (requires {
                                 value.value;
                                 value - value;
                             }) {
            field(value.value); // Strong<>
        } else {
            container(value);
        }
    }
    template <class T, std::size_t N> void container(std::array<T, N>& items) {
        if constexpr (std::is_same_v<T, u8>) {
            raw(items);
        } else {
            for (T& item : items) field(item);
        }
    }
    template <class T, std::size_t N> void container(T (&items)[N]) {
        for (T& item : items) field(item);
    }
    template <class T> void container(std::vector<T>& items) { bounded(items, default_limit); }
    template <class T> void container(std::deque<T>& items) {
        std::vector<T> list(items.begin(), items.end());
        bounded(list, default_limit);
        if (loading()) items.assign(list.begin(), list.end());
    }
    template <class T> void container(std::optional<T>& item) {
        bool present = item.has_value();
        field(present);
        if (loading()) item = present ? std::optional<T>(T{}) : std::nullopt;
        if (item) field(*item);
    }
    void container(std::string& text);

    template <class T> void number(T& value) {
        u8 data[sizeof(T)] = {};
        if (!loading()) {
            for (std::size_t i = 0; i < sizeof(T); ++i) data[i] = static_cast<u8>(value >> (8 * i));
        }
        raw(data);
        if (loading()) {
            T v{};
            for (std::size_t i = 0; i < sizeof(T); ++i)
                v = static_cast<T>(v | static_cast<T>(static_cast<T>(data[i]) << (8 * i)));
            value = v;
        }
    }

    static constexpr u64 default_limit = 1u << 24;

    Way way_;
    std::span<const u8> in_;
    std::size_t position_ = 0;
    std::vector<u8> out_;
    std::string reason_;
    const PagePool* pool_ = nullptr;
    std::vector<SharedPage>* pages_out_ = nullptr;
    const std::vector<SharedPage>* pages_in_ = nullptr;
    std::size_t next_page_ = 0;
};

} // namespace glassbox
