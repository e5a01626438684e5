//! A105: the process itself ends in the middle of a login. This test starts itself as a child, whose store aborts it at one of its
//! writes, and looks at what is in the database afterwards: SQLite, whose commits are on the disk when they are answered.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use otpgate::{
    AccessToken, Caller, Identifier, OtpAuth, Policy, Profile, Refusal, Secrets, StoreDirectory, Tenant, User, UserId,
    async_trait,
};
use otpgate_core::{Expect, Key, Owner, Record, Store, StoreError, Swapped, Timestamp};
use otpgate_sqlite::SqliteStore;
use otpgate_testkit::CaptureMailer;

const PLACE: &str = "OTPGATE_CRASH_TEST_FOLDER";
const WRITE: &str = "OTPGATE_CRASH_TEST_WRITE";
const CODE: &str = "OTPGATE_CRASH_TEST_CODE";

/// Ends the process at one of its swaps: before it is made, or after it is on the disk.
struct Aborting {
    store: SqliteStore,
    left: AtomicU64,
    after: bool,
}

#[async_trait]
impl Store for Aborting {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.store.load(key).await
    }
    async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError> {
        let last = self.left.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && !self.after {
            std::process::abort();
        }
        let swapped = self.store.swap(key, expect, next).await;
        if last {
            std::process::abort();
        }
        swapped
    }
    async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError> {
        self.store.add(key, delta, expires_at).await
    }
    async fn owned(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        self.store.owned(owner, after, limit).await
    }
    async fn drop_owned(&self, owner: &Owner) -> Result<u64, StoreError> {
        self.store.drop_owned(owner).await
    }
    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.store.sweep(before, limit).await
    }
}

fn ada() -> Identifier {
    Identifier::email("ada@example.com").unwrap()
}

/// From an address of its own each time: the limits by address are no part of this.
fn caller(from: u64) -> Caller {
    Caller {
        address: Some([192, 0, 2, from.to_le_bytes()[0]].into()),
        ..Caller::new(Profile::Identity, Tenant::default())
    }
}

/// The app of one process.
async fn app(store: Arc<dyn Store>, mailer: CaptureMailer) -> OtpAuth {
    let secrets = Secrets::new(otpgate_testkit::wire::usual_master());
    let users = StoreDirectory::new(Arc::clone(&store), &secrets);
    let policy = Policy::builder().insecure_without_send_limits().build().unwrap();
    OtpAuth::builder(secrets, store, users, mailer).policy(policy).single_process().build().await.unwrap()
}

async fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder.join("db")).await.unwrap()
}

#[tokio::test]
#[ignore = "the child of the other test, which aborts in the middle of its login"]
async fn logs_in_and_dies() {
    let variable = |name| std::env::var(name).unwrap();
    let (nth, after) = variable(WRITE).split_once(' ').map(|(n, how)| (n.parse().unwrap(), how == "after")).unwrap();
    let store = Aborting { store: open(Path::new(&variable(PLACE))).await, left: AtomicU64::new(nth), after };
    let auth = app(Arc::new(store), CaptureMailer::new()).await;
    auth.verify_code(&caller(200 + nth), &ada(), &variable(CODE)).await.unwrap();
}

/// Whether the child came to the end of its login.
fn child(folder: &Path, write: &str, code: &str) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "crash::logs_in_and_dies", "--ignored"])
        .env(PLACE, folder)
        .env(WRITE, write)
        .env(CODE, code);
    let status = child.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    // Aborted is ended by a signal; a child that fails says 101.
    assert!(status.success() || status.code().is_none(), "write {write}: {status}");
    status.success()
}

#[tokio::test]
async fn a105_a_process_that_aborts_at_any_write_of_a_login_leaves_one_session_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let user = UserId::new("1").unwrap();
    let known = User { email: Some("ada@example.com".into()), verified: true, ..User::new(user.clone()) };
    let secrets = Secrets::new(otpgate_testkit::wire::usual_master());
    let users = StoreDirectory::new(open(folder.path()).await, &secrets);
    users.add(&Tenant::default(), &known).await.unwrap();
    let (mut points, mut kept, mut lost) = (0, 0, 0);
    for how in ["before", "after"] {
        for nth in 1.. {
            let (mailer, caller) = (CaptureMailer::new(), caller(nth + if how == "after" { 100 } else { 0 }));
            let auth = app(Arc::new(open(folder.path()).await), mailer.clone()).await;
            auth.revoke_all(&caller, &user).await.unwrap();
            let sessions = async || auth.sessions_of(&Tenant::default(), &user).await.unwrap().len();
            auth.send_code(&caller, &ada()).await.unwrap();
            let code = mailer.next().await.code;
            if child(folder.path(), &format!("{nth} {how}"), &code) {
                assert_eq!(sessions().await, 1, "it logged in");
                break;
            }
            points += 1;
            let orphans = sessions().await;
            match auth.verify_code(&caller, &ada(), &code).await {
                Ok(opened) => {
                    kept += 1;
                    assert_eq!((orphans, sessions().await), (0, 1), "{how} write {nth}: a session without its code");
                    auth.session(&AccessToken::new(opened.access.expose())).await.unwrap();
                }
                Err(refusal) => {
                    lost += 1;
                    assert_eq!(refusal, Refusal::WrongCode, "{how} write {nth}");
                    assert!(orphans <= 1, "{how} write {nth}: {orphans} sessions of one code");
                    // At worst another code is needed, and it is to be had at once.
                    auth.send_code(&caller, &ada()).await.unwrap();
                    auth.verify_code(&caller, &ada(), &mailer.next().await.code).await.unwrap();
                }
            }
            assert_eq!(auth.verify_code(&caller, &ada(), &code).await.unwrap_err(), Refusal::WrongCode);
        }
    }
    assert!(points >= 8 && kept >= 2 && lost >= 2, "{points} writes, {kept} left the code and {lost} did not");
}
