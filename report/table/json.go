package table

import "bufio"

// Schema names the form of the json format. A field may be added to it; a change
// of meaning is a new number.
const Schema = "servestat.sql/1"

// A jsonWriter writes one object: its schema, its columns, and its rows as
// objects, one a line.
type jsonWriter struct {
	w       *bufio.Writer
	columns []column
	rows    int
	buf     []byte
}

func (j *jsonWriter) head() error {
	b := append(j.buf[:0], `{"schema":`...)
	b = append(appendString(b, Schema), `,"columns":[`...)
	for i, c := range j.columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"name":`...), c.unique)
		b = appendString(append(b, `,"type":`...), c.DatabaseType)
		b = append(b, '}')
	}
	_, err := j.w.Write(append(b, `],"rows":[`...))
	return err
}

func (j *jsonWriter) row(values []any) error {
	b := j.buf[:0]
	if j.rows > 0 {
		b = append(b, ',')
	}
	j.rows++
	j.buf = appendObject(append(b, '\n'), j.columns, values)
	_, err := j.w.Write(j.buf)
	return err
}

func (j *jsonWriter) close() error {
	_, err := j.w.WriteString("\n]}\n")
	return err
}

// A jsonlWriter writes an object a line.
type jsonlWriter struct {
	w       *bufio.Writer
	columns []column
	buf     []byte
}

func (j *jsonlWriter) head() error { return nil }

func (j *jsonlWriter) row(values []any) error {
	j.buf = append(appendObject(j.buf[:0], j.columns, values), '\n')
	_, err := j.w.Write(j.buf)
	return err
}

func (j *jsonlWriter) close() error { return nil }

// appendObject appends a row as an object, its keys in the order of the columns.
func appendObject(b []byte, columns []column, values []any) []byte {
	b = append(b, '{')
	for i, c := range columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, c.unique), ':')
		b = c.appendJSON(b, values[i])
	}
	return append(b, '}')
}
