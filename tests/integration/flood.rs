//! A99: a flood of passwords. So many are hashed at a time as the host allows, whoever waits too long is refused, what is too long
//! is not hashed at all, and what needs no hash is served meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use otpgate::{
    Caller, Compared, Identifier, OtpAuth, Password, PasswordHash, PasswordParts, PasswordScheme, Passwords as _,
    Platform, Profile, Profiles, Refusal, Secrets, StoreDirectory, Tenant, User, UserId,
};
use otpgate_memory::MemoryStore;
use otpgate_testkit::wire::PacedRuntime;
use otpgate_testkit::{CaptureMailer, SetClock};

const AT_A_TIME: usize = 2;
const FLOOD: usize = 200;

/// A scheme that takes as long as the test likes, and counts.
#[derive(Clone, Default)]
struct Slow(Arc<Gate>);

#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

impl Slow {
    fn set_open(&self, open: bool) {
        *self.0.open.lock().unwrap() = open;
        self.0.opened.notify_all();
    }

    fn busy(&self) -> usize {
        self.0.now.load(Ordering::SeqCst)
    }
}

/// Lets everybody go, so that a test that fails ends.
struct Opens(Slow);

impl Drop for Opens {
    fn drop(&mut self) {
        self.0.set_open(true);
    }
}

impl PasswordScheme for Slow {
    fn hash(&self, _: &Password, _: &[u8; 16]) -> Result<PasswordHash, String> {
        Ok(PasswordHash::from_text("slow"))
    }

    fn compare(&self, password: &Password, hash: Option<&PasswordHash>) -> Compared {
        assert!(password.expose().len() <= 1_024, "too long to be hashed");
        let now = self.0.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(now, Ordering::SeqCst);
        self.0.all.fetch_add(1, Ordering::SeqCst);
        drop(self.0.opened.wait_while(self.0.open.lock().unwrap(), |open| !*open).unwrap());
        self.0.now.fetch_sub(1, Ordering::SeqCst);
        if hash.is_some() && password.expose() == b"right" { Compared::Right } else { Compared::Wrong }
    }
}

fn address(n: usize) -> Identifier {
    Identifier::email(&format!("user{n}@example.com")).unwrap()
}

fn caller(n: usize) -> Caller {
    let n = u32::try_from(n).unwrap();
    let from = std::net::Ipv4Addr::from(0x0a00_0000 + n).into();
    Caller { address: Some(from), ..Caller::new(Profile::Platform, Tenant::default()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a99_a_flood_of_passwords_hashes_two_at_a_time_and_holds_up_nothing_else() {
    let (secrets, store) = (Secrets::new(otpgate_testkit::wire::usual_master()), MemoryStore::new());
    let users = || StoreDirectory::new(store.clone(), &secrets);
    for n in 0..=FLOOD {
        let user = User {
            email: Some(address(n).as_str().into()),
            verified: true,
            ..User::new(UserId::new(n.to_string()).unwrap())
        };
        users().add(&Tenant::default(), &user).await.unwrap();
        let hash = PasswordHash::from_text("slow");
        users().set_password(&Tenant::default(), &user.id, &hash).await.unwrap();
    }
    let (slow, clock) = (Slow::default(), SetClock::default());
    let runtime = PacedRuntime::following(clock.clone());
    let profiles = Profiles::builder().identity(otpgate::Identity::new(Tenant::default())).platform(Platform::new());
    let auth = OtpAuth::builder(secrets.clone(), store.clone(), users(), CaptureMailer::new())
        .profiles(profiles.build().unwrap())
        .clock(clock)
        .runtime(runtime.clone())
        .single_process()
        .passwords(PasswordParts::new(users(), slow.clone(), AT_A_TIME))
        .build()
        .await
        .unwrap();
    slow.set_open(true);
    let session = auth.sign_in(&caller(0), &address(0), &Password::typed("right")).await.unwrap();

    // From here on a comparison takes for ever, or until this test has failed.
    let _end = Opens(slow.clone());
    slow.set_open(false);
    let begun = Instant::now();
    let flood: Vec<_> = (1..=FLOOD)
        .map(|n| {
            let auth = auth.clone();
            let password = if n % 2 == 0 { "right".to_owned() } else { "x".repeat(1_000) };
            tokio::spawn(async move { auth.sign_in(&caller(n), &address(n), &Password::typed(&password)).await })
        })
        .collect();
    while slow.busy() < AT_A_TIME {
        tokio::task::yield_now().await;
    }
    // Too long: refused at once, without a turn. A session, a code, a look-up: served at once.
    let endless = auth.sign_in(&caller(0), &address(0), &Password::typed(&"x".repeat(1_025))).await;
    assert_eq!(endless.unwrap_err(), Refusal::WrongPassword);
    auth.session(&session.access).await.unwrap();
    let identity = Caller::new(Profile::Identity, Tenant::default());
    auth.send_code(&identity, &address(0)).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());

    // Whoever gets no turn in time is refused, and nobody waits for ever.
    let waiting = || flood.iter().filter(|attempt| !attempt.is_finished()).count();
    for _ in 0..1_000 {
        if waiting() == AT_A_TIME {
            break;
        }
        runtime.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(waiting(), AT_A_TIME, "somebody waits for ever, or for nothing");
    assert_eq!((slow.0.most.load(Ordering::SeqCst), slow.0.all.load(Ordering::SeqCst)), (AT_A_TIME, AT_A_TIME + 1));
    slow.set_open(true);
    let mut refused = 0;
    for attempt in flood {
        refused += usize::from(matches!(attempt.await.unwrap(), Err(Refusal::Unavailable)));
    }
    assert_eq!(refused, FLOOD - AT_A_TIME);
    // And it serves at once afterwards.
    auth.sign_in(&caller(0), &address(0), &Password::typed("right")).await.unwrap();
}
