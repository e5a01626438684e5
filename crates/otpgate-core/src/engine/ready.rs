//! What sending and verifying have to know before they decide, loaded together: so an operation waits for the store one time
//! after another as often as its writes must follow each other, and once more.

use futures_util::TryFutureExt as _;
use futures_util::future::{join, try_join};

use super::devices::Standing;
use super::keeper::Loaded;
use super::limits::Guessing;
use super::{Caller, Inner};
use crate::policy::Bucket;
use crate::record::{Audience, IdentifierRecord};
use crate::{Disclosure, Identifier, Key, Refusal, User};

/// An identifier as it was loaded, whose it is, and how the caller stands to them.
pub(super) struct Ready {
    pub(super) user: Option<User>,
    pub(super) audience: Audience,
    /// From before the credential is looked at: whatever bumps the account's epoch from here on wins.
    pub(super) standing: Standing,
    pub(super) seen: Loaded<IdentifierRecord>,
}

impl Inner {
    /// Counts the request against its address, and reads what sending a code needs; `key` is where the identifier is. A full address refuses before anything
    /// else is asked.
    pub(super) async fn ready_to_send(
        &self,
        caller: &Caller,
        identifier: &Identifier,
        key: &Key,
    ) -> Result<Ready, Refusal> {
        let reveals = self.policy(&caller.tenant).disclosure == Disclosure::Reveal;
        let address = self.look_at(caller.address, caller.counts).await?;
        let person = async {
            let (user, audience) = self.person(caller, identifier, reveals).await?;
            let standing = self.standing_of(caller, identifier, user.as_ref());
            let (standing, ()) = try_join(standing, self.expect_valve_open(caller)).await?;
            Ok((user, audience, standing))
        };
        let ready = self.ready(key, person);
        let (counted, ready) = join(self.count(address, caller.counts), ready).await;
        counted.and(ready)
    }

    /// Counts the request and its guess against the address, and reads what trying a code needs. The guess is given back where
    /// there will be none.
    pub(super) async fn ready_to_guess(
        &self,
        caller: &Caller,
        identifier: &Identifier,
        key: &Key,
    ) -> Result<(Guessing, Ready), Refusal> {
        let reveals = self.policy(&caller.tenant).disclosure.tells_at_verification(caller.profile);
        let buckets = [caller.counts, &[Bucket::Guesses]].concat();
        let address = self.look_at(caller.address, &buckets).await?;
        let person = async {
            let (user, audience) = self.person(caller, identifier, reveals).await?;
            let standing = self.standing_of(caller, identifier, user.as_ref()).await?;
            self.expect_breaker_closed(caller, standing.is_known()).await?;
            Ok((user, audience, standing))
        };
        let ready = self.ready(key, person);
        let (counted, ready) = join(self.count(address, &buckets), ready).await;
        let guessing = Guessing(counted?);
        match ready {
            Ok(ready) => Ok((guessing, ready)),
            Err(refusal) => {
                self.end_guess(caller, &guessing, false).await?;
                Err(refusal)
            }
        }
    }

    /// The user behind an identifier, and whom a code for it is for.
    async fn person(
        &self,
        caller: &Caller,
        identifier: &Identifier,
        reveals: bool,
    ) -> Result<(Option<User>, Audience), Refusal> {
        let user = self.in_time(self.directory.find(&caller.tenant, identifier)).await?;
        let audience = self.audience(caller, identifier, user.as_ref());
        if audience == Audience::Nobody && reveals {
            return Err(Refusal::UnknownUser);
        }
        Ok((user, audience))
    }

    /// No `async fn`: it would keep the place of its argument beside that of the two together, and both are large.
    fn ready(
        &self,
        key: &Key,
        person: impl Future<Output = Result<(Option<User>, Audience, Standing), Refusal>>,
    ) -> impl Future<Output = Result<Ready, Refusal>> {
        let both = try_join(person, self.load(key));
        both.map_ok(|((user, audience, standing), seen)| Ready { user, audience, standing, seen })
    }
}
