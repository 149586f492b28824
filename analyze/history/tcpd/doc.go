// Package tcpd scores change points against several annotators, as the Turing
// Change Point Dataset does (van den Burg & Williams 2020, arXiv:2003.06222).
//
// Change points are first indices of the right segment, from 0, as everywhere in
// this module. The annotations of the dataset follow that; the predictions of the
// R methods in TCPDBench are one lower: see [AsR].
package tcpd
