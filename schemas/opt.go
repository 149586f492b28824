package schemas

// An Opt is a value that may not have been recorded. The zero Opt is missing.
type Opt[T any] struct {
	V  T
	OK bool
}

// Some returns an Opt that holds v.
func Some[T any](v T) Opt[T] { return Opt[T]{V: v, OK: true} }

// any returns the value for a table cell: nil where it is missing.
func (o Opt[T]) any() any {
	if !o.OK {
		return nil
	}
	return o.V
}
