// Package schematest is support for the tests of every other package: golden
// files, text and pictures, and the one -update flag that rewrites them.
//
// A test that prints something ends like this:
//
//	schematest.Golden(t, "testdata/weekly.golden.md", got)
//	schematest.GoldenPNG(t, "testdata/forest_golden.png", png)
//
// When the output differs, the test fails with a unified diff and leaves what it
// got beside the golden file as .got-weekly.golden.md, which git ignores. For a
// picture there is also .got-forest_golden.diff.png, in which everything that
// differs is red. A missing golden file is a failure, never a pass. Read the
// diff, then run
//
//	go test ./report/plot -update
//
// and review what changed like any other change. Importing this package
// registers the flag, so only tests may import it.
package schematest
