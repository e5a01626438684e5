//! Which paths are the gate's. Every request of the host's is asked about, so that a no has to be cheap.

/// The paths, and what tells most others apart from them at once.
#[derive(Debug)]
pub(crate) struct Places {
    /// The lengths of the paths, a bit each.
    lengths: u64,
    /// How all of them begin.
    start: String,
    paths: Vec<String>,
}

impl Places {
    pub(crate) fn of<'a>(paths: impl Iterator<Item = &'a str>) -> Self {
        let mut paths: Vec<String> = paths.map(str::to_owned).collect();
        paths.sort_unstable();
        paths.dedup();
        // Of sorted texts the first and the last differ first.
        let ends = paths.first().zip(paths.last());
        let start = ends.map(|(a, z)| a.chars().zip(z.chars()).take_while(|(a, z)| a == z).map(|(a, _)| a).collect());
        Self { lengths: paths.iter().fold(0, |bits, path| bits | bit(path)), start: start.unwrap_or_default(), paths }
    }

    /// Whether this is one of them.
    #[inline]
    pub(crate) fn has(&self, path: &str) -> bool {
        self.lengths & bit(path) != 0
            && path.starts_with(&self.start)
            && self.paths.binary_search_by(|own| own.as_str().cmp(path)).is_ok()
    }
}

fn bit(path: &str) -> u64 {
    1 << (path.len() % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_of_them_only_byte_for_byte() {
        let own = ["/auth/v1/token", "/identity/user/login", "/identity/user/logout", "/identity/user/login"];
        let long = format!("/{}", "x".repeat(200));
        let places = Places::of(own.into_iter().chain([long.as_str()]));
        own.iter().chain([&long.as_str()]).for_each(|path| assert!(places.has(path), "{path}"));
        for other in ["", "/", "/identity/user/logim", "/identity/user/loginx", "/Auth/v1/token", "/auth/v1/token/"] {
            assert!(!places.has(other), "{other}");
        }
        let alike = "y".repeat(long.len() - 64);
        assert!(!places.has(&alike), "as long, but for a multiple of the bits");
        assert!(!Places::of(std::iter::empty()).has(""));
    }
}
