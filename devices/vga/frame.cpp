#include "devices/vga/frame.hpp"

#include <array>
#include <string_view>

namespace glassbox {

namespace {
// Code page 437 as displayed (IBM PC character generator), 32 characters a line.
constexpr std::array<std::u16string_view, 8> cp437 = {
    u" ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼", u" !\"#$%&'()*+,-./0123456789:;<=>?", u"@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_",
    u"`abcdefghijklmnopqrstuvwxyz{|}~⌂", u"ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ",  u"áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐",
    u"└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀", u"αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ "};

void append_utf8(std::string& out, char16_t c) {
    if (c < 0x80) {
        out += static_cast<char>(c);
    } else if (c < 0x800) {
        out += static_cast<char>(0xC0 | (c >> 6));
        out += static_cast<char>(0x80 | (c & 0x3F));
    } else {
        out += static_cast<char>(0xE0 | (c >> 12));
        out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
        out += static_cast<char>(0x80 | (c & 0x3F));
    }
}
} // namespace

std::string cp437_to_utf8(u8 character) {
    std::string out;
    append_utf8(out, cp437[character >> 5][character & 31]);
    return out;
}

std::string TextScreen::text() const {
    std::string out;
    for (unsigned row = 0; row < rows; ++row) {
        std::string line;
        std::size_t used = 0;
        for (unsigned column = 0; column < columns; ++column) {
            const u8 c = cells[std::size_t{row} * columns + column].character;
            line += cp437_to_utf8(c);
            if (c != ' ' && c != 0 && c != 0xFF) used = line.size();
        }
        line.resize(used);
        out += line + '\n';
    }
    return out;
}

} // namespace glassbox
