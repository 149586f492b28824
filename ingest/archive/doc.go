// Package archive opens what uploads come packed in: gzip and zstd around one
// file ([Decompress]), zip and tar around many ([Unpack]). What something is, is
// told by its content, never by its name.
//
// Uploads come from anywhere, and a few kilobytes can unpack to petabytes. So
// everything is bounded by [Limits], memory does not grow with what is unpacked,
// and an archive writes nothing outside the folder that it is given:
//
//   - What would pass a limit is a [*Fault] of the whole archive, for no part of
//     a bomb is a result. So are members of a zip that share bytes, which is how
//     a zip says the same petabyte in ten megabytes.
//   - A member that is no plain file (a link, a device), has a name that leaves
//     the archive (absolute, with a drive letter, with ..) or that another member
//     has already, letter case aside, or that cannot be read, is refused by
//     itself, with its reason. The rest goes on.
//   - An archive that breaks off gives the members that are whole.
package archive
