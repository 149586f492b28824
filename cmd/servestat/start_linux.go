package main

// How the command's file is laid out and read matters, because the database engine in it
// makes it 115 MB.
//
// go-duckdb's binding links with -rdynamic, for extensions that DuckDB would load at run
// time; servestat loads none. Without it there are 6 MB of names less, which the dynamic
// linker went through at every start.
//
// A start runs code in all parts of the file. Where it is not in memory, as after a boot
// or in a new container, the system would read it fault by fault, each waited for, so it
// is asked for the whole in one go, before the C++ of the engine is initialised. It says
// by a few bytes whether the file is in memory already: asking for what is there would
// cost ten milliseconds.

/*
#cgo LDFLAGS: -Wl,--no-export-dynamic
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { samples = 16, step = 2 << 20 }; // systems read no more than some MB a request

static int in_memory(int file, off_t size) {
	for (int i = 0; i < samples; i++) {
		char byte;
		struct iovec one = {&byte, 1};
		if (preadv2(file, &one, 1, size / samples * i, RWF_NOWAIT) != 1)
			return 0;
	}
	return 1;
}

__attribute__((constructor(101))) static void read_ahead(void) {
	struct stat s;
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return;
	if (fstat(file, &s) == 0 && !in_memory(file, s.st_size))
		for (off_t at = 0; at < s.st_size; at += step)
			posix_fadvise(file, at, step, POSIX_FADV_WILLNEED);
	close(file);
}
*/
import "C"
