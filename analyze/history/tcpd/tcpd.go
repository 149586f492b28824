package tcpd

import (
	"maps"
	"math"
	"slices"
)

// Margin is the distance up to which a predicted change point counts as the true
// one in the published scores.
const Margin = 5

// Annotations holds the change points that each annotator marked.
type Annotations map[string][]int

// F1 is the harmonic mean of precision and recall, 2PR/(P+R). A true change point
// is found if a prediction lies within the margin, and each prediction finds at
// most one. Precision counts against the union of all annotators, recall is the
// mean of theirs. Index 0 is a trivial change point of everyone, which keeps both
// defined (van den Burg & Williams 2020, section 4.2.2).
func F1(annotations Annotations, predicted []int, margin int) float64 {
	found := withZero(predicted)
	var union []int
	recall := 0.0
	for _, name := range slices.Sorted(maps.Keys(annotations)) {
		marked := withZero(annotations[name])
		union = append(union, marked...)
		recall += float64(matches(marked, found, margin)) / float64(len(marked))
	}
	recall /= float64(len(annotations))
	precision := float64(matches(withZero(union), found, margin)) / float64(len(found))
	return precision * recall / (0.5*recall + 0.5*precision)
}

// withZero returns the distinct indices in order, with 0 among them.
func withZero(indices []int) []int {
	all := append([]int{0}, indices...)
	slices.Sort(all)
	return slices.Compact(all)
}

// matches counts the true change points that are found, each with the nearest
// prediction that is left.
func matches(truth, predicted []int, margin int) int {
	left := slices.Clone(predicted)
	count := 0
	for _, t := range truth {
		nearest := -1
		for i, p := range left {
			if abs(p-t) <= margin && (nearest < 0 || abs(p-t) < abs(left[nearest]-t)) {
				nearest = i
			}
		}
		if nearest >= 0 {
			left = slices.Delete(left, nearest, nearest+1)
			count++
		}
	}
	return count
}

func abs(v int) int { return max(v, -v) }

// Cover is how well the predicted segments of a series of n values cover those of
// the annotators: the mean over annotators of
//
//	Σ |A| max over B of |A ∩ B| / |A ∪ B|, divided by n,
//
// for the annotator's segments A and the predicted segments B (van den Burg &
// Williams 2020, section 4.2.1).
func Cover(annotations Annotations, predicted []int, n int) float64 {
	segments := segmentsOf(predicted, n)
	total := 0.0
	for _, name := range slices.Sorted(maps.Keys(annotations)) {
		covered := 0.0
		for _, a := range segmentsOf(annotations[name], n) {
			best := 0.0
			for _, b := range segments {
				best = math.Max(best, a.jaccard(b))
			}
			covered += float64(a.end-a.start) * best
		}
		total += covered / float64(n)
	}
	return total / float64(len(annotations))
}

// segment is [start, end).
type segment struct{ start, end int }

// segmentsOf returns the segments that change points make of n values.
func segmentsOf(changes []int, n int) []segment {
	starts := withZero(changes)
	var segments []segment
	for i, s := range starts {
		end := n
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		segments = append(segments, segment{s, end})
	}
	return segments
}

// jaccard is the size of the intersection over that of the union.
func (a segment) jaccard(b segment) float64 {
	both := min(a.end, b.end) - max(a.start, b.start)
	if both <= 0 {
		return 0
	}
	return float64(both) / float64(a.end-a.start+b.end-b.start-both)
}

// AsR turns first indices of right segments, from 0, into what TCPDBench holds
// for the R methods: the last index of the left segment. The published scores of
// those methods are those of these, one too low.
func AsR(changes []int) []int {
	shifted := make([]int, len(changes))
	for i, c := range changes {
		shifted[i] = c - 1
	}
	return shifted
}
