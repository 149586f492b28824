// Package parquetscan reads flat Parquet files that other programs wrote, row by
// row, in bounded memory.
//
//	f, err := parquetscan.Open(file, size, parquetscan.Limits{})
//	rows, err := f.Rows("name", "value")
//	for rows.Next() {
//		name, ok := rows.Text(0) // false where the value is NULL
//	}
//	if err := rows.Err(); err != nil { … } // a *Fault, or what the file itself could not be read for
//
// # What it trusts
//
// Nothing. Arrow's reader, which decodes the values, allocates what a footer, the
// header of a page or an index into a dictionary asks for, and says with a panic
// that some files are damaged. So each of these is checked before Arrow sees it:
// what lists and pages say of their size against the bytes that are there, the
// rows of a column against those of its group, indices against the dictionary. The
// price is to read a file twice, which costs little beside what follows.
//
// # What it reads
//
// What PyArrow writes unless it is told otherwise: columns of one value a row,
// pages of version 1, plain or by a dictionary, in Snappy or as they are. Other
// files are refused with a [*Fault] that says what they are.
package parquetscan
