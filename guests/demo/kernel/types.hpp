// Numbers of known size. The kernel has no standard library, so it names them itself.
#pragma once

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using size = u32;

/// The kernel runs identity-mapped: a physical address is also a pointer.
template <class T> T* pointer_to(u32 address) { return reinterpret_cast<T*>(address); }
template <class T> u32 address_of(T* pointer) { return reinterpret_cast<u32>(pointer); }
