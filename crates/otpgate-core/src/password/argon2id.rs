//! Argon2id (RFC 9106) by the `argon2` crate.

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{PasswordHasher, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};

use super::{Compared, Password, PasswordHash, PasswordScheme};
use crate::error::{ConfigError, ConfigErrorKind};

/// Argon2id with its parameters; default 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet).
#[derive(Clone)]
pub struct Argon2id {
    hasher: Argon2<'static>,
    params: Params,
    /// Hashed once when it is built: what an unknown user's password is compared with.
    dummy: PasswordHash,
}

impl Argon2id {
    /// The default parameters.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Policy`] when the crate refuses them.
    pub fn new() -> Result<Self, ConfigError> {
        Self::with_params(19 * 1_024, 2, 1)
    }

    /// `memory_kib` KiB of memory, `passes` passes, `lanes` lanes. Old hashes stay good and are hashed again at the next sign-in.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Policy`] for parameters that Argon2 does not take.
    pub fn with_params(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, ConfigError> {
        let wrong = |e: String| {
            ConfigError::new(ConfigErrorKind::Policy, format!("argon2id does not take these parameters: {e}"))
        };
        let params = Params::new(memory_kib, passes, lanes, None).map_err(|e| wrong(e.to_string()))?;
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let mut scheme = Self { hasher, params, dummy: PasswordHash::from_text("") };
        scheme.dummy = scheme.hash(&Password::typed("nobody has this"), &[0; 16]).map_err(wrong)?;
        Ok(scheme)
    }

    fn is_old(&self, hash: &Phc) -> bool {
        let params = Params::try_from(hash);
        let same = |p: &Params| {
            (p.m_cost(), p.t_cost(), p.p_cost()) == (self.params.m_cost(), self.params.t_cost(), self.params.p_cost())
        };
        hash.algorithm.as_str() != "argon2id" || !params.as_ref().is_ok_and(same)
    }
}

impl std::fmt::Debug for Argon2id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Argon2id").field("params", &self.params).finish_non_exhaustive()
    }
}

impl PasswordScheme for Argon2id {
    fn hash(&self, password: &Password, salt: &[u8; 16]) -> Result<PasswordHash, String> {
        let hash: Phc = self.hasher.hash_password_with_salt(password.expose(), salt).map_err(|e| e.to_string())?;
        Ok(PasswordHash::from_text(hash.to_string()))
    }

    fn compare(&self, password: &Password, hash: Option<&PasswordHash>) -> Compared {
        let parsed = Phc::new(hash.unwrap_or(&self.dummy).as_str());
        let right = parsed.as_ref().is_ok_and(|p| self.hasher.verify_password(password.expose(), p).is_ok());
        match (right && hash.is_some(), parsed) {
            (true, Ok(parsed)) if self.is_old(&parsed) => Compared::RightButOld,
            (true, Ok(_)) => Compared::Right,
            _ => Compared::Wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap() -> Argon2id {
        Argon2id::with_params(8, 1, 1).unwrap()
    }

    #[test]
    fn q45_every_byte_counts_and_nothing_is_cut_at_72() {
        let scheme = cheap();
        let (x, y) = (format!("{}x", "a".repeat(72)), format!("{}y", "a".repeat(72)));
        let hash = scheme.hash(&Password::typed(&x), &[1; 16]).unwrap();
        assert_eq!(scheme.compare(&Password::typed(&x), Some(&hash)), Compared::Right);
        for other in [y.as_str(), "a", &"a".repeat(72), &format!("{x} "), &format!("{x}\0")] {
            assert_eq!(scheme.compare(&Password::typed(other), Some(&hash)), Compared::Wrong);
        }
    }

    #[test]
    fn a_hash_of_other_parameters_is_right_and_old() {
        let old = Argon2id::with_params(16, 1, 1).unwrap();
        let hash = old.hash(&Password::typed("open sesame"), &[1; 16]).unwrap();
        assert_eq!(cheap().compare(&Password::typed("open sesame"), Some(&hash)), Compared::RightButOld);
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=16,t=1,p=1$"));
    }

    #[test]
    fn nobody_and_nonsense_are_wrong() {
        let scheme = cheap();
        assert_eq!(scheme.compare(&Password::typed("nobody has this"), None), Compared::Wrong);
        for nonsense in ["", "plain", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv"] {
            let hash = PasswordHash::from_text(nonsense);
            assert_eq!(scheme.compare(&Password::typed("x"), Some(&hash)), Compared::Wrong);
        }
        assert!(Argon2id::with_params(0, 0, 0).is_err());
    }
}
