package plot

import "testing"

// Names in scripts that the bundled font lacks are no boxes, and two of them are two.
func TestNamesThatTheFontLacks(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"Qwen/Qwen3-8B", "Qwen/Qwen3-8B"},
		{"modèle-Größe-Ωμ", "modèle-Größe-Ωμ"},
		{"模型-1", "U+6A21U+578B-1"},
		{"バージョン-1", "U+30D0…24da-1"},
		{"バージョナ-1", "U+30D0…ce45-1"},
		{"x🚀y", "xU+1F680y"},
	} {
		if got := printable(c.name); got != c.want {
			t.Errorf("%s is drawn as %s, want %s", c.name, got, c.want)
		}
	}
	if a, b := printable("大規模言語模型甲"), printable("大規模言語模型乙"); a == b {
		t.Errorf("two names are both drawn as %s", a)
	}
}
