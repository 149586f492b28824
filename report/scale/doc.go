// Package scale turns stored values into what people read: a unit that suits a
// whole column, and as many digits as the interval supports.
//
// It is used in two steps, because a column is read down and not across. First
// choose the unit for all values that will stand together:
//
//	u := scale.For("s", baseline, candidate) // milliseconds, from the value nearest zero
//
// then format each of them:
//
//	u.Format(scale.Within(0.01418, 0.0133, 0.0151)) // "14.2": ±0.9 says nothing about hundredths
//
// A value without an interval shows three significant digits. What is missing
// (NaN) is printed as [Missing], never as 0.
//
// Changes and factors are ratios candidate / baseline, formatted by [Change] and
// [Factor]; counts by [Count]; p-values by [P].
//
// Note: values of one column share decimals only down to three significant
// digits. Full alignment would invent digits for the widest interval, or take
// them from the narrowest.
package scale
