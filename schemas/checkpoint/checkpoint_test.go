package checkpoint

import (
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		story, text, model string
		layers             int64
	}{
		{"Nemotron-3-Nano says nothing of layers, and has none", `{"model_type": "nemotron_h", "architectures": ["NemotronHForCausalLM"]}`, "nemotron_h", 0},
		{"Nemotron-3-Super has one", `{"model_type": "nemotron_h", "num_nextn_predict_layers": 1}`, "nemotron_h", 1},
		{"a model of several parts says it in its text part", `{"model_type": "qwen3_5", "text_config": {"mtp_num_hidden_layers": 1}}`, "qwen3_5", 1},
		{"null is none", `{"model_type": "deepseek_v3", "num_nextn_predict_layers": null}`, "deepseek_v3", 0},
	} {
		got, err := Read(strings.NewReader(c.text))
		if err != nil || got.Type != c.model || got.MTPLayers != c.layers {
			t.Errorf("%s: %+v, %v", c.story, got, err)
			continue
		}
		if kept := OfLabels(got.Labels()); kept == nil || kept.Type != c.model || kept.MTPLayers != c.layers {
			t.Errorf("%s: kept as %+v", c.story, kept)
		}
	}
	for _, text := range []string{"", "[]", `{"hidden_size": 2688}`, `{"model_type": 3}`} {
		if c, err := Read(strings.NewReader(text)); err == nil {
			t.Errorf("%q: %+v", text, c)
		}
	}
	if OfLabels(map[string]string{"checkpoint": "x"}) != nil {
		t.Error("labels that keep no configuration are one")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"model_type": "qwen3_5", "text_config": {"num_nextn_predict_layers": 1}}`)
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := Read(strings.NewReader(text)); err == nil && c.Type == "" && len(c.Architectures) == 0 {
			t.Errorf("%q names no model", text)
		}
	})
}
