package history

import (
	"fmt"
	"maps"
	"slices"
)

// Attribution is what became of one attribute at a change point.
type Attribution string

// What an attribute can be, in the order in which they explain a change point.
const (
	Differs Attribution = "differs" // one value before, another after
	Unknown Attribution = "unknown" // not known of all runs of either side
	Varies  Attribution = "varies"  // several values on a side
)

// unknownWord stands for the value of an attribute that is not known.
const unknownWord = "unknown"

// AttributeChange is an attribute that may have to do with a change point. What
// is one and the same known value on both sides is not listed.
type AttributeChange struct {
	Key  string
	Kind Attribution

	// Before and After are the value on each side, or words for it: "unknown",
	// "560.28.03 or unknown", "3 values".
	Before, After string

	// First is the index of the first run with the value After, for Differs; it is
	// one of the runs that the change point may be at. Otherwise -1.
	First int
}

func (c AttributeChange) String() string {
	text := fmt.Sprintf("%s: %s before, %s after", c.Key, c.Before, c.After)
	if c.Kind == Differs {
		return fmt.Sprintf("%s, first at run %d", text, c.First)
	}
	return text
}

// WhatChanged returns the attributes that differ between the levels on either
// side of the change point with that number in r.ChangePoints, with those first
// that explain it: one value before, another after. Runs whose side is unsure do
// not count, unless there are no others, nor do excluded runs.
//
// What differs need not be the cause, and what is the cause need not have been
// recorded.
func WhatChanged(s Series, r Result, number int) []AttributeChange {
	before, after := sides(r, number)
	var changes []AttributeChange
	for _, key := range attributeKeys(s, before, after) {
		b, a := valuesOf(s, before, key), valuesOf(s, after, key)
		if c, changed := attribute(key, b, a); changed {
			if c.Kind == Differs {
				c.First = firstWith(s, before[len(before)-1]+1, key, c.After)
			}
			changes = append(changes, c)
		}
	}
	order := []Attribution{Differs, Unknown, Varies}
	slices.SortStableFunc(changes, func(a, b AttributeChange) int {
		return slices.Index(order, a.Kind) - slices.Index(order, b.Kind)
	})
	return changes
}

// sides returns the indices of the runs that surely belong to the level before a
// change point, and to the one after it.
func sides(r Result, number int) (before, after []int) {
	cp := r.ChangePoints[number]
	left, right := r.Levels[number], r.Levels[number+1]
	out := make(map[int]bool)
	for _, e := range r.Excluded {
		out[e.Index] = true
	}
	for i := left.First; i <= right.Last; i++ {
		switch {
		case out[i]:
		case i < cp.Location.Low:
			before = append(before, i)
		case i >= cp.Location.High:
			after = append(after, i)
		}
	}
	if len(before) == 0 || len(after) == 0 {
		// The interval reaches over a whole side: the best place must do.
		cp.Location = Location{Low: cp.Index, High: cp.Index}
		r.ChangePoints = slices.Clone(r.ChangePoints)
		r.ChangePoints[number] = cp
		return sides(r, number)
	}
	return before, after
}

// attributeKeys returns the names of all attributes that any of the runs has.
func attributeKeys(s Series, sides ...[]int) []string {
	keys := make(map[string]bool)
	for _, side := range sides {
		for _, i := range side {
			for k := range s.Runs[i].Attributes {
				keys[k] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

// valuesOf returns the values of an attribute among runs; "" is unknown.
func valuesOf(s Series, runs []int, key string) []string {
	values := make(map[string]bool)
	for _, i := range runs {
		values[s.Runs[i].Attributes[key]] = true
	}
	return slices.Sorted(maps.Keys(values))
}

// attribute compares the values before and after.
func attribute(key string, before, after []string) (AttributeChange, bool) {
	c := AttributeChange{Key: key, Before: words(before), After: words(after), First: -1}
	switch {
	case slices.Contains(before, "") || slices.Contains(after, ""):
		c.Kind = Unknown
	case len(before) > 1 || len(after) > 1:
		c.Kind = Varies
	case before[0] != after[0]:
		c.Kind = Differs
	default:
		return c, false
	}
	return c, len(before)+len(after) > 2 || before[0] != "" || after[0] != ""
}

// words puts the values of one side into words.
func words(values []string) string {
	known := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
	text := fmt.Sprintf("%d values", len(known))
	switch len(known) {
	case 0:
		return unknownWord
	case 1:
		text = known[0]
	}
	if len(known) < len(values) {
		text += " or " + unknownWord
	}
	return text
}

// firstWith returns the first run from index from on with a value.
func firstWith(s Series, from int, key, value string) int {
	for i := from; i < len(s.Runs); i++ {
		if s.Runs[i].Excluded == "" && s.Runs[i].Attributes[key] == value {
			return i
		}
	}
	return -1
}
