// Small helpers for text and memory, as a library would have them.
#pragma once

#include "types.hpp"

extern "C" {
void* memcpy(void* target, const void* source, size bytes);
void* memmove(void* target, const void* source, size bytes);
void* memset(void* target, int value, size bytes);
}

size length(const char* text);
bool equal(const char* a, const char* b);
