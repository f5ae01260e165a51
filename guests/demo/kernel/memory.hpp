// Physical memory in pages of 4 KiB, and the page tables that give each task its own view of it.
#pragma once

#include "types.hpp"

constexpr u32 page_bytes = 4096;

/// Bits of a page-table entry (SDM volume 3A, 4.3).
constexpr u32 page_present = 1, page_writable = 2, page_user = 4;

/// User programs live at these addresses, in every task's own address space.
constexpr u32 user_base = 0x40000000, user_end = 0x40100000, user_stack_top = user_end;

void memory_start();

/// A zeroed page; stops the machine when there is none left.
u32 take_page();
void give_page(u32 address);
u32 free_pages();
/// The end of the memory that the kernel manages and maps to itself.
u32 managed_end();

/// A page directory that contains the kernel.
u32 new_address_space();
/// Frees the user pages, their tables and the directory.
void free_address_space(u32 directory);
void map_page(u32 directory, u32 address, u32 page, u32 bits);
/// The entry that maps `address`, or 0.
u32 page_entry(u32 directory, u32 address);

u32 kernel_directory();
/// Maps device memory for the kernel, address by address.
void map_device(u32 address, u32 bytes);
