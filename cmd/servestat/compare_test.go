package main

import "testing"

// Two long paths that differ at the end are cut to the same label, and a report said
// "…/testda… against …/testda…".
func TestFoldersAreToldApart(t *testing.T) {
	for _, c := range []struct{ baseline, candidate, b, c string }{
		{"/a/long/way/to/0.19.0", "/a/long/way/to/0.20.0", "0.19.0", "0.20.0"},
		{"../a/results", "../b/results", "a/results", "b/results"},
		{"old", "results/new", "old", "results/new"},
		{"logs", "logs/new", "logs", "logs/new"},
		{"same/folder", "same/folder", "folder", "folder"},
		{"a/x,a/y", "a/z", "a/x,a/y", "a/z"},
	} {
		if b, d := toldApart(c.baseline, c.candidate); b != c.b || d != c.c {
			t.Errorf("%q and %q: got %q and %q, want %q and %q", c.baseline, c.candidate, b, d, c.b, c.c)
		}
	}
}
