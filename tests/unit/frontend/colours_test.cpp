// Colours of the debugger's text: only where they belong, and nothing is lost.
#include "frontend/colours.hpp"

#include <doctest/doctest.h>

using glassbox::coloured;

TEST_CASE("colours: what is executed next, what has changed, what is wrong") {
    CHECK(coloured("#12  0008:00100000  55  push ebp\n") == "\x1b[1m#12  0008:00100000  55  push ebp\x1b[0m\n");
    CHECK(coloured("=> 0008:001  50  push eax\n   0008:002  90  nop\n") ==
          "\x1b[1m=> 0008:001  50  push eax\x1b[0m\n   0008:002  90  nop\n");
    CHECK(coloured(" EAX 00000001  *EBX 00000002\n*ECX 00000003   EDX 00000004") ==
          " EAX 00000001  \x1b[33m*EBX 00000002\x1b[0m\n\x1b[33m*ECX 00000003\x1b[0m   EDX 00000004");
    CHECK(coloured("*XMM0   0011 2233\n") == "\x1b[33m*XMM0   0011\x1b[0m 2233\n");
    CHECK(coloured("error: no\nno error: yes\n") == "\x1b[31merror: no\x1b[0m\nno error: yes\n");
}

TEST_CASE("colours: other text stays as it is") {
    for (const char* text : {"", "\n", "*", "* ", "a*B\n", "break *0x7c00\n", "*1  1     waits for SIPI\n",
                             "  #  address\n", "# a comment\n", "#", "text without an end", "mov eax, [eax*4]\n"})
        CHECK(coloured(text) == text);
}
