// A maze of small pieces of code in a few frames, reached through a window of pages: pieces jump from page to page, run
// on over page edges through an instruction that lies in two pages, map another frame under any page (their own too)
// and change the immediates of others. Beside it, a model that follows the pages and the bytes. Seeded by the case's
// number. What is changed is followed by INVLPG, which invalidates and serialises (SDM 3A 4.10.4.1, 8.3).
#include "guests/system/code.hpp"
#include "guests/system/paging.hpp"
#include "guests/system/random.hpp"

namespace modified {

namespace {

using paging::Format;
using paging::Space;
using paging::window;

constexpr u32 pages = 6, frames = 8, slots = 15, slot_size = 32, first_slot = 0x10, runs = 12;
// A frame: [0] three bytes of an immediate, JMP to the first slot; [10h] slots; [FFDh] ADD EBX, with the first byte of
// the immediate. A slot: [0] what it does, NOPs to 17; [17] DEC EDI; JNZ over INT 80h; [22] where it goes.
constexpr u32 action_size = 17, straddling = 0xFFD;

u32 slot_offset(u32 slot) { return first_slot + slot * slot_size; }

class Maze {
  public:
    Maze(Report& report, Space& space, u32 seed, bool user)
        : report_(report), space_(space), random_(seed), user_(user) {}

    void run_all() {
        for (auto& frame : adds_) {
            for (bool& adds : frame) adds = user_ || random_.one_in(2);
            frame[0] = true;
        }
        for (u32 f = 0; f < frames; ++f) build_frame(f);
        build_exit();
        for (u32 p = 0; p < pages; ++p) map(p, random_.below(frames));
        space_.map(window + pages * page, paging::frame(frames));
        paging::flush_all();
        for (u32 i = 0; i < runs; ++i) {
            follow_and_run();
            for (u32 n = random_.below(4); n > 0; --n) between_runs();
        }
    }

  private:
    u32 entry_address(u32 p) const {
        const u32 table = static_cast<u32>(space_.directory(window)) & ~0xFFFu;
        return table + p * (paging::is_pae(space_.format()) ? 8 : 4);
    }
    void map(u32 p, u32 frame) {
        space_.map(window + p * page, paging::frame(frame));
        frame_of_[p] = frame;
    }
    static u32 slot_address(u32 frame, u32 slot) { return paging::frame(frame) + slot_offset(slot); }
    u32 any_place() { return window + random_.below(pages) * page + slot_offset(random_.below(slots)); }

    void build_frame(u32 f) {
        Emitter(paging::frame(f)).bytes(random_.next(), random_.next(), random_.next(), 0xEB, first_slot - 5);
        for (u32 s = 0; s < slots; ++s) build_slot(f, s);
        const u32 end_of_slots = slot_address(f, slots);
        Emitter e(end_of_slots);
        e.jump(paging::frame(f) + straddling - 8).fill(paging::frame(f) + straddling - e.at());
        e.bytes(0x81, 0xC3, random_.next());
    }

    /// The page behind the window leads back into it.
    void build_exit() {
        Emitter(paging::frame(frames)).bytes(1, 2, 3, 0xEB, 0, 0xB9).word(window + first_slot).bytes(0xFF, 0xE1);
    }

    void build_slot(u32 f, u32 s) {
        Emitter e(slot_address(f, s));
        const u32 begin = e.at();
        if (adds_[f][s]) {
            e.bytes(0x81, 0xC3).word(random_.next());
        } else if (random_.one_in(2)) { // another frame under a page
            const u32 p = random_.below(pages);
            e.bytes(0xC7, 0x05).word(entry_address(p));
            e.word(paging::frame(random_.below(frames)) | static_cast<u32>(paging::open));
            e.bytes(0x0F, 0x01, 0x3D).word(window + p * page + random_.below(page));
        } else { // another immediate somewhere, through the frame's own address
            e.bytes(0xC7, 0x05).word(addition(random_.below(frames))).word(random_.next());
            e.bytes(0x0F, 0x01, 0x3D).word(window + pages * page);
        }
        e.fill(begin + action_size - e.at());
        e.bytes(0x4F, 0x75, 2).end();
        switch (random_.below(5)) {
        case 0: e.bytes(0xB9).word(any_place()).bytes(0xFF, 0xE1); break; // MOV ECX; JMP ECX
        case 1: e.bytes(0x68).word(any_place()).bytes(0xC3); break;       // PUSH; RET
        case 2: e.jump(slot_address(f, random_.below(slots))); break;     // within the page
        case 3: e.jump(slot_address(f, slots)); break;                    // to the edge and over it
        default: e.fill(begin + slot_size - e.at()); break;               // on into the next slot
        }
    }
    /// The immediate of a slot of the frame that adds.
    u32 addition(u32 f) {
        const u32 s = random_.below(slots);
        return slot_address(f, adds_[f][s] ? s : 0) + 2;
    }

    void between_runs() {
        const u32 p = random_.below(pages);
        switch (random_.below(3)) {
        case 0:
            map(p, random_.below(frames));
            invlpg(window + p * page);
            break;
        case 1: Emitter(addition(random_.below(frames))).word(random_.next()); break;
        default:
            for (u32 i = 0; i < pages; ++i) map(i, random_.below(frames));
            paging::flush();
            break;
        }
    }

    // --- the model
    u8 byte(u32 linear) const {
        const u32 p = (linear - window) / page;
        const u32 frame = p < pages ? model_frame_[p] : frames;
        return shadow()[frame * page + (linear & (page - 1))];
    }
    u32 word(u32 linear) const {
        u32 value = 0;
        for (u32 i = 0; i < 4; ++i) value |= static_cast<u32>(byte(linear + i)) << (8 * i);
        return value;
    }
    static u8* shadow() { return reinterpret_cast<u8*>(paging::second_large_frame); }

    struct State {
        u32 at, ebx = 0, ecx = 0, edi;
        bool zero = false;
    };
    /// False at INT 80h.
    bool step(State& s) {
        const u8 a = byte(s.at);
        switch (a) {
        case 0x81: s.ebx += word(s.at + 2), s.at += 6; return true;
        case 0x90: ++s.at; return true;
        case 0x4F: s.zero = --s.edi == 0, ++s.at; return true;
        case 0x75: s.at += s.zero ? 2 : 2u + byte(s.at + 1); return true;
        case 0xEB: s.at += 2u + byte(s.at + 1); return true;
        case 0xE9: s.at += 5 + word(s.at + 1); return true;
        case 0xB9: s.ecx = word(s.at + 1), s.at += 5; return true;
        case 0xFF: s.at = s.ecx; return true;
        case 0x68: s.at = word(s.at + 1); return true; // with the RET behind it
        case 0x0F: s.at += 7; return true;             // INVLPG
        case 0xC7: store(word(s.at + 2), word(s.at + 6)), s.at += 10; return true;
        default: return false;
        }
    }
    void store(u32 address, u32 value) {
        for (u32 p = 0; p < pages; ++p) {
            if (address == entry_address(p)) model_frame_[p] = (value - paging::frames) / page;
        }
        const u32 offset = address - paging::frames;
        if (offset >= frames * page) return;
        for (u32 i = 0; i < 4; ++i) shadow()[offset + i] = static_cast<u8>(value >> (8 * i));
    }

    void follow_and_run() {
        memcpy(shadow(), reinterpret_cast<const void*>(paging::frames), (frames + 1) * page);
        for (u32 p = 0; p < pages; ++p) model_frame_[p] = frame_of_[p];
        State s{any_place(), 0, 0, 20 + random_.below(100)};
        Context c = start(user_ && random_.one_in(2) ? 3 : 0, s.at);
        c.edi = s.edi;
        while (step(s)) {
        }
        const Exit x = run(c);
        report_.expect_exit(x, end_vector, 0);
        report_.expect("EBX", s.ebx, x.ebx);
        report_.expect("EDI", s.edi, x.edi);
        report_.expect("EIP", s.at + 2, x.eip);
        for (u32 p = 0; p < pages; ++p) frame_of_[p] = model_frame_[p];
    }

    Report& report_;
    Space& space_;
    Random random_;
    bool user_;
    bool adds_[frames][slots] = {};
    u32 frame_of_[pages] = {}, model_frame_[pages] = {};
};

} // namespace

void maze(Report& report) {
    if (!features().cpuid) {
        if (report.next()) report.skip("the 386 has no INVLPG");
        return;
    }
    constexpr u32 mazes = 150;
    for (const Format format : {Format::legacy, Format::pae}) {
        if (paging::lacks(format)) continue;
        Space space(format);
        space.enter();
        for (u32 i = 0; i < mazes; ++i) {
            if (!report.next()) continue;
            report.describe("%s, maze %u", paging::name(format), i);
            Maze(report, space, i + 1, i % 3 == 0).run_all();
        }
    }
}

} // namespace modified
