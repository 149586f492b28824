package wordset

import (
	"slices"
	"strings"
	"testing"
)

var (
	exact = New("sk-", "token", "tokens", "ken ", "://")
	long  = New("token", "tokens", "ken ")
	fold  = NewFold("api_key", "hf_", "bearer ")
)

func TestAll(t *testing.T) {
	for _, c := range []struct {
		set  *Set
		text string
		want []int
	}{
		{exact, "", nil},
		{exact, "sk", nil},
		{exact, "sk-", []int{0}},
		{exact, "two tokens, a token ", []int{1, 2, 1, 3}},
		{exact, "Token_SK-", nil},
		{exact, "http://x", []int{4}},
		{long, "a token taken ", []int{0, 2, 2}},
		{fold, "API_KEY=HF_x Bearer y", []int{0, 1, 2}},
		{fold, "apikey", nil},
	} {
		if got := words(t, c.set, c.text); !slices.Equal(got, c.want) {
			t.Errorf("%q in %q: %v, want %v", c.set.words, c.text, got, c.want)
		}
		if Holds(c.set, []byte(c.text)) != (c.want != nil) || c.set.In(c.text) != (c.want != nil) {
			t.Errorf("%q in %q: want any %v", c.set.words, c.text, c.want != nil)
		}
	}
}

// FuzzSet holds the one pass against a search for each word.
func FuzzSet(f *testing.F) {
	f.Add("a token, Bearer of API_key ://sk-")
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range []*Set{exact, long, fold} {
			folded := text
			if s == fold {
				folded = smallLetters(text)
			}
			found := words(t, s, text)
			for i, word := range s.words {
				if got, want := slices.Contains(found, i), strings.Contains(folded, word); got != want {
					t.Errorf("%q in %q: %v, want %v", word, text, got, want)
				}
			}
		}
	})
}

// words collects the words in a text, each of which must begin where it is said to.
func words(t *testing.T, s *Set, text string) (found []int) {
	t.Helper()
	for at, n := range All(s, text) {
		if here := text[at:]; !strings.HasPrefix(smallLetters(here), smallLetters(s.words[n])) {
			t.Errorf("%q does not begin with %q", here, s.words[n])
		}
		found = append(found, n)
	}
	return found
}

// smallLetters folds ASCII alone: a set knows bytes and not letters.
func smallLetters(text string) string {
	b := []byte(text)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] |= 0x20
		}
	}
	return string(b)
}

func TestShortWordsAreRefused(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a word of two bytes cannot be found, and is taken")
		}
	}()
	New("ok")
}
