//! Nothing: the matrix is its tests.
