//! Everything that the routes do, as methods of [`OtpAuth`]: the same operations under the same limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use otpgate::{
    AccessToken, Caller, Code, Device, FlowClaim, Identifier, NewFlow, OtpAuth, Password, PasswordParts, PeerPolicy,
    Profile, Refusal, Registration, Secrets, Tenant, TypedCode, User, UserId,
};
use otpgate_core::password::Argon2id;
use otpgate_core::{Store, StoreDirectory};
use otpgate_testkit::{CaptureMailer, SetClock};

use crate::drive::stores;

const PASSWORD: &str = "correct horse battery staple";

/// An app's own side of things: its users, its mailbox, its clock.
struct Host {
    auth: OtpAuth,
    users: StoreDirectory,
    mailer: CaptureMailer,
    clock: SetClock,
    user: UserId,
    /// How many mails were read.
    read: AtomicUsize,
    _keep: Arc<dyn std::any::Any + Send + Sync>,
}

impl Host {
    async fn over(stores: &dyn otpgate_testkit::wire::Stores) -> Self {
        let (store, keep): (Arc<dyn Store>, _) = stores.open().await;
        let secrets = Secrets::new(otpgate_testkit::wire::usual_master());
        let users = || StoreDirectory::new(Arc::clone(&store), &secrets);
        let (mailer, clock) = (CaptureMailer::new(), SetClock::default());
        let scheme = Argon2id::with_params(8, 1, 1).unwrap();
        let auth = OtpAuth::builder(secrets.clone(), Arc::clone(&store), users(), mailer.clone())
            .passwords(PasswordParts::new(users(), scheme, 2))
            .registration(Registration::on_first_code(users()))
            .clock(clock.clone())
            .peers(PeerPolicy::default())
            .build()
            .await
            .unwrap();
        let user = UserId::new("1").unwrap();
        let known =
            User { email: Some("a@example.com".into()), roles: vec!["admin".into()], ..User::new(user.clone()) };
        users().add(&Tenant::default(), &known).await.unwrap();
        let users = users();
        Self { auth, users, mailer, clock, user, read: AtomicUsize::new(0), _keep: keep }
    }

    async fn code_for(&self, address: &str) -> String {
        for _ in 0..10_000 {
            let mails = self.mailer.messages();
            if let Some(mail) = mails.get(self.read.load(Ordering::SeqCst)) {
                assert_eq!(mail.to, address);
                self.read.fetch_add(1, Ordering::SeqCst);
                return mail.code.clone();
            }
            tokio::task::yield_now().await;
        }
        panic!("no mail for {address}");
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn caller(profile: Profile) -> Caller {
    Caller { address: Some([192, 0, 2, 1].into()), ..Caller::new(profile, Tenant::default()) }
}

fn a() -> Identifier {
    Identifier::email("a@example.com").unwrap()
}

async fn on_every_store(test: impl AsyncFn(Host)) {
    for stores in stores() {
        test(Host::over(&*stores).await).await;
    }
}

#[tokio::test]
async fn every_route_is_a_method() {
    on_every_store(async |host: Host| {
        let (auth, identity, platform) = (&host.auth, caller(Profile::Identity), caller(Profile::Platform));
        assert!(!auth.is_available(&identity, &a()).await.unwrap());
        auth.send_code(&identity, &a()).await.unwrap();
        let code = host.code_for("a@example.com").await;
        assert_eq!(auth.verify_code(&identity, &a(), "000000").await.unwrap_err(), Refusal::WrongCode);
        let opened = auth.verify_code(&identity, &a(), &code).await.unwrap();
        let live = auth.session(&opened.access).await.unwrap();
        assert_eq!(live.user_id, host.user);
        let renewed = auth.refresh(&identity, &opened.refresh).await.unwrap();
        auth.log_out(&identity, &renewed.access).await.unwrap();
        assert_eq!(auth.session(&opened.access).await.unwrap_err(), Refusal::NotAuthenticated);

        auth.ask_reset(&platform, &a()).await.unwrap();
        let token = host.code_for("a@example.com").await;
        auth.reset_password(&platform, &Code::new(token), &Password::typed(PASSWORD)).await.unwrap();
        let opened = auth.sign_in(&platform, &a(), &Password::typed(PASSWORD)).await.unwrap();
        assert_eq!(auth.status(&opened.access).await.unwrap().id, host.user);
        let (user, access) = auth.renew(&platform, &opened.access).await.unwrap();
        assert_eq!(user.id, host.user);

        assert_eq!(auth.sessions_of(&Tenant::default(), &host.user).await.unwrap().len(), 1);
        auth.disable(&Tenant::default(), &host.user).await.unwrap();
        assert_eq!(auth.status(&access).await.unwrap_err(), Refusal::NotAuthenticated);
        host.advance(60);
        assert_eq!(auth.sign_in(&platform, &a(), &Password::typed(PASSWORD)).await.unwrap_err(), Refusal::Forbidden);
        auth.enable(&Tenant::default(), &host.user).await.unwrap();
        let one = auth.sign_in(&platform, &a(), &Password::typed(PASSWORD)).await.unwrap();
        let two = auth.sign_in(&platform, &a(), &Password::typed(PASSWORD)).await.unwrap();
        auth.revoke_others(&auth.session(&two.access).await.unwrap()).await.unwrap();
        auth.session(&two.access).await.unwrap();
        assert!(auth.session(&one.access).await.is_err());
        assert!(auth.revoke(&Tenant::default(), &host.user, two.session).await.unwrap());
        auth.unlock(&Tenant::default(), &a()).await.unwrap();
        auth.user_changed(&Tenant::default(), &host.user, &[]).await.unwrap();
        auth.revoke_all(&platform, &host.user).await.unwrap();
        auth.forget(&Tenant::default(), &host.user).await.unwrap();
        assert!(host.users.remove(&Tenant::default(), &host.user).await.is_ok_and(|was_there| !was_there));
    })
    .await;
}

#[tokio::test]
async fn the_flows_of_engine_are_methods_too() {
    on_every_store(async |host: Host| {
        let (auth, engine) = (&host.auth, caller(Profile::Engine));
        let new = |password: Option<&str>| NewFlow {
            identifier: a(),
            destination: None,
            device: Some("phone".into()),
            password: password.map(Password::typed),
        };
        let claim = |flow| FlowClaim {
            flow,
            tenant: Some(Tenant::default()),
            identifier: a(),
            device: Device::Named("phone".into()),
        };
        let flow = auth.open_flow(&engine, new(None)).await.unwrap().flow;
        auth.set_pending(&engine, claim(Some(flow)), &Password::typed(PASSWORD)).await.unwrap();
        auth.send_flow_code(&engine, claim(Some(flow))).await.unwrap();
        let code = host.code_for("a@example.com").await;
        let opened = auth.verify_flow(&engine, claim(Some(flow)), &TypedCode::Text(Code::new(code))).await.unwrap();
        assert!(opened.has_password, "a pending password takes effect with the code that proves the address");
        let key = opened.key.clone().unwrap();
        let again = auth.regenerate(&engine, claim(None), &key).await.unwrap();
        host.advance(16 * 60);
        let later = auth.exchange(&engine, claim(None), &again.access).await.unwrap();
        auth.expire(&engine, claim(None), &later.access).await.unwrap();
        assert!(auth.regenerate(&engine, claim(None), &key).await.is_err());

        let flow = auth.open_flow(&engine, new(None)).await.unwrap().flow;
        let opened = auth.sign_in_flow(&engine, claim(Some(flow)), &Password::typed(PASSWORD)).await.unwrap();
        let (old, new) = (Password::typed(PASSWORD), Password::typed("another long password"));
        auth.change_password(&engine, claim(None), &opened.access, &old, &new).await.unwrap();
        assert!(auth.session(&opened.access).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn r28_methods_stand_under_the_limits_of_the_routes() {
    on_every_store(async |host: Host| {
        let (auth, platform) = (&host.auth, caller(Profile::Platform));
        for _ in 0..5 {
            let refused = auth.sign_in(&platform, &a(), &Password::typed("wrong password")).await.unwrap_err();
            assert_eq!(refused, Refusal::WrongPassword);
        }
        let refused = auth.sign_in(&platform, &a(), &Password::typed("wrong password")).await.unwrap_err();
        assert!(matches!(refused, Refusal::TooMany { .. }), "{refused:?}");
        let refused = auth.send_code(&platform, &a()).await.unwrap_err();
        assert!(matches!(refused, Refusal::TooMany { .. }), "{refused:?}");
        let identity = caller(Profile::Identity);
        for _ in 0..10 {
            auth.is_available(&identity, &a()).await.unwrap();
        }
        let refused = auth.is_available(&identity, &a()).await.unwrap_err();
        assert!(matches!(refused, Refusal::TooMany { .. }), "{refused:?}");
        // A caller whose address is not known has the limits of the identifier alone.
        let unknown = Caller::new(Profile::Identity, Tenant::default());
        for _ in 0..3 {
            auth.send_code(&unknown, &a()).await.unwrap();
        }
        assert!(matches!(auth.send_code(&unknown, &a()).await.unwrap_err(), Refusal::TooManyCodes { .. }));
    })
    .await;
}

#[tokio::test]
async fn a_newcomer_registers_by_method() {
    on_every_store(async |host: Host| {
        let (auth, identity) = (&host.auth, caller(Profile::Identity));
        let address = Identifier::email("new@example.com").unwrap();
        assert!(auth.is_available(&identity, &address).await.unwrap());
        auth.send_code(&identity, &address).await.unwrap();
        let code = host.code_for("new@example.com").await;
        let opened = auth.verify_code(&identity, &address, &code).await.unwrap();
        assert_eq!(opened.user.email.as_deref(), Some("new@example.com"));
        assert_eq!(auth.status(&opened.access).await.unwrap().id, opened.user.id);
        assert!(auth.status(&AccessToken::new("junk")).await.is_err());
    })
    .await;
}
