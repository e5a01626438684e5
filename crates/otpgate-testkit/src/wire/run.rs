//! Running a scenario, and running it in two frameworks to compare what they said.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use super::setup::Setup;
use super::transcript::Transcript;
use super::world::Place;
use super::{Driver, Stores, World};

/// A scenario.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name, which begins with the statement or attack that it proves.
    pub name: &'static str,
    /// Whether requests race in it: then what is said depends on chance, and two frameworks cannot be compared.
    pub racing: bool,
    pub(super) run: for<'a> fn(&'a World) -> Pin<Box<dyn Future<Output = ()> + 'a>>,
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario").field("name", &self.name).field("racing", &self.racing).finish_non_exhaustive()
    }
}

impl Scenario {
    /// Runs the scenario in a new world.
    ///
    /// # Errors
    /// What went wrong, with the last things that were said.
    pub fn run(&self, driver: &Arc<dyn Driver>, stores: &Arc<dyn Stores>) -> Result<Transcript, String> {
        let transcript = Transcript::default();
        let place = Arc::new(Place {
            driver: Arc::clone(driver),
            stores: Arc::clone(stores),
            transcript: transcript.clone(),
            in_order: true,
            seed: self.name.bytes().fold(7, |seed: u64, b| seed.wrapping_mul(31).wrapping_add(u64::from(b))),
        });
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if !self.racing {
            builder = tokio::runtime::Builder::new_current_thread();
        }
        let runtime = builder.enable_all().worker_threads(4).build().map_err(|e| format!("no runtime: {e}"))?;
        let setup = if self.racing { Setup::default().real_chance() } else { Setup::default() };
        let ran = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                let world = World::open(place, setup).await;
                (self.run)(&world).await;
                // A mail that is still under way belongs to the transcript's secrets.
                transcript.keep(world.mailer().messages().into_iter().map(|m| m.code));
            });
        }));
        ran.map(|()| transcript.clone()).map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
            let lines = transcript.lines();
            let tail = lines.iter().rev().take(4).rev().map(String::as_str).collect::<Vec<_>>().join("\n  ");
            format!("{} on {}: {text}\n  the last that was said:\n  {tail}", driver.name(), stores.name())
        })
    }

    /// Runs the scenario in both frameworks, each in a new world, and compares every reply byte for byte (W151); on stores that
    /// take their time ([`Stores::answers_at_once`]), all but what chance gave.
    ///
    /// # Errors
    /// What went wrong in one of them, or the first reply that differs.
    pub fn compare(&self, drivers: [&Arc<dyn Driver>; 2], stores: &Arc<dyn Stores>) -> Result<(), String> {
        let (mut one, mut other) = (self.run(drivers[0], stores)?.lines(), self.run(drivers[1], stores)?.lines());
        if !stores.answers_at_once() {
            one.iter_mut().chain(&mut other).for_each(|line| *line = without_chance(line));
        }
        if self.racing || one == other {
            return Ok(());
        }
        let place = one.iter().zip(&other).position(|(a, b)| a != b).unwrap_or(one.len().min(other.len()));
        let at = |lines: &[String]| lines.get(place).cloned().unwrap_or_else(|| "nothing more".to_owned());
        let names = [drivers[0].name(), drivers[1].name()];
        Err(format!("{} said\n  {}\nand {} said\n  {}", names[0], at(&one), names[1], at(&other)))
    }
}

/// A line of a transcript with the length of each code, token and id in its place.
fn without_chance(line: &str) -> String {
    let within = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_given = |word: &str| {
        let (digits, small) = (word.bytes().any(|b| b.is_ascii_digit()), word.bytes().any(|b| b.is_ascii_lowercase()));
        word.len() >= 20 || (word.len() >= 6 && (digits || !small))
    };
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(within) {
        let end = rest[at..].find(|c| !within(c)).map_or(rest.len(), |length| at + length);
        let word = &rest[at..end];
        out.push_str(&rest[..at]);
        out.push_str(&if is_given(word) { format!("<{}>", word.len()) } else { word.to_owned() });
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_chance_gives_is_left_out() {
        for (line, left) in [
            (r#"200 [x: no-store] {"status":true,"code":1527}"#, r#"200 [x: no-store] {"status":true,"code":1527}"#),
            (r#"{"password":"250931","isOTP":true}"#, r#"{"password":"<6>","isOTP":true}"#),
            (r#"{"token":"eyJ0eXAi.eyJpc3Mi.APd2F_x-q"}"#, r#"{"token":"<27>"}"#),
            ("otpgate-device: oXuOVHqCpiijWDHt9PREfw", "otpgate-device: <22>"),
            ("ABCDEFGH retry-after: 86400", "<8> retry-after: 86400"),
        ] {
            assert_eq!(without_chance(line), left);
        }
    }
}
