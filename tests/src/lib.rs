//! Nothing: the matrix is its tests.

/// The code in the guide compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/BACKENDS.md")]
#[derive(Debug)]
struct Guide;
