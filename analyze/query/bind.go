package query

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	duckdb "github.com/marcboeker/go-duckdb/v2"
)

// bind gives the parameters of a statement their values, as the types that the
// statement wants of them.
func bind(conn *sql.Conn, statement string, params map[string]string) ([]any, error) {
	var args []any
	err := conn.Raw(func(c any) error {
		prepared, err := c.(driver.Conn).Prepare(strings.TrimRight(strings.TrimSpace(statement), "; \t\r\n"))
		if err != nil {
			return err
		}
		defer prepared.Close()
		args, err = values(prepared.(*duckdb.Stmt), params)
		return err
	})
	return args, err
}

func values(s *duckdb.Stmt, params map[string]string) ([]any, error) {
	kind, err := s.StatementType()
	if err != nil {
		return nil, err
	}
	if kind != duckdb.STATEMENT_TYPE_SELECT && kind != duckdb.STATEMENT_TYPE_EXPLAIN {
		return nil, ErrNotReadOnly
	}
	var args []any
	var known []string
	for i := range s.NumInput() {
		name, err := s.ParamName(i + 1)
		if err != nil {
			return nil, err
		}
		text, ok := params[name]
		if !ok {
			return nil, fmt.Errorf("parameter $%s has no value: give it with --param %s=VALUE", name, name)
		}
		wanted, err := s.ParamType(i + 1)
		if err != nil {
			return nil, err
		}
		v, err := value(text, wanted)
		if err != nil {
			return nil, fmt.Errorf("parameter $%s: %w", name, err)
		}
		args, known = append(args, sql.Named(name, v)), append(known, name)
	}
	for name := range params {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no parameter $%s in the statement; there are %d: %s", name, len(known), strings.Join(known, ", "))
		}
	}
	return args, nil
}

var errNotOfType = errors.New("the value does not fit")

// value reads a parameter as the type that the statement wants. Where it wants no
// certain one, a number is a number and anything else text.
func value(text string, wanted duckdb.Type) (any, error) {
	switch wanted {
	case duckdb.TYPE_VARCHAR, duckdb.TYPE_TIMESTAMP, duckdb.TYPE_TIMESTAMP_TZ, duckdb.TYPE_DATE:
		return text, nil
	case duckdb.TYPE_BOOLEAN:
		return strconv.ParseBool(text)
	case duckdb.TYPE_TINYINT, duckdb.TYPE_SMALLINT, duckdb.TYPE_INTEGER, duckdb.TYPE_BIGINT,
		duckdb.TYPE_UTINYINT, duckdb.TYPE_USMALLINT, duckdb.TYPE_UINTEGER, duckdb.TYPE_UBIGINT, duckdb.TYPE_HUGEINT:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
		return nil, fmt.Errorf("%q is no whole number: %w", text, errNotOfType)
	case duckdb.TYPE_DOUBLE, duckdb.TYPE_FLOAT, duckdb.TYPE_DECIMAL:
		return strconv.ParseFloat(text, 64)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	if x, err := strconv.ParseFloat(text, 64); err == nil {
		return x, nil
	}
	return text, nil
}
