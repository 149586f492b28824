package analyze

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/servestat/servestat/analyze/query"
)

// knowledge is what a lake has of the servers of a selection besides their runs. It
// is read when somebody asks, once, and shared by the parts of the selection.
type knowledge struct {
	read    bool
	servers map[string]*query.Server // by place
	places  map[string]string        // of runs, by their ids
	answers []query.JudgedAnswer
}

// know reads what is known of the servers of d.
func (d *Data) know(ctx context.Context) (*knowledge, error) {
	k := d.known
	if k == nil || d.db == nil {
		return &knowledge{}, nil
	}
	if k.read {
		return k, nil
	}
	servers, err := d.db.Servers(ctx, d.Selection)
	if err != nil {
		return nil, err
	}
	k.servers, k.places = map[string]*query.Server{}, map[string]string{}
	var names []string
	for i := range servers {
		k.servers[servers[i].Place] = &servers[i]
		names = append(names, servers[i].Place)
	}
	if k.answers, err = d.db.JudgedAnswers(ctx, names); err != nil {
		return nil, err
	}
	places, err := d.db.RunPlaces(ctx, d.Selection)
	if err != nil {
		return nil, err
	}
	for _, p := range places {
		k.places[p.RunID] = p.Place
	}
	k.read = true
	return k, nil
}

// answered is what is known of the servers of d, where any of their answers was
// judged and it was read; else nil.
func (d *Data) answered() *knowledge {
	if d.known == nil || !d.known.read || len(d.known.answers) == 0 {
		return nil
	}
	return d.known
}

// A setUp is what tells servers apart that are to be judged apart.
type setUp struct {
	Group
	version string
}

// said is what is known of a server without runs.
func said(s *query.Server) setUp {
	return setUp{
		Group:   Group{Model: cmp.Or(s.Said["model"], s.Model.V), Hardware: s.Said["hardware"], Path: s.Said["path_label"]},
		version: cmp.Or(s.Said["runtime_version"], s.Version.V),
	}
}

// alike reports whether two set-ups differ in nothing but what is not recorded.
func (s setUp) alike(o setUp) bool {
	return compatible(s.Model, o.Model) && compatible(s.Hardware, o.Hardware) && compatible(s.Path, o.Path) && compatible(s.version, o.version)
}

func (s setUp) merge(o setUp) setUp {
	return setUp{Group: s.Group.merge(o.Group), version: cmp.Or(s.version, o.version)}
}

func (s setUp) known() int {
	n := 0
	for _, v := range []string{s.Model, s.Hardware, s.Path, s.version} {
		if v != "" {
			n++
		}
	}
	return n
}

func (r *Run) setUp() setUp { return setUp{r.group(), r.RuntimeVersion.V} }

// answersOf are the answers of the servers that runs were made on, and of servers
// without runs that are known to be of the same version and differ in nothing that
// is recorded. Where runs are all that there is, every server without runs is theirs.
func (k *knowledge) answersOf(runs []*Run) []query.JudgedAnswer {
	at, of := map[string]bool{}, map[setUp]bool{}
	for _, r := range runs {
		at[k.places[r.RunID]] = true
		of[r.setUp()] = true
	}
	whole := len(runs) == len(k.places)
	wanted := map[string]bool{}
	for place, s := range k.servers {
		if s.HasRuns {
			wanted[place] = at[place]
			continue
		}
		own := said(s)
		for o := range of {
			wanted[place] = wanted[place] || own.alike(o) && (whole || own.version != "" && own.version == o.version)
		}
	}
	var out []query.JudgedAnswer
	for _, a := range k.answers {
		if wanted[a.Place] {
			out = append(out, a)
		}
	}
	return out
}

// An answerSet is the answers of servers that are alike.
type answerSet struct {
	setUp
	runs    []*Run
	places  []string
	answers []query.JudgedAnswer
}

// answerSets are the answers of d by set-up. Servers of which less is recorded belong
// to the only others that they can be of.
func (k *knowledge) answerSets(d *Data, byVersion bool) []*answerSet {
	sets := map[setUp]*answerSet{}
	at := map[setUp]map[string]bool{}
	add := func(key setUp, place string) *answerSet {
		if !byVersion {
			key.version = ""
		}
		if sets[key] == nil {
			sets[key], at[key] = &answerSet{setUp: key}, map[string]bool{}
		}
		if place != "" && !at[key][place] {
			at[key][place] = true
			sets[key].places = append(sets[key].places, place)
		}
		return sets[key]
	}
	home := map[string]*answerSet{}
	for _, r := range d.Runs {
		set := add(r.setUp(), k.places[r.RunID])
		set.runs = append(set.runs, r)
		home[k.places[r.RunID]] = set
	}
	for _, place := range slices.Sorted(maps.Keys(k.servers)) {
		if s := k.servers[place]; !s.HasRuns {
			home[place] = add(k.named(s), place)
		}
	}
	for _, a := range k.answers {
		if set := home[a.Place]; set != nil {
			set.answers = append(set.answers, a)
		}
	}
	return mergeSets(slices.Collect(maps.Values(sets)))
}

// named is what is known of a server without runs; the model may be what its suites
// call it.
func (k *knowledge) named(s *query.Server) setUp {
	own := said(s)
	if own.Model != "" {
		return own
	}
	for _, a := range k.answers {
		if a.Place == s.Place && a.Model.Valid {
			own.Model = a.Model.V
			break
		}
	}
	return own
}

// mergeSets puts sets of which less is known into the only ones that they are
// compatible with, and sorts.
func mergeSets(sets []*answerSet) []*answerSet {
	slices.SortFunc(sets, func(a, b *answerSet) int {
		return cmp.Or(cmp.Compare(b.known(), a.known()), cmp.Compare(a.String(), b.String()), cmp.Compare(a.version, b.version))
	})
	var out []*answerSet
	for _, s := range sets {
		var fits []*answerSet
		for _, o := range out {
			if s.alike(o.setUp) {
				fits = append(fits, o)
			}
		}
		if len(fits) != 1 {
			out = append(out, s)
			continue
		}
		o := fits[0]
		o.setUp = o.merge(s.setUp)
		o.runs, o.places, o.answers = append(o.runs, s.runs...), append(o.places, s.places...), append(o.answers, s.answers...)
	}
	slices.SortStableFunc(out, func(a, b *answerSet) int {
		return cmp.Or(cmp.Compare(a.String(), b.String()), compareVersions(a.version, b.version))
	})
	return out
}
