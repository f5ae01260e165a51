/* Workloads that run inside a guest. Each prints a marker line before and after itself; bench/compare.py stamps the lines
 * with the host's clock, and compares the check values with those of the same program on the host.
 * Build: gcc -O2 -static -m32 -march=i686 workloads.c -o workloads. Usage: workloads [SCALE [NAME]] */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef uint64_t Check;

static uint32_t seed;
static uint32_t random32(void) {
    seed ^= seed << 13;
    seed ^= seed >> 17;
    return seed ^= seed << 5;
}

/* Integer arithmetic and branches that are hard to foresee: the lengths of Collatz sequences. */
static Check integer(int scale) {
    Check longest = 0;
    for (uint32_t n = 1; n < 400000u * (uint32_t)scale; n++) {
        uint32_t steps = 0;
        for (uint32_t x = n; x != 1 && x < 0x50000000u; steps++) x = x & 1 ? 3 * x + 1 : x / 2;
        if (steps > (longest & 0xFFFF)) longest = (Check)n << 16 | steps;
    }
    return longest;
}

/* Comparisons, swaps and indexes: heap sort. */
static Check sorting(int scale) {
    enum { count = 200000 };
    static uint32_t heap[count];
    Check sum = 0;
    for (int round = 0; round < 3 * scale; round++) {
        for (int i = 0; i < count; i++) heap[i] = random32();
        for (int start = count / 2, end = count; end > 1;) {
            if (start > 0) start--;
            else {
                end--;
                uint32_t last = heap[end];
                heap[end] = heap[0];
                heap[0] = last;
            }
            for (int parent = start, child; (child = 2 * parent + 1) < end; parent = child) {
                if (child + 1 < end && heap[child] < heap[child + 1]) child++;
                if (heap[parent] >= heap[child]) break;
                uint32_t swap = heap[parent];
                heap[parent] = heap[child];
                heap[child] = swap;
            }
        }
        for (int i = 1; i < count; i++) sum += heap[i - 1] <= heap[i] ? (Check)(heap[i] ^ (uint32_t)i) : 1u << 31;
    }
    return sum;
}

/* Shifts and rotates: a block cipher of additions, rotations and exclusive ors (XTEA's shape). */
static Check shifts(int scale) {
    uint32_t a = 1, b = 2, key[4];
    for (int i = 0; i < 4; i++) key[i] = random32();
    for (int block = 0; block < 400000 * scale; block++) {
        uint32_t sum = 0;
        for (int round = 0; round < 32; round++) {
            a += ((b << 4 ^ b >> 5) + b) ^ (sum + key[sum & 3]);
            sum += 0x9E3779B9u;
            b += ((a << 4 ^ a >> 5) + a) ^ (sum + key[sum >> 11 & 3]);
            a = a << 7 | a >> 25;
        }
    }
    return (Check)a << 32 | b;
}

/* Calls, returns and a deep stack: the Ackermann-like Takeuchi function. */
static __attribute__((noinline)) int takeuchi(int x, int y, int z) {
    return y >= x ? z : takeuchi(takeuchi(x - 1, y, z), takeuchi(y - 1, z, x), takeuchi(z - 1, x, y));
}
static Check calls(int scale) {
    Check sum = 0;
    for (int i = 0; i < 900 * scale; i++) sum += (Check)takeuchi(16 + (i & 1), 8, 3);
    return sum;
}

/* Floating point on the x87: the Mandelbrot set. Every step is rounded to a double, so that the host agrees. */
static Check floating(int scale) {
    Check inside = 0;
    for (int y = 0; y < 120; y++)
        for (int x = 0; x < 160; x++) {
            volatile double re = 0, im = 0;
            double cre = x / 64.0 - 2.0, cim = y / 60.0 - 1.0;
            int n = 0;
            while (n < 600 * scale && re * re + im * im < 4.0) {
                double next = re * re - im * im + cre;
                im = 2.0 * re * im + cim;
                re = next;
                n++;
            }
            inside = inside * 31 + (Check)n;
        }
    return inside;
}

/* Packed integers: SSE2 through the compiler's vectors. */
typedef uint16_t Vector __attribute__((vector_size(16)));
__attribute__((target("sse2"))) static Check packed(int scale) {
    static Vector a[2048], b[2048];
    for (int i = 0; i < 2048; i++)
        for (int j = 0; j < 8; j++) {
            a[i][j] = (uint16_t)random32();
            b[i][j] = (uint16_t)random32();
        }
    for (int round = 0; round < 12000 * scale; round++)
        for (int i = 0; i < 2048; i++) {
            Vector c = a[i] * b[(i + round) & 2047] + (a[i] >> 3);
            a[i] = (c & 0x7FFF) ^ (b[i] << 1);
        }
    Check sum = 0;
    for (int i = 0; i < 2048; i++) sum = sum * 3 + a[i][i & 7];
    return sum;
}

/* String instructions over more memory than a TLB reaches. */
static Check strings(int scale) {
    size_t size = 12u << 20;
    char *from = malloc(size), *to = malloc(size);
    if (!from || !to) exit(1);
    memset(from, 3, size);
    for (int round = 0; round < 20 * scale; round++) {
        void *d = to, *s = from;
        size_t n = size / 4;
        __asm__ volatile("rep movsl" : "+D"(d), "+S"(s), "+c"(n)::"memory");
        from[round * 4099] ^= to[round * 513];
        d = to + round;
        n = size / 4 - 64;
        __asm__ volatile("rep stosl" : "+D"(d), "+c"(n) : "a"(0x01010101u * (uint32_t)round) : "memory");
    }
    Check sum = 0;
    for (size_t i = 0; i < size; i += 4099) sum = sum * 5 + (uint8_t)from[i] + (uint8_t)to[i];
    free(from);
    free(to);
    return sum;
}

/* System calls: a byte through a pipe, there and back. */
static Check syscalls(int scale) {
    int ends[2];
    Check sum = 0;
    if (pipe(ends)) exit(1);
    for (int i = 0; i < 100000 * scale; i++) {
        char byte = (char)i, back = 0;
        sum += (Check)(write(ends[1], &byte, 1) + read(ends[0], &back, 1)) + (uint8_t)back;
    }
    close(ends[0]);
    close(ends[1]);
    return sum;
}

/* Page faults, copy-on-write and address spaces: map and touch; fork children that write. */
static Check faults(int scale) {
    enum { size = 4 << 20 };
    Check sum = 0;
    for (int round = 0; round < 60 * scale; round++) {
        char *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) exit(1);
        for (int i = 0; i < size; i += 4096) p[i] = (char)round;
        if (round % 2 == 0) {
            pid_t child = fork();
            if (child == 0) {
                for (int i = 0; i < size / 4; i += 4096) p[i]++;
                _exit(p[4096] & 0x7F);
            }
            int status = 0;
            waitpid(child, &status, 0);
            sum += (Check)WEXITSTATUS(status);
        }
        sum += (Check)(uint8_t)p[8192];
        munmap(p, size);
    }
    return sum;
}

static void mark(const char *what, const char *name, Check check) {
    char line[96];
    int n = snprintf(line, sizeof line, "@@%s %s %016llx\n", what, name, (unsigned long long)check);
    if (write(1, line, (size_t)n) != n) exit(1);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        Check (*run)(int scale);
    } all[] = {{"integer", integer}, {"sorting", sorting}, {"shifts", shifts},     {"calls", calls},  {"floating", floating},
               {"packed", packed},   {"strings", strings}, {"syscalls", syscalls}, {"faults", faults}};
    int scale = argc > 1 ? atoi(argv[1]) : 1;
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        if (argc > 2 && strcmp(argv[2], all[i].name) != 0) continue;
        seed = 2463534242u;
        mark("start", all[i].name, 0);
        mark("end", all[i].name, all[i].run(scale));
    }
    return 0;
}
