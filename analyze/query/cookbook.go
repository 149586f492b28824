package query

import (
	"embed"
	"strings"
)

//go:embed cookbook/*.sql
var cookbook embed.FS

// A Recipe is a question that people ask, and the statement that answers it.
type Recipe struct{ Question, SQL string }

// Cookbook returns the recipes in the order of their numbers, from 1.
func Cookbook() []Recipe {
	entries, err := cookbook.ReadDir("cookbook")
	if err != nil {
		panic("query: " + err.Error()) // the files are compiled in
	}
	var all []Recipe
	for _, e := range entries {
		b, err := cookbook.ReadFile("cookbook/" + e.Name())
		if err != nil {
			panic("query: " + err.Error())
		}
		question, statement, _ := strings.Cut(string(b), "\n")
		all = append(all, Recipe{Question: strings.TrimPrefix(question, "-- "), SQL: strings.TrimSpace(statement)})
	}
	return all
}
