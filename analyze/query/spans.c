#include <stddef.h>
#include <stdint.h>

// Where the C library can choose at start, the loop is there for processors with wide
// registers, too: every token of a lake goes through it, and Go's compiler makes no
// vectors.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
__attribute__((target_clones("avx2", "default")))
#endif
void servestat_mark(uint8_t *restrict out, const int64_t *restrict values, size_t n, int64_t least, uint64_t width) {
	for (size_t i = 0; i < n; i++) {
		out[i] |= (uint64_t)values[i] - (uint64_t)least <= width; // below least it wraps around
	}
}
