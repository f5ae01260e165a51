// The compiler may call memcpy, memmove and memset by itself, so they must exist.
#include "text.hpp"

extern "C" void* memcpy(void* target, const void* source, size bytes) {
    void* const result = target;
    asm volatile("cld; rep movsb" : "+D"(target), "+S"(source), "+c"(bytes) : : "memory");
    return result;
}

extern "C" void* memmove(void* target, const void* source, size bytes) {
    if (address_of(target) <= address_of(source)) return memcpy(target, source, bytes);
    auto* to = static_cast<u8*>(target) + bytes;
    const auto* from = static_cast<const u8*>(source) + bytes;
    while (bytes-- > 0) {
        --to, --from;
        asm volatile("movb %1, %0" : "=m"(*to) : "q"(*from));
    }
    return target;
}

extern "C" void* memset(void* target, int value, size bytes) {
    void* const result = target;
    asm volatile("cld; rep stosb" : "+D"(target), "+c"(bytes) : "a"(value) : "memory");
    return result;
}

size length(const char* text) {
    size n = 0;
    while (text[n] != 0) ++n;
    return n;
}

bool equal(const char* a, const char* b) {
    while (*a != 0 && *a == *b) ++a, ++b;
    return *a == *b;
}
